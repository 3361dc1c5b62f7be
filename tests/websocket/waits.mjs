// One session of Node's `ws`, as user argv[3]: says that it is open, and then with which code it was closed.
import { createRequire } from "node:module";
import { once } from "node:events";
import { pathToFileURL } from "node:url";
const require = createRequire(pathToFileURL(`${process.env.NODE_WORK}/`));
const WebSocket = require("ws");

const socket = new WebSocket(process.argv[2], { headers: { "x-user-id": process.argv[3] } });
await once(socket, "open");
console.log("open");
const [code] = await once(socket, "close");
console.log(`${code}`);
