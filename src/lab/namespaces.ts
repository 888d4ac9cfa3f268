import { closeSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { MusterError } from "../model/errors.ts";

/**
 * Starting a process in another process namespace without a process between: nsenter must fork for that, and
 * its waiting half would hide the exit of the program, its signals and its number from whoever started it.
 */

const CLONE_NEWPID = 0x20000000;

interface Library {
  setns(descriptor: number, kind: number): number;
  errno(): number;
}

let library: Library | null = null;

/** Loaded when it is first needed: most commands never are. */
function load(): Library {
  if (library !== null) return library;
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const setns = koffi.load("libc.so.6").func("int setns(int fd, int nstype)") as (descriptor: number, kind: number) => number;
  library = { setns, errno: () => koffi.errno() };
  return library;
}

/**
 * Runs `start`, which must start processes and nothing else, without waiting: its children are in the process
 * namespace of the given process. Only this thread is concerned, and only until `start` returns.
 * @throws MusterError MUSTER_INTERNAL
 */
export function withProcessNamespaceOf<Value>(processId: number, start: () => Value): Value {
  const { setns, errno } = load();
  const own = openSync("/proc/self/ns/pid", "r");
  try {
    const wanted = openSync(`/proc/${processId}/ns/pid`, "r");
    try {
      if (setns(wanted, CLONE_NEWPID) !== 0) throw new MusterError("MUSTER_INTERNAL", { problem: `setns: errno ${errno()}` });
    } finally {
      closeSync(wanted);
    }
    try {
      return start();
    } finally {
      // Children in the wrong place would be worse than an end.
      if (setns(own, CLONE_NEWPID) !== 0) process.abort();
    }
  } finally {
    closeSync(own);
  }
}
