import koffi from "koffi";
import { getSystemErrorName } from "node:util";
import { MusterError } from "../model/errors.ts";
import { monotonicMs, sleepMs } from "./clock.ts";

/**
 * flock(2) on an open file, which Node has no call for; util-linux's helper would cost a process at every start. The lock
 * belongs to the open file description: it is shared by every process that inherits the descriptor, and is free when the
 * last of them has closed it.
 */

const LOCK_EXCLUSIVE = 2;
const LOCK_NONBLOCKING = 4;
/** A call that waits would hold up everything else; this is a moment beside what ends a role. */
const LOOK_MS = 5;

let call: ((descriptor: number, operation: number) => number) | null = null;

/** Takes the lock if it is free now. @throws MusterError MUSTER_INTERNAL with what the system said */
export function tryLock(descriptor: number): boolean {
  call ??= koffi.load(null).func("int flock(int descriptor, int operation)") as (descriptor: number, operation: number) => number;
  if (call(descriptor, LOCK_EXCLUSIVE | LOCK_NONBLOCKING) === 0) return true;
  const problem = getSystemErrorName(-koffi.errno());
  if (problem === "EAGAIN" || problem === "EINTR") return false;
  throw new MusterError("MUSTER_INTERNAL", { problem: `the lock of a role could not be asked for: ${problem}` });
}

/** Waits until the lock is free. @returns false when `limitMs` was not enough */
export async function waitForLock(descriptor: number, limitMs: number): Promise<boolean> {
  const deadlineMs = monotonicMs() + limitMs;
  while (!tryLock(descriptor)) {
    if (monotonicMs() >= deadlineMs) return false;
    await sleepMs(LOOK_MS);
  }
  return true;
}
