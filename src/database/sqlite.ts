import { Worker } from "node:worker_threads";
import { MusterError } from "../model/errors.ts";
import type { Database, DurableState, DurableWrite } from "./contract.ts";
import { isAppendOnly, LazyWrites } from "./lazy.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./messages.ts";

export interface SqliteDatabaseOptions {
  /** The file; its directory must exist. Companions: `-wal`, and `.damaged-<n>` for what was set aside. */
  readonly path: string;
  /** Applied entries that stay for others to catch up from when the log allows to drop them. */
  readonly keepEntries?: number;
  /** Most writes that may wait; beyond, a write is answered MUSTER_BUSY and the database takes no more. */
  readonly queueWritesMax?: number;
  /** Upper bound of the file in pages of 4 KiB, to try a full disk. */
  readonly pagesMax?: number;
  /** Another thread in place of the database thread, to try its death. */
  readonly workerUrl?: URL;
}

/** A lazy write is on its way to the disk after this time at the latest. */
const LAZY_MS = 50;
/** When it has waited for so long it goes with the next write: no sync is made for it then. */
const RIPE_MS = 25;
/** A thread that does not end within this time is ended. */
const CLOSE_MS = 10_000;
/** Most characters that may wait, unless a single write has more. */
const QUEUE_CHARACTERS_MAX = 128 * 1024 * 1024;

/** The Cluster Database of one node in one SQLite file, written by a thread of its own. */
export function createSqliteDatabase(options: SqliteDatabaseOptions): Database {
  return new SqliteDatabase(options);
}

interface Waiting {
  readonly done: ((error: Error | null) => void) | null;
  readonly characters: number;
}

class SqliteDatabase implements Database {
  readonly #options: SqliteDatabaseOptions;
  readonly #queueWritesMax: number;
  #worker: Worker | null = null;
  #exited: Promise<void> = Promise.resolve();
  #failure: MusterError | null = null;
  #closing: Promise<void> | null = null;

  /** Given but not yet sent to the thread. */
  #unsent: DurableWrite[] = [];
  #isSending = false;
  /** Lazy writes that nothing has asked for yet. */
  #held: LazyWrites | null = null;
  #heldSinceMs = 0;
  #lazyTimer: NodeJS.Timeout | null = null;
  /** Given and not yet answered, oldest first; `#answered` is the number of the one before the first. */
  #waiting: Waiting[] = [];
  #waitingCharacters = 0;
  #answered = 0;
  #lastNumber = 0;

  constructor(options: SqliteDatabaseOptions) {
    this.#options = options;
    this.#queueWritesMax = options.queueWritesMax ?? 10_000;
  }

  open(): Promise<DurableState> {
    if (this.#worker !== null) return Promise.reject(new MusterError("MUSTER_INTERNAL", { problem: "the database is opened twice" }));
    const { path, keepEntries = 10_000, pagesMax = 0 } = this.#options;
    const data: WorkerOptions = { path, keepEntries, pagesMax };
    const worker = new Worker(this.#options.workerUrl ?? workerUrl(), {
      workerData: data,
      // node:sqlite still announces itself as experimental in some releases.
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.#worker = worker;
    return new Promise((resolve, reject) => {
      const fail = (error: MusterError): void => {
        this.#fail(error);
        reject(error);
      };
      this.#exited = new Promise((exited) => {
        worker.on("exit", (code) => {
          if (this.#closing === null || this.#waiting.length > 0) {
            fail(new MusterError("MUSTER_INTERNAL", { problem: `the database thread ended with code ${code}` }));
          }
          exited();
        });
      });
      worker.on("error", (error) => fail(MusterError.from(error)));
      worker.on("message", (message: FromWorker) => {
        switch (message.type) {
          case "opened":
            return resolve(message.state);
          case "notOpened":
            return fail(MusterError.fromBody(message.error));
          case "written":
            return this.#answer(message.upTo, null);
          case "failed":
            this.#answer(message.upTo, null);
            return this.#fail(MusterError.fromBody(message.error));
          case "closed":
            return;
        }
      });
    });
  }

