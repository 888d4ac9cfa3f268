#!/usr/bin/env node
// Runs the command on Node 24: this one, or the one that was installed beside it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, "src", "cli", "main.ts");
// In a clone the sources run; with MUSTER_BUILT what was built of them, as on machines where it is installed.
const entry = existsSync(source) && !process.env.MUSTER_BUILT ? source : join(root, "dist", "src", "cli", "main.js");

if (Number(process.versions.node.split(".")[0]) >= 24) {
  await import("./compile-cache.js");
  await import(entry);
} else {
  const node = installedNode();
  if (node === null) {
    console.error("muster needs Node 24 or newer. Install it, or run 'npm ci' in the directory of muster, which brings one.");
    process.exit(78);
  }
  // The channel tells the child when this process is killed: nothing may run on without its terminal.
  const child = spawn(node, [entry, ...process.argv.slice(2)], { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

function installedNode() {
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin", "node");
    return existsSync(path) ? path : null;
  } catch {
    return null;
  }
}
