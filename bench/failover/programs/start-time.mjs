import { spawn } from "node:child_process";
import { get } from "node:http";
import { fileURLToPath } from "node:url";

/**
 * The program's own start: from the moment it is begun until it answers, in milliseconds, on stdout.
 * PORT
 */
const [port = ""] = process.argv.slice(2);
const LIMIT_MS = 20_000;
const begunMs = performance.now();
const child = spawn(process.execPath, [fileURLToPath(new URL("./server.mjs", import.meta.url)), port], { stdio: "ignore" });

function ask() {
  return new Promise((resolve) => {
    get({ host: "127.0.0.1", port, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(true));
    }).on("error", () => resolve(false));
  });
}

while (!(await ask()) && performance.now() - begunMs < LIMIT_MS) await new Promise((resolve) => setTimeout(resolve, 1));
process.stdout.write(`${performance.now() - begunMs}\n`);
child.kill("SIGKILL");
