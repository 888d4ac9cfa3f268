import { appendFileSync } from "node:fs";
import { hostname } from "node:os";

/**
 * The program of a role without an address: says in a file that all hosts see that it runs, 50 times a second.
 * FILE
 */
const BEAT_MS = 20;
const [file = ""] = process.argv.slice(2);
const node = hostname();
const generation = Number(process.env["MUSTER_GENERATION"]);
// The same number in another host is another process.
const life = `${node}/${process.pid}/${nowMs()}`;

function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

function beat(): void {
  appendFileSync(file, `${JSON.stringify({ life, node, generation, atMs: nowMs() })}\n`);
}

beat();
setInterval(beat, BEAT_MS);
