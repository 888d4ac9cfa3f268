import { closeSync, existsSync, openSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { NodeId, ResourceId } from "../model/identifiers.ts";
import { monotonicMs, sleepMs } from "./clock.ts";
import { tryLock, waitForLock } from "./flock.ts";
import { hasEnded, ownLineage, readLockHolders, readProcess, readProcesses, readVariable } from "./process-table.ts";
import { endRoleProcesses, killProcess } from "./role-processes.ts";
import type { RoleLockRecord } from "./role-lock.ts";
import { readRecord, readRecordAt } from "./role-lock.ts";
import { MONITOR_VARIABLE, monitorPrefix } from "./token.ts";

export interface LeftoverSelector {
  /** The directory of the cluster. */
  readonly directory: string;
  readonly clusterId: string;
  /** Only this resource; default: all. */
  readonly resource?: ResourceId;
  /** Only what was last started by this node (and this node's monitors); default: by any. */
  readonly node?: NodeId;
  /** Longest time for each resource; default 5000 ms. */
  readonly limitMs?: number;
}

export interface LeftoverResult {
  /** Processes that were sent SIGKILL. */
  readonly ended: readonly number[];
  /** Processes that would not end; empty = proven: nothing is left. */
  readonly remaining: readonly number[];
}

/**
 * Ends what earlier lives of a node left behind: its monitors, hung or not, and the process trees of its
 * roles. A node's service does this before it joins (PROTOCOL rule 15), and again when its monitor died.
 * The caller must have no live monitor of that node.
 */
export async function endLeftovers(selector: LeftoverSelector): Promise<LeftoverResult> {
  const limitMs = selector.limitMs ?? 5_000;
  const ended = new Set<number>();
  const remaining = new Set<number>();
  // Monitors first, so that none starts something behind our back.
  if (selector.resource === undefined) await endMonitors(selector, limitMs, ended, remaining);
  for (const path of lockFiles(selector.directory)) {
    const record = readRecordAt(path);
    if (record === null || record.clusterId !== selector.clusterId) continue;
    if (selector.resource !== undefined && record.resource !== selector.resource) continue;
    if (selector.node !== undefined && record.node !== selector.node) continue;
    await endResource(realpathSync(path), record, limitMs, ended, remaining);
  }
  return { ended: [...ended], remaining: [...remaining] };
}

function lockFiles(directory: string): string[] {
  const locks = join(directory, "locks");
  if (!existsSync(locks)) return [];
  return readdirSync(locks)
    .filter((name) => name.endsWith(".lock"))
    .sort()
    .map((name) => join(locks, name));
}

async function endMonitors(selector: LeftoverSelector, limitMs: number, ended: Set<number>, remaining: Set<number>): Promise<void> {
  const prefix = monitorPrefix(selector.clusterId, selector.node ?? null);
  const lineage = ownLineage();
  const killed: number[] = [];
  for (const entry of readProcesses()) {
    if (hasEnded(entry) || lineage.has(entry.processId)) continue;
    if (!(readVariable(entry.processId, MONITOR_VARIABLE) ?? "").startsWith(prefix)) continue;
    if (killProcess(entry.processId)) killed.push(entry.processId);
  }
  const deadlineMs = monotonicMs() + limitMs;
  for (const processId of killed) {
    ended.add(processId);
    while (isThere(processId)) {
      if (monotonicMs() > deadlineMs) {
        remaining.add(processId);
        break;
      }
      await sleepMs(5);
    }
  }
}

function isThere(processId: number): boolean {
  const entry = readProcess(processId);
  return entry !== null && !hasEnded(entry);
}

async function endResource(path: string, record: RoleLockRecord, limitMs: number, ended: Set<number>, remaining: Set<number>): Promise<void> {
  const deadlineMs = monotonicMs() + limitMs;
  const descriptor = openSync(path, "r+");
  try {
    const selector = { clusterId: record.clusterId, resource: record.resource, generationMax: record.generation };
    const result = await endRoleProcesses(selector, limitMs);
    for (const processId of result.ended) ended.add(processId);
    for (const processId of result.remaining) remaining.add(processId);
    // A newer owner has taken over already: the rest is its business.
    if (result.newerGeneration !== null || result.remaining.length > 0) return;
    for (let locked = tryLock(descriptor); !locked; locked = await waitForLock(descriptor, 250)) {
      if ((readRecord(descriptor)?.generation ?? 0) > record.generation) return;
      const holders = readLockHolders(path).filter((processId) => processId !== process.pid);
      for (const processId of holders) {
        // A monitor that holds it now is not of the lives that were ended above: it is taking over.
        if (readVariable(processId, MONITOR_VARIABLE) === null && killProcess(processId)) ended.add(processId);
      }
      if (monotonicMs() > deadlineMs) {
        for (const processId of holders) remaining.add(processId);
        return;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}
