import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { createCorosyncEngine } from "../../../../src/engine/corosync/engine.ts";
import type { CorosyncEngineOptions } from "../../../../src/engine/corosync/engine.ts";
import type { TransferOptions } from "../../../../src/engine/corosync/transfer.ts";
import { MusterError } from "../../../../src/model/errors.ts";

/**
 * A node process with nothing but an engine, driven by lines of JSON (process.ts): commands on standard input, what
 * happens on standard output, each with the time of the monotonic clock that all processes share.
 */

export interface MemberSettings extends Omit<CorosyncEngineOptions, "transfer" | "onNotice"> {
  readonly transfer: (Omit<TransferOptions, "peerOf"> & { readonly peers: Record<string, { name: string; addresses: string[] }> }) | null;
}

const { transfer, ...settings } = JSON.parse(process.argv[2] ?? "{}") as MemberSettings;
const engine = createCorosyncEngine({
  ...settings,
  transfer: transfer === null ? null : { ...transfer, peerOf: (node) => transfer.peers[node] ?? null },
  onNotice: (text) => tell({ event: "notice", text }),
});
const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
const FETCH_REPLY_BYTES = 20 * 1024 * 1024;

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function tell(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ at: now(), ...event })}\n`);
}

function describe(error: unknown): Record<string, unknown> {
  return { code: error instanceof MusterError ? error.code : null, message: error instanceof Error ? error.message : String(error) };
}

/** In a flood, messages are only counted; otherwise each is told. */
let isQuiet = false;
let seen = 0;
let expected = 0;
/** Of each sender the number of its last message that has one. */
const last = new Map<string, number>();
let gaps = 0;
let spoken = 0;
/** Answers every message that begins so with the time at which it came. */
let timings: number[] = [];

const commands: Record<string, (command: Record<string, unknown>) => void> = {
  multicast: ({ text }) => engine.multicast(Buffer.from(String(text))),
  quiet: ({ quiet }) => {
    isQuiet = Boolean(quiet);
    seen = gaps = 0;
    timings = [];
  },
  /** Numbered messages, all at once; the engine bounds them itself. */
  flood: ({ count, bytes }) => {
    const payload = Buffer.alloc(Number(bytes), " ");
    for (let n = 0; n < Number(count); n++) {
      payload.write(`#${engine.self.node} ${++spoken} `);
      engine.multicast(Buffer.from(payload));
    }
    tell({ event: "flooded", rss: process.memoryUsage.rss() });
  },
  /** Numbered messages at the pace at which they come back. */
  stream: ({ count, bytes, window }) => {
    stream = { left: Number(count), payload: Buffer.alloc(Number(bytes), " ") };
    for (let n = 0; n < Number(window); n++) nextOfStream();
  },
  /** Messages with the time at which they were sent, one after the other. */
  time: ({ count, everyMs, bytes }) => {
    let left = Number(count);
    const timer = setInterval(() => {
      if (left-- <= 0) return clearInterval(timer);
      const payload = Buffer.alloc(Number(bytes), " ");
      payload.write(`@${now()} `);
      engine.multicast(payload);
    }, Number(everyMs));
  },
  timings: () => tell({ event: "timings", timings }),
  expect: ({ count }) => (expected = Number(count)),
  count: () => tell({ event: "count", seen, gaps, rss: process.memoryUsage.rss() }),
  block: ({ timeMs }) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(timeMs));
    tell({ event: "unblocked" });
  },
  delay: () => {
    tell({ event: "delay", maximumMs: delay.max / 1e6 });
    delay.reset();
  },
  usage: () => tell({ event: "usage", cpuUs: process.cpuUsage().user + process.cpuUsage().system, rss: process.memoryUsage.rss() }),
  links: () => tell({ event: "links", links: engine.links() }),
  fetch: ({ from, request, timeoutMs }) => {
    const startedAt = performance.now();
    engine.fetch(from as { node: number; incarnation: number }, Buffer.from(String(request)), Number(timeoutMs ?? 5_000)).then(
      (reply) => tell({ event: "fetched", bytes: reply.length, tail: Buffer.from(reply.subarray(-24)).toString(), tookMs: performance.now() - startedAt }),
      (error: unknown) => tell({ event: "fetchFailed", ...describe(error), tookMs: performance.now() - startedAt }),
    );
  },
  exit: ({ code }) => process.exit(Number(code)),
  fail: () => {
    throw new Error("on purpose");
  },
  stop: () => {
    const startedAt = performance.now();
    void engine.stop().then(() => {
      tell({ event: "stopped", tookMs: performance.now() - startedAt });
      delay.disable();
      lines.close();
      process.stdin.destroy();
    });
  },
};

let stream: { left: number; payload: Buffer } | null = null;
function nextOfStream(): void {
  if (stream === null || stream.left-- <= 0) return;
  stream.payload.write(`#${engine.self.node} ${++spoken} `);
  engine.multicast(Buffer.from(stream.payload));
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line) as { do: string };
  commands[command.do]?.(command);
});
// The test that started this process is gone.
process.stdin.on("end", () => process.exit(1));

try {
  // To see what the process is without it.
  if (process.env["MEASURE_WITHOUT_ENGINE"] === undefined) await engine.start({
    onMembers: (members) => tell({ event: "members", members }),
    onMessage: (from, payload) => {
      seen++;
      if (payload[0] === 0x40) timings.push(now() - Number(Buffer.from(payload.subarray(1, 40)).toString().split(" ")[0]));
      if (payload[0] === 0x23) {
        const number = Number(Buffer.from(payload.subarray(0, 24)).toString().split(" ")[1]);
        const sender = `${from.node}.${from.incarnation}`;
        if (number !== (last.get(sender) ?? number - 1) + 1) gaps++;
        last.set(sender, number);
        if (from.node === engine.self.node) nextOfStream();
      }
      if (seen === expected) tell({ event: "reached", seen });
      if (!isQuiet) tell({ event: "message", from, text: Buffer.from(payload).toString().trimEnd() });
    },
    onFetch: (from, request) => {
      const text = Buffer.from(request).toString();
      if (text === "big") return Promise.resolve(Buffer.alloc(FETCH_REPLY_BYTES, "muster "));
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
