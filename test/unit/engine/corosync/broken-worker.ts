import { parentPort, workerData } from "node:worker_threads";
import type { WorkerOptions } from "../../../../src/engine/corosync/messages.ts";
import { Word } from "../../../../src/engine/corosync/shared.ts";

/** A thread in place of worker.ts that fails in the way its options name (thread.test.ts). */

const { group, words } = workerData as WorkerOptions;
const HANG_MS = 3_000;

switch (group) {
  case "hangs":
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HANG_MS);
    Atomics.store(words, Word.closed, 1);
    break;
  case "ends":
    process.exit(1);
    break;
  case "silent": {
    const beat = setInterval(() => Atomics.add(words, Word.beat, 1), 20);
    parentPort?.on("message", (message: { type: string }) => {
      if (message.type !== "stop") return;
      clearInterval(beat);
      Atomics.store(words, Word.closed, 1);
      parentPort?.close();
    });
    break;
  }
}
