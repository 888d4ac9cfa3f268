import { sleepMs } from "./clock.ts";
import type { ProcessEntry } from "./process-table.ts";
import { hasEnded, ownLineage, readFileLocksLimit, readProcesses, readVariable } from "./process-table.ts";
import { ROLE_TOKEN_VARIABLE, parseRoleToken, resourceMark } from "./token.ts";

/**
 * Finding and ending the processes of a role, wherever they went: by token, by mark (see token.ts), and by
 * descent, session and process group from those. A process that has both another environment and another
 * mark, and was set free by its parent, cannot be told from a stranger; that needs privileges.
 */
export interface RoleSelector {
  readonly clusterId: string;
  readonly resource: string;
  /** Only generations up to this one; processes that show no generation are taken as well. */
  readonly generationMax: number;
}

export interface FoundProcess {
  readonly processId: number;
  /** Of its token or mark; null when it was found by descent only. */
  readonly generation: number | null;
}

/** All processes of the resource, of every generation. Never this process or one it descends from. */
export function findRoleProcesses(clusterId: string, resource: string): FoundProcess[] {
  const processes = readProcesses().filter((entry) => !hasEnded(entry));
  const mark = resourceMark(clusterId, resource);
  const lineage = ownLineage();
  const found = new Map<number, FoundProcess>();
  for (const { processId } of processes) {
    if (lineage.has(processId)) continue;
    const token = parseRoleToken(readVariable(processId, ROLE_TOKEN_VARIABLE) ?? "");
    if (token !== null && token.clusterId === clusterId && token.resource === resource) {
      found.set(processId, { processId, generation: token.generation });
    } else if ((readFileLocksLimit(processId) ?? 0n) >> 32n === mark) {
      found.set(processId, { processId, generation: null });
    }
  }
  addRelatives(processes, found, lineage);
  return [...found.values()];
}

/** Adds children of what was found, and members of sessions and groups that were made by what was found. */
function addRelatives(processes: readonly ProcessEntry[], found: Map<number, FoundProcess>, lineage: ReadonlySet<number>): void {
  if (found.size === 0) return;
  for (let grew = true; grew; ) {
    grew = false;
    for (const { processId, parent, session, processGroup } of processes) {
      if (found.has(processId) || lineage.has(processId)) continue;
      if (found.has(parent) || found.has(session) || found.has(processGroup)) {
        found.set(processId, { processId, generation: null });
        grew = true;
      }
    }
  }
}

/** Sends SIGKILL, which also ends what is stopped. @returns false when there is no such process */
export function killProcess(processId: number): boolean {
  try {
    process.kill(processId, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

export interface EndResult {
  /** Everything that was sent SIGKILL. */
  readonly ended: readonly number[];
  /** What was still there when the time was up; empty = proven gone. */
  readonly remaining: readonly number[];
  /** A process of a higher generation than the selector's was seen (and left alone); null = none. */
  readonly newerGeneration: number | null;
}

/**
 * Ends all processes of a role and proves that none is left: two scans in a row must find nothing, because
 * a process may appear behind a scan's back while its parent is being killed.
 * @param limitMs longest time; it always scans at least twice
 */
export async function endRoleProcesses(selector: RoleSelector, limitMs: number): Promise<EndResult> {
  const ended = new Set<number>();
  const startedMs = performance.now();
  let newerGeneration: number | null = null;
  for (let emptyScans = 0, scans = 0; ; scans++) {
    const remaining: number[] = [];
    for (const { processId, generation } of findRoleProcesses(selector.clusterId, selector.resource)) {
      if (generation !== null && generation > selector.generationMax) {
        newerGeneration = Math.max(newerGeneration ?? 0, generation);
        continue;
      }
      killProcess(processId);
      ended.add(processId);
      remaining.push(processId);
    }
    emptyScans = remaining.length === 0 ? emptyScans + 1 : 0;
    if (emptyScans >= 2) return { ended: [...ended], remaining: [], newerGeneration };
    if (scans >= 1 && performance.now() - startedMs > limitMs) return { ended: [...ended], remaining, newerGeneration };
    if (remaining.length > 0) await sleepMs(Math.min(2 + scans, 20));
  }
}
