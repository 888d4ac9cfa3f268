import { createServer } from "node:net";
import { hostname } from "node:os";

/**
 * The program of a clustered role: answers each line on a TCP connection with who answers.
 * ADDRESS PORT
 */
const [address = "", port = ""] = process.argv.slice(2);
const node = hostname();
const generation = Number(process.env["MUSTER_GENERATION"]);
let counter = 0;

const server = createServer((socket) => {
  let rest = "";
  socket.setEncoding("utf8").setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (piece: string) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const id of lines) socket.write(`${JSON.stringify({ id: Number(id), node, generation, counter: ++counter })}\n`);
  });
});
server.listen(Number(port), address);