  write(write: DurableWrite, done: (error: Error | null) => void): void {
    if (!isAppendOnly(write) || performance.now() - this.#heldSinceMs >= RIPE_MS) this.#release();
    this.#enqueue(write, done);
    if (this.#failure === null && !this.#isSending) {
      this.#isSending = true;
      // What is written in one turn of the event loop goes over together.
      queueMicrotask(() => this.#send());
    }
  }

  writeLazily(write: DurableWrite): void {
    if (this.#failure !== null) return;
    if (this.#held?.takes(write) === false) this.#release();
    const held = this.#held ?? new LazyWrites();
    if (held.takes(write)) {
      if (this.#held === null) this.#heldSinceMs = performance.now();
      held.add(write, charactersOf(write));
      this.#held = held;
    } else this.#enqueue(write, null);
    this.#lazyTimer ??= setTimeout(() => this.#sendAll(), LAZY_MS);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The lazy ones get their place, behind what was given so far. */
  #release(): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#enqueue(held.write, null);
  }

  #sendAll(): void {
    this.#lazyTimer = null;
    this.#release();
    this.#send();
  }

  #enqueue(write: DurableWrite, done: ((error: Error | null) => void) | null): void {
    const characters = charactersOf(write);
    if (this.#failure === null) {
      if (this.#closing !== null || this.#worker === null) {
        this.#fail(new MusterError("MUSTER_INTERNAL", { problem: "the database is not open" }));
      } else if (this.#waiting.length >= this.#queueWritesMax) {
        this.#refuseMore(`${this.#queueWritesMax} writes`);
      } else if (this.#waiting.length > 0 && this.#waitingCharacters + characters > QUEUE_CHARACTERS_MAX) {
        this.#refuseMore(`${QUEUE_CHARACTERS_MAX} characters`);
      }
    }
    if (this.#failure !== null) {
      const failure = this.#failure;
      if (done !== null) queueMicrotask(() => done(failure));
      return;
    }
    this.#unsent.push(write);
    this.#waiting.push({ done, characters });
    this.#waitingCharacters += characters;
    this.#lastNumber++;
  }

  /** A write that is left out while later ones are done would be a hole: from here on there are none. */
  #refuseMore(limit: string): void {
    this.#send();
    this.#failure = new MusterError("MUSTER_BUSY", { what: "The queue of the database", limit });
  }

  #send(): void {
    this.#isSending = false;
    if (this.#held === null && this.#lazyTimer !== null) {
      clearTimeout(this.#lazyTimer);
      this.#lazyTimer = null;
    }
    if (this.#unsent.length === 0) return;
    const writes = this.#unsent;
    this.#unsent = [];
    this.#post({ type: "writes", first: this.#lastNumber - writes.length + 1, writes });
  }

  #post(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #answer(upTo: number, error: Error | null): void {
    const count = Math.min(upTo - this.#answered, this.#waiting.length);
    if (count <= 0) return;
    const answered = this.#waiting.splice(0, count);
    this.#answered += count;
    for (const { done, characters } of answered) {
      this.#waitingCharacters -= characters;
      try {
        done?.(error);
      } catch (thrown) {
        // One caller's mistake must not keep the others waiting.
        queueMicrotask(() => {
          throw thrown;
        });
      }
    }
  }

  #fail(error: MusterError): void {
    this.#failure ??= error;
    this.#unsent = [];
    this.#held = null;
    this.#answer(Number.MAX_SAFE_INTEGER, error);
  }

  async #close(): Promise<void> {
    if (this.#lazyTimer !== null) clearTimeout(this.#lazyTimer);
    this.#sendAll();
    const worker = this.#worker;
    if (worker === null) return;
    this.#post({ type: "close" });
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_MS)));
    await Promise.race([this.#exited, tooLong]);
    clearTimeout(timer);
    await worker.terminate();
    this.#failure ??= new MusterError("MUSTER_INTERNAL", { problem: "the database is not open" });
    this.#answer(Number.MAX_SAFE_INTEGER, this.#failure);
  }
}

/** The thread's file beside this one, as source or as compiled. */
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);
}

function charactersOf({ append, apply, replace, metadata }: DurableWrite): number {
  let characters = 0;
  if (append !== undefined) for (const entry of append) characters += entry.payload.length;
  if (apply !== undefined) for (const change of apply.changes) characters += change.key.length + (change.value?.length ?? 0);
  if (replace !== undefined) for (const row of replace.rows) characters += row.key.length + row.value.length;
  if (metadata !== undefined) for (const value of Object.values(metadata)) characters += value.length;
  return characters;
}
