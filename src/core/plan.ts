import { MusterError } from "../model/errors.ts";
import type { ErrorBody } from "../model/errors.ts";
import type { ClusterEvent } from "../model/events.ts";
import type { Member } from "../model/identifiers.ts";
import type { Command, CoreInput, Effect, ReportInput } from "../model/inputs.ts";
import type { GroupRecord } from "../model/objects.ts";
import type { DryRun, Hypothesis, Plan, PlannedMove, PlannedState } from "../model/views.ts";
import { groupRow, groupStateOf, nodeName, nodeRow } from "./describe.ts";
import type { OwnerChange } from "./context.ts";
import { PLAN_HORIZON_MS, PLAN_STEPS_MAX } from "./limits.ts";
import { compareText } from "./order.ts";
import { findNode, findResource } from "./resolve.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { step } from "./step.ts";

/**
 * "What if?": the same machine on a fork. Orders are answered as if every resource did as it is
 * told, and time passes until nothing more would happen.
 */
export function whatIf(state: ClusterState, steps: readonly Hypothesis[]): Plan {
  const rehearsal = new Rehearsal(state);
  for (const hypothesis of steps) {
    const error = rehearsal.assume(hypothesis);
    if (error !== null) throw MusterError.fromBody(error);
    rehearsal.settle();
  }
  return rehearsal.plan();
}

/** What a command would do, or why it would be refused. Nothing is changed. */
export function dryRun(state: ClusterState, command: Command): DryRun {
  const rehearsal = new Rehearsal(state);
  const error = rehearsal.assume({ what: "command", command });
  if (error !== null) return { plan: null, error };
  rehearsal.settle();
  return { plan: rehearsal.plan(), error: null };
}

class Rehearsal {
  readonly #before: ClusterState;
  readonly #state: ClusterState;
  readonly #events: ClusterEvent[] = [];
  readonly #moves: PlannedMove[] = [];
  readonly #notes: string[] = [];
  readonly #startMs: number;
  #epoch: number;
  #index: number;
  #now: number;
  #wall: number;
  #number = 0;
  #steps = 0;
  #quiet = true;
  /** Orders whose answers are still to come. */
  #pending: Effect[];

  constructor(state: ClusterState) {
    this.#before = state;
    this.#state = state.fork(true);
    const position = state.tables.position.get(ONLY);
    this.#epoch = position?.epoch ?? 1;
    this.#index = position?.index ?? 0;
    this.#now = position?.clusterTimeMs ?? 0;
    this.#startMs = this.#now;
    this.#wall = position?.wallTimeMs ?? 0;
    this.#pending = ordersUnderWay(state);
  }

  /** Returns the refusal, if it is one. */
  assume(hypothesis: Hypothesis): ErrorBody | null {
    try {
      switch (hypothesis.what) {
        case "nodeDown":
          this.#changeView(findNode(this.#state, hypothesis.node).id, false);
          return null;
        case "nodeUp":
          this.#changeView(findNode(this.#state, hypothesis.node).id, true);
          return null;
        case "resourceFails":
          return this.#command({ verb: "resource.fail", resource: findResource(this.#state, hypothesis.resource).name });
        case "command":
          return this.#command(hypothesis.command);
      }
    } catch (error) {
      return MusterError.from(error).toBody();
    }
  }

