import { createServer } from "node:http";

/**
 * The role of the demonstration: a web server that says where it runs, since when and how
 * often it was asked. Started by a resource monitor, which sets the MUSTER_ variables.
 */
const host = process.env["MUSTER_ADDRESS"] ?? "127.0.0.1";
const port = Number(process.env["PORT"] ?? 8080);
const node = process.env["MUSTER_NODE"] ?? "nowhere";
const started = Date.now();
let requests = 0;

const server = createServer((request, response) => {
  requests++;
  if (request.url === "/hang") {
    process.stdout.write("asked to hang: from now on nothing is answered\n");
    for (;;);
  }
  if (request.url === "/crash") process.exit(1);
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify({ node, processId: process.pid, upMs: Date.now() - started, requests })}\n`);
});
server.on("error", (error) => {
  process.stdout.write(`cannot serve: ${error.message}\n`);
  process.exit(1);
});
server.listen(port, host, () => process.stdout.write(`serving http://${host}:${port}/ on ${node}\n`));
process.on("SIGTERM", () => process.exit(0));
