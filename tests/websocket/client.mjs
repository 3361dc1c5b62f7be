// Sessions of Node's `ws` through Serin: a line of JSON for each check, [name, passed, what was seen].
import { createRequire } from "node:module";
import { once } from "node:events";
import { pathToFileURL } from "node:url";
const require = createRequire(pathToFileURL(`${process.env.NODE_WORK}/`));
const WebSocket = require("ws");

const [url, server] = process.argv.slice(2);
const check = (name, passed, seen) => console.log(JSON.stringify([`ws client, ${server}: ${name}`, passed, `${seen}`]));
const open = async (protocols) => {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: true });
  await once(socket, "open");
  return socket;
};
const next = async (socket) => (await once(socket, "message"))[0];

let socket = await open(["realtime", "other"]);
check("the subprotocol is agreed on", socket.protocol === "realtime", socket.protocol);
check("the extension is agreed on", socket.extensions.includes("permessage-deflate"), socket.extensions);
for (const size of [0, 1, 125, 126, 65535, 65536, 3_000_000]) {
  const sent = Buffer.alloc(size, 7);
  socket.send(sent);
  const got = await next(socket);
  check(`an echo of ${size} bytes`, sent.equals(got), got.length);
}
socket.send("grü", { fin: false });
socket.send("ße", { fin: true });
const whole = await next(socket);
check("fragments", whole.toString() === "grüße", whole);
socket.ping("mine");
const [pong] = await once(socket, "pong");
check("a ping of the client", pong.toString() === "mine", pong);
const pinged = once(socket, "ping");
socket.send("ping");
const [ping] = await pinged;
const ponged = await next(socket);
check("a ping of the server", `${ping}|${ponged}` === "from the server|ponged from the server", `${ping}|${ponged}`);
socket.close(4002, "mine");
let [code, reason] = await once(socket, "close");
check("a close of the client", code === 4002, `${code} ${reason}`);
socket = await open();
socket.send("close 4001 theirs");
[code, reason] = await once(socket, "close");
check("a close of the server", code === 4001 && reason.toString() === "theirs", `${code} ${reason}`);
socket = await open();
socket.send("die");
[code] = await once(socket, "close");
check("a server that dies", code === 1006, code);
