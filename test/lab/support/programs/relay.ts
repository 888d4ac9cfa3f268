import { connect, createServer } from "node:net";

/**
 * What comes to a port of a host goes to a socket in the file system, which a process outside of the lab serves.
 * ADDRESS PORT SOCKET
 */
const [address = "", port = "", path = ""] = process.argv.slice(2);

createServer((from) => {
  const to = connect(path);
  for (const [one, other] of [[from, to], [to, from]] as const) one.on("error", () => other.destroy()).on("close", () => other.destroy()).pipe(other);
}).listen(Number(port), address);
