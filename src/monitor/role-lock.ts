import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, readSync, realpathSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Generation, NodeId, ResourceId } from "../model/identifiers.ts";
import { monotonicMs, sleepMs } from "./clock.ts";
import { tryLock, waitForLock } from "./flock.ts";
import { readLockHolders, readVariable } from "./process-table.ts";
import { endRoleProcesses, killProcess } from "./role-processes.ts";
import { MONITOR_VARIABLE } from "./token.ts";

/**
 * One lock file per resource. Whoever does the resource's work holds it (a flock that the processes of the
 * role inherit), so it is free exactly when the old copy is gone. Its content says for which generation it
 * was last taken, and serves as a fence: an order of a lower generation finds a higher one and is refused.
 */
export interface RoleLockRecord {
  readonly resource: ResourceId;
  readonly clusterId: string;
  readonly generation: Generation;
  readonly node: NodeId;
  readonly incarnation: number;
  readonly monitorProcessId: number;
  readonly token: string;
}

export interface RoleLock {
  /** Given to processes that are to hold the lock; -1 after {@link RoleLock.release}. */
  readonly descriptor: number;
  /** What had to be ended to get it. */
  readonly ended: readonly number[];
  /** Closes this process's copy: the lock is then free as soon as no process of the role has it. */
  release(): void;
}

/** The start is refused because a later owner has been here. */
export class SupersededError extends Error {
  override readonly name = "SupersededError";
}

const RECORD_BYTES = 1024;
/** Between taking the lock and writing the record are a few system calls; a holder silent for longer is hung. */
const UNKNOWN_HOLDER_MS = 300;

export function lockPath(directory: string, resource: ResourceId): string {
  return join(directory, "locks", `${encodeURIComponent(resource)}.lock`);
}

/**
 * Takes the lock for one start, ending whatever is left of earlier generations: stopped, hung or orphaned
 * processes, and a hung monitor of an excluded node. Proves that nothing of the role runs.
 * @param limitMs longest time for all of it
 * @throws SupersededError when a higher generation was here; Error naming the processes that would not end
 */
export async function takeRoleLock(directory: string, record: RoleLockRecord, limitMs: number): Promise<RoleLock> {
  mkdirSync(join(directory, "locks"), { recursive: true, mode: 0o700 });
  const path = lockPath(directory, record.resource);
  const descriptor = openSync(path, "a+", 0o600);
  closeSync(descriptor);
  const own = openSync(path, "r+");
  try {
    const ended = await acquire(own, realpathSync(path), record, monotonicMs() + limitMs);
    let open = true;
    return {
      get descriptor() {
        return open ? own : -1;
      },
      ended,
      release() {
        if (open) closeSync(own);
        open = false;
      },
    };
  } catch (error) {
    closeSync(own);
    throw error;
  }
}

async function acquire(descriptor: number, path: string, record: RoleLockRecord, deadlineMs: number): Promise<number[]> {
  const ended = new Set<number>();
  const selector = { clusterId: record.clusterId, resource: record.resource, generationMax: record.generation };
  let remaining: readonly number[] = [];

  for (let locked = tryLock(descriptor); ; ) {
    refuseIfSuperseded(readRecord(descriptor), record);
    if (locked) break;
    if (monotonicMs() > deadlineMs) throw stillHeld([...new Set([...remaining, ...readLockHolders(path)])]);
    const result = await endRoleProcesses(selector, 500);
    if (result.newerGeneration !== null) throw superseded(result.newerGeneration, record);
    for (const processId of [...result.ended, ...(await endHolders(descriptor, path, record))]) ended.add(processId);
    remaining = result.remaining;
    locked = await waitForLock(descriptor, 250);
  }

  // From here on, orders of lower generations are refused even if this process dies at once.
  writeRecord(descriptor, record);
  const result = await endRoleProcesses(selector, Math.max(deadlineMs - monotonicMs(), 100));
  if (result.newerGeneration !== null) throw superseded(result.newerGeneration, record);
  if (result.remaining.length > 0) throw stillHeld(result.remaining);
  for (const processId of result.ended) ended.add(processId);
  return [...ended];
}

/** Ends who still holds the lock: processes that shed token and mark, and hung monitors. */
async function endHolders(descriptor: number, path: string, record: RoleLockRecord): Promise<number[]> {
  const known = readRecord(descriptor);
  const ended: number[] = [];
  for (const processId of readLockHolders(path)) {
    if (processId === process.pid) continue;
    if (readVariable(processId, MONITOR_VARIABLE) !== null && known?.monitorProcessId !== processId) {
      // A monitor that has just taken the lock and not yet said for which generation: let it say so.
      await sleepMs(UNKNOWN_HOLDER_MS);
      refuseIfSuperseded(readRecord(descriptor), record);
      if (!readLockHolders(path).includes(processId)) continue;
    }
    if (killProcess(processId)) ended.push(processId);
  }
  return ended;
}

function refuseIfSuperseded(found: RoleLockRecord | null, record: RoleLockRecord): void {
  if (found !== null && found.clusterId === record.clusterId && found.generation > record.generation) throw superseded(found.generation, record);
}

function superseded(newer: Generation, record: RoleLockRecord): SupersededError {
  return new SupersededError(`superseded: generation ${newer} of this resource was started after generation ${record.generation}`);
}

function stillHeld(processIds: readonly number[]): Error {
  const who = processIds.length === 0 ? "unknown processes" : `process${processIds.length === 1 ? "" : "es"} ${processIds.join(", ")}`;
  return new Error(`an earlier copy could not be ended: ${who} did not go away`);
}

/** @returns null when nothing (readable) was written yet */
export function readRecord(descriptor: number): RoleLockRecord | null {
  if (fstatSync(descriptor).size === 0) return null;
  const buffer = Buffer.alloc(RECORD_BYTES);
  const length = readSync(descriptor, buffer, 0, RECORD_BYTES, 0);
  return parseRecord(buffer.toString("utf8", 0, length));
}

/** As {@link readRecord}, by path; null also when there is no such file. */
export function readRecordAt(path: string): RoleLockRecord | null {
  try {
    return parseRecord(readFileSync(path, "utf8").slice(0, RECORD_BYTES));
  } catch {
    return null;
  }
}

function parseRecord(text: string): RoleLockRecord | null {
  try {
    const record = JSON.parse(text) as RoleLockRecord;
    return typeof record.resource === "string" && typeof record.generation === "number" ? record : null;
  } catch {
    return null;
  }
}

function writeRecord(descriptor: number, record: RoleLockRecord): void {
  // One write of a fixed length: a reader without the lock sees the old record or the new one.
  const text = Buffer.from(`${JSON.stringify(record)}\n`);
  if (text.length > RECORD_BYTES) throw new Error(`the lock record of ${record.resource} is longer than ${RECORD_BYTES} bytes`);
  writeSync(descriptor, Buffer.concat([text, Buffer.alloc(RECORD_BYTES - text.length, " ")]), 0, RECORD_BYTES, 0);
}
