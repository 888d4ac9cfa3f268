import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { MusterError } from "../model/errors.ts";
import type { DurableWrite } from "./contract.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./messages.ts";
import { Store } from "./store.ts";

/**
 * The database thread: the only one that touches the file. It answers a group of writes after one sync;
 * what arrives meanwhile makes the next group.
 */

/** A group is not longer than this, so that no answer waits for a giant transaction. */
const GROUP_WRITES_MAX = 1024;

if (parentPort === null) throw new Error("this file is the database thread");
const port = parentPort;

function send(message: FromWorker): void {
  port.postMessage(message);
}

let store: Store | null = null;
let hasFailed = false;

try {
  const options = workerData as WorkerOptions;
  const opened = Store.open(options);
  store = opened.store;
  send({ type: "opened", state: opened.state });
  port.on("message", handle);
} catch (error) {
  send({ type: "notOpened", error: MusterError.from(error).toBody() });
}

function handle(first: ToWorker): void {
  let group: DurableWrite[] = [];
  let upTo = 0;
  for (let message: ToWorker | undefined = first; message !== undefined; message = next()) {
    if (message.type === "close") {
      write(group, upTo);
      close();
      return;
    }
    group.push(...message.writes);
    upTo = message.first + message.writes.length - 1;
    if (group.length >= GROUP_WRITES_MAX) {
      write(group, upTo);
      group = [];
    }
  }
  write(group, upTo);
}

function next(): ToWorker | undefined {
  return (receiveMessageOnPort(port) as { message: ToWorker } | undefined)?.message;
}

function write(group: readonly DurableWrite[], upTo: number): void {
  if (group.length === 0 || hasFailed || store === null) return;
  const { written, error } = store.write(group);
  if (error !== null) {
    fail(upTo - group.length + written, error);
    return;
  }
  send({ type: "written", upTo });
  try {
    store.checkpointIfDue();
  } catch (failure) {
    fail(upTo, failure);
  }
}

function fail(upTo: number, error: unknown): void {
  hasFailed = true;
  send({ type: "failed", upTo, error: MusterError.from(error).toBody() });
}

function close(): void {
  try {
    store?.close();
  } catch (error) {
    // Everything answered is in the write-ahead log: the next start finds it there.
    if (!hasFailed) fail(Number.MAX_SAFE_INTEGER, error);
  }
  send({ type: "closed" });
  port.close();
}
