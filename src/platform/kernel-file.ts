import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { monotonicMs } from "./clock.ts";

const AT_ONCE_MS = 10;
const BUFFER_BYTES = 65_536;

/**
 * A table of the kernel's as text. Such a file gives a page at a time, and makes its lines while it is read: handing each
 * page to another thread takes longer than that. So it is read here, a little at a time, with turns for all else between.
 * @throws the error of the system
 */
export async function readKernelTable(path: string): Promise<string> {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(BUFFER_BYTES);
    const parts: string[] = [];
    for (let sinceMs = monotonicMs(); ; ) {
      const bytes = readSync(file, buffer, 0, BUFFER_BYTES, null);
      if (bytes === 0) return parts.join("");
      parts.push(buffer.toString("latin1", 0, bytes));
      if (monotonicMs() - sinceMs < AT_ONCE_MS) continue;
      await setImmediate();
      sinceMs = monotonicMs();
    }
  } finally {
    closeSync(file);
  }
}
