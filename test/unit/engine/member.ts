import { createInterface } from "node:readline";
import { createLocalEngine } from "../../../src/engine/local/local.ts";
import type { LocalEngineOptions } from "../../../src/engine/local/local.ts";
import { MusterError } from "../../../src/model/errors.ts";

/**
 * A node process with nothing but an engine, driven by lines of JSON (cluster.ts): commands on standard input,
 * what happens on standard output, each with the time of the monotonic clock that all processes share.
 */

const [settings = "{}"] = process.argv.slice(2);
const { key, ...rest } = JSON.parse(settings) as Omit<LocalEngineOptions, "key"> & { key: string };
const engine = createLocalEngine({ ...rest, key: Buffer.from(key, "hex"), onNotice: (text) => tell({ event: "notice", text }) });
const fetchReply = Buffer.alloc(20 * 1024 * 1024, "muster ");

function tell(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ at: Number(process.hrtime.bigint()) / 1e6, ...event })}\n`);
}

/** In a flood, messages are only counted; otherwise each is told. */
let isQuiet = false;
let seen = 0;
let order = 0;
let expected = 0;
let spoken = 0;
let isMember = false;
/** A flood keeps so many of its own messages under way. */
let flood: { left: number; payload: Buffer } | null = null;

function describe(error: unknown): Record<string, unknown> {
  return { code: error instanceof MusterError ? error.code : null, message: error instanceof Error ? error.message : String(error) };
}

const commands: Record<string, (command: Record<string, unknown>) => void> = {
  multicast: ({ text }) => engine.multicast(Buffer.from(String(text))),
  oversize: ({ bytes }) => {
    try {
      engine.multicast(Buffer.alloc(Number(bytes)));
      tell({ event: "sent" });
    } catch (error) {
      tell({ event: "refused", ...describe(error) });
    }
  },
  quiet: ({ quiet }) => {
    isQuiet = Boolean(quiet);
    seen = order = 0;
  },
  flood: ({ count, bytes, window }) => {
    flood = { left: Number(count), payload: Buffer.alloc(Number(bytes), "x") };
    for (let n = 0; n < Number(window) && flood.left > 0; n++, flood.left--) engine.multicast(flood.payload);
  },
  count: () => tell({ event: "count", seen, order }),
  /** Tells when so many messages have been seen since `quiet`. */
  expect: ({ count }) => (expected = Number(count)),
  /** From now on, whenever there is a membership, messages that name their sender and have no gap. */
  chatter: ({ everyMs, burst }) => {
    setInterval(() => {
      for (let n = 0; n < Number(burst) && isMember; n++) engine.multicast(Buffer.from(`${engine.self.node}.${engine.self.incarnation}.${++spoken}`));
    }, Number(everyMs)).unref();
  },
  fetch: ({ from, request, timeoutMs }) => {
    const startedAt = performance.now();
    engine.fetch(from as { node: number; incarnation: number }, Buffer.from(String(request)), Number(timeoutMs ?? 5_000)).then(
      (reply) => tell({ event: "fetched", bytes: reply.length, tail: Buffer.from(reply.subarray(-16)).toString(), tookMs: performance.now() - startedAt }),
      (error: unknown) => tell({ event: "fetchFailed", ...describe(error) }),
    );
  },
  stop: () => {
    void engine.stop().then(() => {
      tell({ event: "stopped" });
      process.exitCode = 0;
      lines.close();
    });
  },
};

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line) as { do: string };
  commands[command.do]?.(command);
});
// The test that started this process is gone.
process.stdin.on("end", () => process.exit(1));

try {
  await engine.start({
    onMembers: (members) => {
      isMember = true;
      tell({ event: "members", members });
    },
    onMessage: (from, payload) => {
      seen++;
      order = (Math.imul(order, 31) + from.node) | 0;
      if (flood !== null && from.node === engine.self.node && flood.left > 0) {
        flood.left--;
        engine.multicast(flood.payload);
      }
      if (seen === expected) tell({ event: "reached", seen, order });
      if (!isQuiet) tell({ event: "message", from, text: Buffer.from(payload).toString() });
    },
    onFetch: (from, request) => {
      const text = Buffer.from(request).toString();
      if (text === "big") return Promise.resolve(fetchReply);
      if (text === "fail") return Promise.reject(new Error("no such thing"));
      if (text === "never") return new Promise(() => {});
      return Promise.resolve(Buffer.from(`node ${engine.self.node} to node ${from.node}: ${text}`));
    },
    onLost: (reason) => tell({ event: "lost", reason }),
  });
  tell({ event: "started" });
} catch (error) {
  tell({ event: "notStarted", ...describe(error) });
  process.exit(3);
}
