/** Programs of a lab for load balancing, as text: they run where only Node is certain to be. */

/** A web server that says on which host it runs, for IPv4 and IPv6. Words: the name, the port. */
export const WEB_SCRIPT = `
const { createServer } = require("node:http");
const [name, port] = process.argv.slice(1);
createServer((request, response) => response.end(name + "\\n")).listen({ port: Number(port), host: "::" });
`;

/** Asks so often for a page, each time on a new connection, and counts who answers. Words: the address, how often. */
export const ASK_SCRIPT = `
import { request } from "node:http";
const [address = "", times = "30"] = process.argv.slice(2);
const answers = new Map();
for (let count = 0; count < Number(times); count++) {
  const answer = await new Promise((resolve) => {
    const asked = request({ host: address, port: 80, agent: false, timeout: 5000 }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk)).on("end", () => resolve(text.trim()));
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer"))).on("error", (error) => resolve("error: " + error.message)).end();
  });
  answers.set(answer, (answers.get(answer) ?? 0) + 1);
}
for (const [answer, count] of [...answers].sort()) console.log(answer + "  " + count);
`;
