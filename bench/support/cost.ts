import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import type { LabHost } from "../../src/lab/lab.ts";
import { commandLine } from "../../src/lab/processes.ts";
import { pause } from "./wait.ts";

/** What a node costs: memory and processor time of all that runs on it but the role's own program. */

const PAGE_BYTES = 4_096;
const ENTRY_BYTES = 8;
const CHUNK_BYTES = 1 << 20;
const TICKS_PER_SECOND = 100;
const PRESENT = 1n << 63n;
const FRAME = (1n << 55n) - 1n;
const BYTES_PER_MB = 1_000_000;

/** Numbers of the node's processes. @param left out: a part of the command line of what is not the cluster's */
export function processesOf(host: LabHost, leftOut: string): readonly number[] {
  return host.processes().filter((processId) => {
    const line = commandLine(processId);
    return line !== "" && !line.includes(leftOut);
  });
}

/**
 * Memory in MB (10^6 bytes): the distinct pages that the processes have mapped. This is the sum of their PSS on a machine
 * where nobody else runs; the PSS that this kernel shows would be too small, because all nodes share the pages of programs.
 */
export function memoryMb(processIds: readonly number[]): number {
  const frames = new Set<bigint>();
  for (const processId of processIds) {
    try {
      collectFrames(processId, frames);
    } catch (error) {
      // It ended meanwhile.
      if (!["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
  return (frames.size * PAGE_BYTES) / BYTES_PER_MB;
}

function collectFrames(processId: number, frames: Set<bigint>): void {
  const pagemap = openSync(`/proc/${processId}/pagemap`, "r");
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (const { start, end } of residentRegions(readFileSync(`/proc/${processId}/smaps`, "latin1"))) {
      const bytes = ((end - start) / PAGE_BYTES) * ENTRY_BYTES;
      for (let done = 0; done < bytes; ) {
        const read = readSync(pagemap, buffer, 0, Math.min(CHUNK_BYTES, bytes - done), (start / PAGE_BYTES) * ENTRY_BYTES + done);
        if (read === 0) break;
        for (let at = 0; at < read; at += ENTRY_BYTES) {
          const entry = buffer.readBigUInt64LE(at);
          if ((entry & PRESENT) !== 0n && (entry & FRAME) !== 0n) frames.add(entry & FRAME);
        }
        done += read;
      }
    }
  } finally {
    closeSync(pagemap);
  }
}

/** Regions of which something is in memory; reading the others would take for ever. */
function residentRegions(smaps: string): readonly { readonly start: number; readonly end: number }[] {
  const regions: { start: number; end: number }[] = [];
  let current: { start: number; end: number } | null = null;
  for (const line of smaps.split("\n")) {
    const header = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (header !== null) current = { start: Number.parseInt(header[1]!, 16), end: Number.parseInt(header[2]!, 16) };
    else if (line.startsWith("Rss:") && !/^Rss:\s+0 kB/.test(line) && current !== null && current.start < Number.MAX_SAFE_INTEGER) regions.push(current);
  }
  return regions;
}

/** Processor time of each list of processes, their ended children included, in per cent of one core. */
export async function busyPercent(lists: () => readonly (readonly number[])[], seconds: number): Promise<readonly number[]> {
  const before = lists().map(ticksOf);
  const begunMs = performance.now();
  await pause(seconds * 1_000);
  const after = lists().map(ticksOf);
  const passedS = (performance.now() - begunMs) / 1_000;
  return after.map((now, position) => {
    let ticks = 0;
    // One that began meanwhile was a child: its parent counts it when it has ended.
    for (const [processId, count] of now) ticks += count - (before[position]!.get(processId) ?? 0);
    return (ticks / TICKS_PER_SECOND / passedS) * 100;
  });
}

const STAT_USER = 14;
const STAT_CHILDREN_SYSTEM = 17;

function ticksOf(processIds: readonly number[]): ReadonlyMap<number, number> {
  const ticks = new Map<number, number>();
  for (const processId of processIds) {
    try {
      const text = readFileSync(`/proc/${processId}/stat`, "latin1");
      // The second field may hold blanks; what follows it begins with field 3.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      let sum = 0;
      for (let field = STAT_USER; field <= STAT_CHILDREN_SYSTEM; field++) sum += Number(fields[field - 3]);
      ticks.set(processId, sum);
    } catch {
      // It has ended; its parent has its time.
    }
  }
  return ticks;
}
