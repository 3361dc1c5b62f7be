// A WebSocket server of Node's `ws`: it echoes, and does what a few words ask for.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
const require = createRequire(pathToFileURL(`${process.env.NODE_WORK}/`));
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  port: 0, host: "127.0.0.1", perMessageDeflate: true, maxPayload: 64 * 1024 * 1024,
  handleProtocols: (offered) => (offered.has("realtime") ? "realtime" : false),
});
server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("pong", (data) => socket.send(`ponged ${data}`));
  socket.on("message", (data, binary) => {
    const words = binary ? [] : data.toString().split(" ");
    if (words[0] === "close") socket.close(Number(words[1]), words[2]);
    else if (words[0] === "die") socket.terminate();
    else if (words[0] === "ping") socket.ping("from the server");
    else socket.send(data, { binary });
  });
});
server.on("listening", () => console.log(server.address().port));
