import { describeNode, nextDeadline } from "../../src/core/index.ts";
import type { ClusterState, StepResult } from "../../src/core/index.ts";
import type { GroupRow, ResourceRow } from "../../src/core/records.ts";
import type { LogEntry } from "../../src/log/types.ts";
import type { CoreInput, Effect } from "../../src/model/inputs.ts";
import type { GroupRecord } from "../../src/model/objects.ts";
import { ResourceStatus } from "../../src/model/states.ts";
import { BrokenInvariant } from "./checker.ts";
import { brokenRule, wantsOnline } from "./rules.ts";

/**
 * What must hold of every step of the core, whatever led to it. The rules are written down here a second
 * time, simply and slowly, from what the state shows; the core's own verdict is not asked for.
 */
export class CoreChecks {
  #before: { readonly epoch: number; readonly index: number; readonly groups: ReadonlyMap<string, GroupRow>; readonly resources: ReadonlyMap<string, ResourceRow> } | null = null;
  /** Owner changes since things are calm and nobody asks for anything; null = they are not. */
  #quietMoves: Map<string, string[]> | null = null;

  onStep(entry: LogEntry, state: ClusterState, input: CoreInput, result: StepResult): void {
    const follows = this.#before !== null && this.#before.epoch === entry.epoch && this.#before.index === entry.index - 1;
    const before = follows ? this.#before : null;
    const place = `${entry.epoch}.${entry.index} (${input.kind === "command" ? input.command.verb : input.kind})`;
    this.#nothingStaysDue(place, state, entry, input);
    this.#moveIsNoRule(place, input, result);
    this.#ownersHaveReasons(place, state, result);
    this.#nothingGoesToAndFro(place, state, result);
    if (before !== null) {
      this.#placesAreAllowed(place, state, input, before.groups);
      for (const effect of result.effects) {
        if (effect.action === "offline") this.#lockIsRespected(place, state, input, effect, before.resources.get(effect.resource.id), before.groups.get(effect.group));
        if (effect.action === "online") this.#turnHasCome(place, state, input, effect, before.groups.get(effect.group));
      }
    }
    const { groupRuntime, resourceRuntime } = state.tables;
    this.#before = {
      epoch: entry.epoch,
      index: entry.index,
      groups: new Map(groupRuntime.keys().map((key) => [key, groupRuntime.get(key)!])),
      resources: new Map(resourceRuntime.keys().map((key) => [key, resourceRuntime.get(key)!])),
    };
  }

  /** From now on nobody asks for anything and nothing fails. */
  beginQuiet(): void {
    this.#quietMoves = new Map();
  }

  endQuiet(): void {
    this.#quietMoves = null;
  }

  /** A moment that stayed in the past would be the next one for ever, and no other would be looked at. */
  #nothingStaysDue(place: string, state: ClusterState, entry: LogEntry, input: CoreInput): void {
    if (input.kind !== "due") return;
    const next = nextDeadline(state);
    if (next !== null && next <= entry.clusterTimeMs) throw new BrokenInvariant(`${place} is at ${entry.clusterTimeMs} ms, and what was due at ${next} ms still is`);
  }

  /** A move is an event: it writes nothing into the configuration (reference 2.11). */
  #moveIsNoRule(place: string, input: CoreInput, result: StepResult): void {
    if (input.kind !== "command" || (input.command.verb !== "group.move" && input.command.verb !== "group.cancel")) return;
    const written = result.changes.filter((change) => change.table !== "requests");
    if (written.length > 0) throw new BrokenInvariant(`${place} changed the configuration: ${JSON.stringify(written[0])}`);
  }

  #ownersHaveReasons(place: string, state: ClusterState, result: StepResult): void {
    for (const { group, to } of result.ownerChanges) {
      const row = state.tables.groupRuntime.get(group);
      const record = state.tables.groups.get(group);
      if (row === undefined || record === undefined || to === null || row.owner !== to || !wantsOnline(state, record)) continue;
      if (row.reason.text === "" || row.reason.rule === "initial") throw new BrokenInvariant(`${place}: '${record.name}' got the owner ${to} without a reason`);
      if (row.cause === null) throw new BrokenInvariant(`${place}: '${record.name}' got the owner ${to} without a cause`);
    }
  }

  #nothingGoesToAndFro(place: string, state: ClusterState, result: StepResult): void {
    if (this.#quietMoves === null) return;
    for (const { group, from, to } of result.ownerChanges) {
      const moves = this.#quietMoves.get(group) ?? [];
      moves.push(`${from} to ${to} at ${place}`);
      this.#quietMoves.set(group, moves);
      if (moves.length > 1) throw new BrokenInvariant(`'${state.tables.groups.get(group)?.name}' changes its owner again and again although nothing happens: ${moves.join(", ")}`);
    }
  }

  /** Where a role is sent that shall be online: not to a node that takes none, not against a hard rule. */
  #placesAreAllowed(place: string, state: ClusterState, input: CoreInput, before: ReadonlyMap<string, GroupRow>): void {
    // What is found running somewhere is not sent there.
    if (input.kind === "inventory") return;
    for (const id of state.tables.groupRuntime.keys()) {
      const row = state.tables.groupRuntime.get(id)!;
      const group = state.tables.groups.get(id);
      const was = before.get(id);
      const to = row.movingTo ?? row.owner;
      if (group === undefined || to === null || to === (was?.movingTo ?? was?.owner ?? null) || !wantsOnline(state, group)) continue;
      // A move that was given up leaves it where it was all the time.
      if (was !== undefined && to === was.owner) continue;
      const node = describeNode(state, `n${to}`);
      if (node.state !== "Up" || node.stopping || node.quarantinedUntil !== null) throw new BrokenInvariant(`${place}: '${group.name}' is sent to ${node.name}, which is ${node.state}${node.stopping ? ", stopping" : ""}${node.quarantinedUntil !== null ? ", quarantined" : ""}`);
      if (state.tables.affinityIgnored.get(id)?.node === to) continue;
      const broken = brokenRule(state, group, to);
      if (broken !== null) throw new BrokenInvariant(`${place}: '${group.name}' is sent to ${node.name}, but ${broken}`);
    }
  }

  /** What is locked is stopped only when somebody insists. */
  #lockIsRespected(place: string, state: ClusterState, input: CoreInput, effect: Effect, before: ResourceRow | undefined, group: GroupRow | undefined): void {
    if (before === undefined || (before.status & ResourceStatus.LockedMode) === 0 || before.state !== "Online") return;
    // The very report that starts a queued move says that it is not locked any more.
    if (((state.tables.resourceRuntime.get(effect.resource.id)?.status ?? 0) & ResourceStatus.LockedMode) === 0) return;
    const now = state.tables.groupRuntime.get(effect.group);
    if (group?.ignoreLocked === true || now?.ignoreLocked === true || now === undefined) return;
    if (input.kind === "command" && /"(ignoreLocked|force)":true/.test(JSON.stringify(input.command))) return;
    throw new BrokenInvariant(`${place}: '${effect.resource.name}' is locked and ordered offline: ${effect.reason}`);
  }

  /** A role that is started for the first time starts after what it waits for, or after it has waited long enough. */
  #turnHasCome(place: string, state: ClusterState, input: CoreInput, effect: Effect, before: GroupRow | undefined): void {
    const group = state.tables.groups.get(effect.group);
    if (group === undefined || before === undefined || before.startGate !== "waiting" || before.startedAtMs !== null) return;
    if (input.kind === "inventory" || (input.kind === "command" && input.command.verb === "group.move" && input.command.highPriorityStart === true)) return;
    const timeoutS = Number(state.tables.cluster.get("-")?.properties["GroupDependencyTimeout"] ?? 600);
    const nowMs = state.tables.position.get("-")!.clusterTimeMs;
    if (nowMs >= (before.gateSinceMs ?? nowMs) + 1_000 * timeoutS) return;
    for (const name of providersOf(state, group)) throw new BrokenInvariant(`${place}: '${group.name}' is started before '${name}' is online`);
  }
}

/** Roles it waits for by name that are not online; sets have tests of their own. */
function providersOf(state: ClusterState, group: GroupRecord): string[] {
  return (group.startsAfter ?? []).flatMap((id) => {
    const provider = state.tables.groups.get(id);
    return provider === undefined || state.tables.groupRuntime.get(id)?.announced === "Online" ? [] : [provider.name];
  });
}