  /** Answers and waits until nothing more would happen. */
  settle(): void {
    for (;;) {
      const effect = this.#pending.shift();
      if (effect !== undefined) {
        this.#answer(effect);
      } else {
        const deadline = this.#state.nextDeadline();
        if (deadline === null) return;
        if (deadline > this.#startMs + PLAN_HORIZON_MS) return this.#cutOff("Later than a day from now was not looked at.");
        this.#pass(Math.max(0, deadline - this.#now));
        this.#step({ kind: "due" });
      }
      if (this.#steps >= PLAN_STEPS_MAX) return this.#cutOff(`The plan was cut off after ${PLAN_STEPS_MAX} steps.`);
    }
  }

  plan(): Plan {
    return { moves: this.#moves, groups: this.#differences(), events: this.#events, durationMs: this.#now - this.#startMs, quiet: this.#quiet, notes: this.#notes };
  }

  #cutOff(note: string): void {
    this.#quiet = false;
    this.#notes.push(note);
  }

  #command(command: Command): ErrorBody | null {
    this.#number += 1;
    // Node 0 asks: no real node has that number.
    const { outcome } = this.#step({ kind: "command", requestId: { node: 0, incarnation: 1, number: this.#number }, command });
    if (outcome?.note !== null && outcome?.note !== undefined) this.#notes.push(outcome.note);
    return outcome?.error ?? null;
  }

  #changeView(node: number, up: boolean): void {
    const view = this.#state.tables.view.get(ONLY);
    const members = (view?.members ?? []).filter((member) => member.node !== node);
    const row = nodeRow(this.#state, node);
    if (up && row.state !== "Down") throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "node", problem: `${nodeName(this.#state, node)} is up already` });
    if (!up && row.state === "Down") throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "node", problem: `${nodeName(this.#state, node)} is down already` });
    const back: Member = { node, incarnation: (row.incarnation ?? 0) + 1 };
    const present = (up ? [...members, back] : members).sort((left, right) => left.node - right.node);
    const orderer = present[0]?.node;
    if (orderer === undefined) throw new MusterError("MUSTER_NO_QUORUM", { reason: "no node would be left" });
    this.#epoch += 1;
    this.#index = -1;
    this.#pending = this.#pending.filter((effect) => present.some((member) => member.node === effect.node));
    this.#step({ kind: "view", members: present, learners: (view?.learners ?? []).filter((id) => id !== node), orderer });
    if (up) this.#step({ kind: "inventory", from: back, resources: [] });
  }

  #answer(effect: Effect): void {
    const row = nodeRow(this.#state, effect.node);
    if (row.incarnation === null) return;
    const answer: ReportInput = {
      kind: "report",
      from: { node: effect.node, incarnation: row.incarnation },
      resource: effect.resource.id,
      generation: effect.generation,
      effect: effect.id,
      state: effect.action === "online" ? "online" : "offline",
      reason: "",
      processId: null,
    };
    this.#step(answer);
  }

  #pass(ms: number): void {
    this.#now += ms;
    this.#wall += ms;
  }

  #step(input: CoreInput): ReturnType<typeof step> {
    this.#steps += 1;
    this.#index += 1;
    const result = step(this.#state, { epoch: this.#epoch, index: this.#index, clusterTimeMs: this.#now, wallTimeMs: this.#wall }, input);
    this.#pending.push(...result.effects);
    for (const event of result.events) this.#events.push(event);
    this.#noteMoves(result.ownerChanges);
    if (result.fault !== null) throw MusterError.fromBody(result.fault);
    return result;
  }

  #noteMoves(changes: readonly OwnerChange[]): void {
    for (const { group, from, to } of changes) {
      this.#moves.push({
        group: this.#state.tables.groups.get(group)?.name ?? group,
        from: from === null ? null : nodeName(this.#state, from),
        to: to === null ? null : nodeName(this.#state, to),
        reason: groupRow(this.#state, group).reason.text,
      });
    }
  }

  /** Groups of which anything is another than before; null when so much changed that it was not kept track of. */
  #changedGroups(): Set<string> | null {
    const { groups, groupRuntime, resources, resourceRuntime } = this.#state.tables;
    const ofGroups = [groups.changedKeys(), groupRuntime.changedKeys()];
    const ofResources = [resources.changedKeys(), resourceRuntime.changedKeys()];
    const found = new Set<string>();
    for (const keys of ofGroups) {
      if (keys === null) return null;
      for (const key of keys) found.add(key);
    }
    for (const keys of ofResources) {
      if (keys === null) return null;
      for (const key of keys) {
        const group = resources.get(key)?.group ?? this.#before.tables.resources.get(key)?.group;
        if (group !== undefined) found.add(group);
      }
    }
    return found;
  }

  #differences(): PlannedState[] {
    const ids = this.#changedGroups() ?? new Set([...this.#before.tables.groups.keys(), ...this.#state.tables.groups.keys()]);
    const found: PlannedState[] = [];
    for (const id of ids) {
      const before = this.#before.tables.groups.get(id);
      const after = this.#state.tables.groups.get(id);
      const owner = after === undefined ? null : groupRow(this.#state, id).owner;
      const states = { before: stateOf(this.#before, before), after: stateOf(this.#state, after) };
      if (states.before === states.after && owner === groupRow(this.#before, id).owner) continue;
      found.push({ group: after?.name ?? before?.name ?? id, ...states, ownerNode: owner === null ? null : nodeName(this.#state, owner) });
    }
    return found.sort((left, right) => compareText(left.group, right.group));
  }
}

function stateOf(state: ClusterState, group: GroupRecord | undefined): PlannedState["before"] {
  return group === undefined ? null : groupStateOf(state, group);
}

/** Orders given before the plan begins, whose answers are on their way. */
function ordersUnderWay(state: ClusterState): Effect[] {
  const orders: Effect[] = [];
  for (const id of state.tables.resourceRuntime.keys()) {
    const row = state.tables.resourceRuntime.get(id);
    const resource = state.tables.resources.get(id);
    const group = resource === undefined ? undefined : state.tables.groups.get(resource.group);
    if (row?.pendingEffect === undefined || row.pendingEffect === null || resource === undefined || group === undefined) continue;
    const { owner, generation } = groupRow(state, group.id);
    if (owner === null) continue;
    orders.push({ id: row.pendingEffect, node: owner, action: row.pendingAction, group: group.id, groupName: group.name, generation, resource, reason: "" });
  }
  for (const id of state.tables.leftovers.keys()) {
    const leftover = state.tables.leftovers.get(id);
    for (const place of leftover?.places ?? []) {
      orders.push({ id: place.effect, node: place.node, action: "terminate", group: leftover?.group ?? "", groupName: leftover?.groupName ?? "", generation: place.generation, resource: leftover?.resource as Effect["resource"], reason: "" });
    }
  }
  return orders;
}
