import { describeCluster, describeGroups, describeNodes, explainGroup } from "../core/index.ts";
import type { ClusterState, StepResult } from "../core/index.ts";
import { createHistory } from "../history/store.ts";
import { HistoryRecorder } from "../history/recorder.ts";
import { replay } from "../history/replay.ts";
import { LINES_MAX } from "../history/contract.ts";
import type { HistoryEntry, HistoryLine, HistoryQuery, HistoryStore } from "../history/contract.ts";
import type { LogEntry } from "../log/types.ts";
import { MusterError } from "../model/errors.ts";
import type { CoreInput } from "../model/inputs.ts";
import { withoutSecrets } from "../model/properties/witness.ts";
import type { ClusterView, Explanation, GroupView, NodeView } from "../model/views.ts";

/** A moment of the past, as this node knew it. */
export interface PastView {
  readonly atMs: number;
  /** Wall time of the last entry before the moment. */
  readonly entryMs: number;
  readonly cluster: ClusterView;
  readonly nodes: readonly NodeView[];
  readonly groups: readonly GroupView[];
  /** Of the group that was asked for. */
  readonly why: Explanation | null;
}

/** What the service of a node remembers, over all its lives. */
export class ServiceHistory {
  readonly #store: HistoryStore;
  #recorder: HistoryRecorder;

  constructor(path: string, log: (line: string) => void) {
    this.#store = createHistory({ path, onFailure: (problem) => log(`no history is kept from now on: ${problem}`) });
    this.#recorder = new HistoryRecorder(this.#store);
  }

  open(): Promise<void> {
    return this.#store.open();
  }

  onEntry(entry: LogEntry, result: StepResult, state: ClusterState): void {
    const { epoch, index, clusterTimeMs, wallTimeMs, body } = entry;
    const payload = body.type === "input" ? body.payload : JSON.stringify({ kind: "weights", weights: body.weights });
    this.#recorder.onEntry({ epoch, index, clusterTimeMs, wallTimeMs }, payload, result, state);
  }

  list(query: Omit<HistoryQuery, "limit"> & { readonly limit: number }): Promise<readonly HistoryLine[]> {
    return this.#store.list({ ...query, limit: Math.min(query.limit, LINES_MAX) });
  }

  /** @throws MusterError MUSTER_HISTORY_NOT_FOUND */
  async find(id: string): Promise<HistoryEntry> {
    const entry = await this.#store.find(id);
    if (entry === null) throw new MusterError("MUSTER_HISTORY_NOT_FOUND", { field: "id", id });
    return { ...entry, input: inputWithoutSecrets(entry.input) };
  }

  /** @throws MusterError MUSTER_HISTORY_BEFORE, and what `why` throws for an unknown group */
  async at(atMs: number, group: string | null): Promise<PastView> {
    const from = await this.#store.replayable(atMs);
    if (from === null) throw new MusterError("MUSTER_HISTORY_BEFORE", { field: "at", time: new Date(atMs).toISOString() });
    const state = replay(from);
    const cluster = describeCluster(state);
    // "How long" is asked at that moment, not now.
    state.lookedAtMs = cluster.clusterTimeMs + Math.max(0, atMs - cluster.wallTimeMs);
    return { atMs, entryMs: cluster.wallTimeMs, cluster: describeCluster(state), nodes: describeNodes(state), groups: describeGroups(state), why: group === null ? null : explainGroup(state, group) };
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** The key of a witness came in by a command, which is kept as it came: the past is played again with it. It is not for who reads. */
export function inputWithoutSecrets(text: string): string {
  if (text === "") return text;
  const input = JSON.parse(text) as CoreInput;
  if (input.kind !== "command" || input.command.verb !== "quorum.set" || input.command.witness?.properties === undefined) return text;
  const { command } = input;
  return JSON.stringify({ ...input, command: { ...command, witness: { ...command.witness, properties: withoutSecrets(command.witness!.properties!) } } });
}
