import { parentPort, workerData } from "node:worker_threads";
import { MusterError } from "../../model/errors.ts";
import { LinkReader } from "./cmap.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./messages.ts";
import { Session } from "./session.ts";
import { DESCRIPTORS, distance, Waits, Word } from "./shared.ts";

/**
 * The thread in which corosync's libraries are called. Some calls wait for corosync's answer for as long as it takes;
 * the engine sees that by the words it shares with this thread, and never waits itself.
 */

const RECONNECT_MS = 250;
const BEAT_MS = 250;
/** Between two looks at which links there are. */
const LOOK_MS = 10_000;
/** Most bytes that wait for the engine: as much as the embedded engine keeps for a member. */
const BATCHES_BYTES_MAX = 32 * 1024 * 1024;
/** A connection that was given up for that is made anew when the engine has caught up to here. */
const CAUGHT_UP_BYTES = 1024 * 1024;

const port = parentPort!;
const options = workerData as WorkerOptions;
const { words } = options;

let session: Session | null = null;
let sessionNumber = 0;
/** Bytes of batches handed over since the thread began. */
let given = 0;
let isOver = false;
let reconnecting: NodeJS.Timeout | null = null;
let wasTold = false;
let links: LinkReader | null = null;
let lookedAt = Number.NEGATIVE_INFINITY;
let lastLinkProblem = "";

port.on("message", (message: ToWorker) => {
  switch (message.type) {
    case "send":
      if (session !== null && message.session === sessionNumber) session.send(message.frames);
      else Atomics.add(words, Word.sent, message.frames.length);
      return;
    case "drop":
      if (session !== null && message.session === sessionNumber) lose(message.problem);
      return;
    case "stop":
      return end(() => {});
  }
});

// Ending with a descriptor that is still watched would end the process: see CpgConnection.
process.on("uncaughtException", (error) => {
  end(() => tell({ type: "over", error: MusterError.from(error).toBody() }));
});

const beat = setInterval(() => Atomics.add(words, Word.beat, 1), BEAT_MS);
const reading = setInterval(readLinks, options.linkIntervalMs);
connect();

function tell(message: FromWorker, handedOver: ArrayBuffer[] = []): void {
  port.postMessage(message, handedOver);
}

/** Says what is waited for while it is. */
function waiting<Result>(what: number, call: () => Result): Result {
  Atomics.store(words, Word.waits, what);
  try {
    return call();
  } finally {
    Atomics.store(words, Word.waits, Waits.nothing);
  }
}

function connect(): void {
  reconnecting = null;
  if (isOver) return;
  // The engine stands still or is far behind: what comes would only wait here.
  if (distance(given, words, Word.taken) > CAUGHT_UP_BYTES) return reconnect();
  const number = ++sessionNumber;
  try {
    waiting(Waits.connecting, () => {
      session = new Session({
        self: options.self,
        protocolVersion: options.protocolVersion,
        group: options.group,
        onFrames: (frames) => hand(number, frames),
        onSent: (bytes) => void Atomics.add(words, Word.sent, bytes),
        onRefused: (node, problem) => tell({ type: "refused", node, problem }),
        onLost: (problem) => lose(problem),
        onOver: (error) => end(() => tell({ type: "over", error: error.toBody() })),
      });
      Atomics.store(words, Word.groupDescriptor, session.descriptor);
      session.join();
    });
  } catch (error) {
    // Another node's configuration does not become right by waiting.
    if (error instanceof MusterError) return end(() => tell({ type: "over", error: error.toBody() }));
    if (!wasTold) tell({ type: "unreachable", problem: error instanceof Error ? error.message : String(error) });
    wasTold = true;
    reconnect();
  }
}

function reconnect(): void {
  if (!isOver) reconnecting ??= setTimeout(connect, RECONNECT_MS);
}

function hand(number: number, frames: Uint8Array<ArrayBuffer>): void {
  wasTold = true;
  given = (given + frames.length) >>> 0;
  tell({ type: "batch", session: number, frames }, [frames.buffer]);
  if (distance(given, words, Word.taken) > BATCHES_BYTES_MAX && number === sessionNumber) {
    // Not inside of corosync's callback, which must not close its own connection.
    setImmediate(() => {
      if (number === sessionNumber) lose(`this process is ${BATCHES_BYTES_MAX} bytes behind`);
    });
  }
}

function lose(problem: string): void {
  if (session === null) return;
  Atomics.store(words, Word.groupDescriptor, -1);
  session.close();
  session = null;
  tell({ type: "lost", session: sessionNumber, problem });
  reconnect();
}

function readLinks(): void {
  if (session === null) return closeLinks();
  try {
    waiting(Waits.readingLinks, () => {
      links ??= openLinks();
      if (performance.now() - lookedAt >= LOOK_MS) {
        links.look();
        lookedAt = performance.now();
      }
      tell({ type: "links", links: links.read() });
    });
    lastLinkProblem = "";
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    if (problem !== lastLinkProblem) tell({ type: "notice", text: `the state of the links cannot be read: ${problem}` });
    lastLinkProblem = problem;
    closeLinks();
  }
}

function openLinks(): LinkReader {
  lookedAt = Number.NEGATIVE_INFINITY;
  const opened = new LinkReader(options.self.node);
  const [configuration, statistics] = opened.descriptors;
  Atomics.store(words, Word.configurationDescriptor, configuration);
  Atomics.store(words, Word.statisticsDescriptor, statistics);
  return opened;
}

function closeLinks(): void {
  if (links === null) return;
  Atomics.store(words, Word.configurationDescriptor, -1);
  Atomics.store(words, Word.statisticsDescriptor, -1);
  links.close();
  links = null;
  tell({ type: "links", links: [] });
}

/** Closes everything; then the thread ends by itself, because nothing is left to wait for. */
function end(last: () => void): void {
  if (isOver) return;
  isOver = true;
  clearInterval(beat);
  clearInterval(reading);
  if (reconnecting !== null) clearTimeout(reconnecting);
  waiting(Waits.leaving, () => session?.leave());
  session = null;
  closeLinks();
  for (const word of DESCRIPTORS) Atomics.store(words, word, -1);
  last();
  Atomics.store(words, Word.closed, 1);
  Atomics.notify(words, Word.closed);
  port.close();
}
