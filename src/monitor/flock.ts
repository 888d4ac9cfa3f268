import { spawn } from "node:child_process";
import { MusterError } from "../model/errors.ts";

/**
 * flock(2) on an open file, through util-linux's `flock`, because Node has no call for it. The lock belongs
 * to the open file description: it stays when the helper ends, is shared by every process that inherits the
 * descriptor, and is free when the last of them has closed it.
 */

/** Takes the lock if it is free now. */
export function tryLock(descriptor: number): Promise<boolean> {
  return runFlock(descriptor, ["--nonblock"]);
}

/** Waits in the kernel until the lock is free. @returns false when `limitMs` was not enough */
export function waitForLock(descriptor: number, limitMs: number): Promise<boolean> {
  return runFlock(descriptor, ["--timeout", (Math.max(limitMs, 1) / 1000).toFixed(3)]);
}

const FLOCK_BUSY = 1;

function runFlock(descriptor: number, options: readonly string[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const helper = spawn("flock", ["--exclusive", ...options, "3"], { stdio: ["ignore", "ignore", "ignore", descriptor], env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" } });
    helper.on("error", (error) => reject(new MusterError("MUSTER_INTERNAL", { problem: `flock (of util-linux) could not be run: ${error.message}` })));
    helper.on("close", (code, signal) => {
      if (code === 0) resolve(true);
      // A helper that was killed tells nothing about the lock; "busy" is the safe reading.
      else if (code === FLOCK_BUSY || signal !== null) resolve(false);
      else reject(new MusterError("MUSTER_INTERNAL", { problem: `flock ended with code ${code}` }));
    });
  });
}
