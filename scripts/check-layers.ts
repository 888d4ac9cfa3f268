import { readFileSync } from "node:fs";
import { globSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The shape of the house: imports between rooms run downwards only, decisions stay pure, and
 * files stay small enough to be about one thing. Run by `npm run lint`.
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What each room may import, beside itself. A room that is not listed may import nothing. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  platform: [],
  model: [],
  quorum: ["model"],
  core: ["model", "quorum"],
  log: ["model", "quorum"],
  lease: ["model", "quorum"],
  nlb: ["model"],
  history: ["model", "core"],
  engine: ["model"],
  database: ["model", "log"],
  monitor: ["model", "platform"],
  network: ["model"],
  "nlb-filter": ["model", "platform", "nlb", "network"],
  "nlb-host": ["model", "platform", "nlb", "nlb-filter", "network", "security"],
  "nlb-api": ["model", "nlb", "nlb-filter", "nlb-host", "security", "api"],
  leasing: ["model", "platform", "lease", "quorum", "network"],
  resources: ["model", "monitor", "network"],
  security: ["model"],
  witness: ["model", "quorum", "security"],
  service: ["model", "quorum", "core", "log", "lease", "history", "engine", "database", "monitor", "network", "leasing", "resources", "security", "witness"],
  api: ["model", "core", "history", "security", "service"],
  launcher: ["model", "service", "api"],
  host: ["model", "security", "witness", "service", "api", "nlb", "nlb-host", "nlb-api"],
  lab: ["model"],
  cli: ["model", "core", "launcher", "host", "lab", "nlb", "nlb-host"],
};

/** Single files with a wider view, and why. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  // The monitor's process puts the built-in types into the monitor; the monitor itself does not know them.
  "src/monitor/main.ts": ["resources", "leasing"],
  // The same for the process that describes the types there are.
  "src/monitor/describe-types-main.ts": ["resources"],
};

/** Rooms whose decisions must not depend on clock, chance, locale or the world. */
const PURE = ["model", "quorum", "core", "log", "lease", "nlb"];
const IMPURE = /\b(Date\.now|new Date|Math\.random|performance\.now|setTimeout|setInterval|localeCompare|Intl\.|process\.(?:env|hrtime|pid|uptime|cwd))|from "node:/;
const LINES_MAX = 400;

const problems: string[] = [];
for (const file of globSync("src/**/*.ts", { cwd: root }).sort()) {
  const text = readFileSync(join(root, file), "utf8");
  const room = file.split("/")[1]!;
  checkImports(file, room, text);
  if (PURE.includes(room)) checkPurity(file, text);
  const lines = text.split("\n").length - 1;
  if (lines > LINES_MAX) problems.push(`${file}: ${lines} lines; is it about one thing? (at most ${LINES_MAX})`);
}
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stdout.write(problems.length === 0 ? "layers: imports run downwards, decisions are pure\n" : `layers: ${problems.length} problem${problems.length === 1 ? "" : "s"}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;

function checkImports(file: string, room: string, text: string): void {
  for (const match of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
    const target = relative(root, normalize(join(root, dirname(file), match[1]!)));
    const targetRoom = target.startsWith("src/") ? target.split("/")[1]! : null;
    if (targetRoom === null || targetRoom === room) continue;
    // The client is the API's other end: it may be used without the server.
    if (target === "src/api/client.ts" && room === "cli") continue;
    if ([...(ALLOWED[room] ?? []), ...(EXCEPTIONS[file] ?? [])].includes(targetRoom)) continue;
    problems.push(`${file}: ${room} must not import ${targetRoom} (${match[1]})`);
  }
}

function checkPurity(file: string, text: string): void {
  text.split("\n").forEach((line, position) => {
    const code = line.replace(/\/\/.*$|^\s*\*.*$|^\s*\/\*.*$/, "");
    const found = IMPURE.exec(code);
    if (found !== null) problems.push(`${file}:${position + 1}: '${found[0]}' has no place in a decision`);
  });
}
