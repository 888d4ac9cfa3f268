import { MusterError } from "../model/errors.ts";
import type { ErrorBody } from "../model/errors.ts";
import type { ClusterEvent } from "../model/events.ts";
import type { Member, NodeId } from "../model/identifiers.ts";
import type { Command, CoreInput, Effect, ReportInput } from "../model/inputs.ts";
import type { GroupRecord } from "../model/objects.ts";
import type { DryRun, Hypothesis, Plan, PlannedMove, PlannedState } from "../model/views.ts";
import { groupRow, groupStateOf, nodeName, nodeRow } from "./describe.ts";
import type { OwnerChange } from "./context.ts";
import { PLAN_HORIZON_MS, PLAN_STEPS_MAX } from "./limits.ts";
import { compareText } from "./order.ts";
import { findNode, findResource } from "./resolve.ts";
import { storeOf, whyMayForm } from "./may-form.ts";
import { configuredWitness, knownWeights, wantedWeights } from "./votes.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { step } from "./step.ts";

/** A change of the view is followed by few changes of the votes. */
const VOTE_CHANGES_MAX = 8;

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
  /** Nodes that are up, in a view or not. */
  #there: readonly Member[];
  #stopped = false;
  #lives = 0;

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
    this.#there = state.tables.view.get(ONLY)?.members ?? [];
  }

  /** Returns the refusal, if it is one. */
  assume(hypothesis: Hypothesis): ErrorBody | null {
    try {
      switch (hypothesis.what) {
        case "nodeDown":
          this.#lose([findNode(this.#state, hypothesis.node).id]);
          return null;
        case "nodesDown":
          this.#lose(findNodes(this.#state, hypothesis.nodes));
          return null;
        case "networkCut":
          this.#cut(findNodes(this.#state, hypothesis.nodes));
          return null;
        case "nodeUp":
          this.#rejoin(findNode(this.#state, hypothesis.node).id);
          return null;
        case "witness":
          this.#witness(hypothesis.state);
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
    while (!this.#stopped) {
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
    return { moves: this.#moves, groups: this.#differences(), events: this.#events, durationMs: this.#now - this.#startMs, stopped: this.#stopped, quiet: this.#quiet, notes: this.#notes };
  }

  #cutOff(note: string): void {
    this.#quiet = false;
    this.#notes.push(note);
  }

  #command(command: Command): ErrorBody | null {
    this.#number += 1;
    // Node 0 asks: no real node has that number.
    if (this.#stopped) throw new MusterError("MUSTER_NO_QUORUM", { reason: "by then the cluster has stopped" });
    const { outcome } = this.#step({ kind: "command", requestId: { node: 0, incarnation: 1, number: this.#number }, command });
    if (outcome?.note !== null && outcome?.note !== undefined) this.#notes.push(outcome.note);
    this.#followVotes();
    return outcome?.error ?? null;
  }

  // ---- who is there ----------------------------------------------------------------

  #lose(nodes: readonly NodeId[]): void {
    for (const node of nodes) if (!this.#isThere(node)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "node", problem: `${nodeName(this.#state, node)} is down already` });
    this.#goOnWith(this.#there.filter((member) => !nodes.includes(member.node)));
  }

  #rejoin(node: NodeId): void {
    if (this.#isThere(node)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "node", problem: `${nodeName(this.#state, node)} is up already` });
    this.#goOnWith([...this.#there, this.#newLife(node)]);
  }

  /** Of two sides one may go on at most: the one with the votes, or the one that wins the witness. */
  #cut(nodes: readonly NodeId[]): void {
    const sides = [this.#there.filter((member) => nodes.includes(member.node)), this.#there.filter((member) => !nodes.includes(member.node))];
    if (sides.some((side) => side.length === 0)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "nodes", problem: "a cut has nodes that are up on both sides" });
    const able = sides.filter((side) => whyMayForm(this.#state, side) !== null).sort((left, right) => (left[0]?.node ?? 0) - (right[0]?.node ?? 0));
    if (able.length === 2) this.#notes.push(`Either side could win the witness, and one does; shown is that ${this.#names(able[0] ?? [])} does.`);
    const [winners] = able;
    if (winners !== undefined) this.#notes.push(`${this.#names(winners)} ${winners.length === 1 ? "goes" : "go"} on; ${this.#names(sides.find((side) => side !== winners) ?? [])} ${this.#there.length - winners.length === 1 ? "stops" : "stop"}.`);
    // Who cannot go on stops what it runs: for the others it is as if it were down.
    this.#goOnWith(winners ?? []);
  }

  #goOnWith(members: readonly Member[]): void {
    const wasStopped = this.#stopped;
    const present = [...members].sort((left, right) => left.node - right.node);
    this.#there = present;
    const how = present.length === 0 ? null : whyMayForm(this.#state, present);
    if (how === null) {
      this.#stopped = true;
      this.#pending = [];
      this.#notes.push(present.length === 0 ? "No node may go on: the cluster stops, and no role is served." : `${this.#names(present)} ${present.length === 1 ? "has" : "have"} no quorum: the cluster stops, and no role is served until more nodes are there (see: muster quorum show).`);
      return;
    }
    this.#stopped = false;
    // Who had to stop comes back with a new life: what it ran has ended.
    if (wasStopped) this.#there = present.map((member) => this.#newLife(member.node));
    this.#changeView(how === "witness");
  }

  #changeView(claimed: boolean): void {
    const [first] = this.#there;
    if (first === undefined) return;
    const learners = this.#state.tables.view.get(ONLY)?.learners ?? [];
    const known = new Map(this.#there.map((member) => [member.node, nodeRow(this.#state, member.node).incarnation === member.incarnation]));
    this.#epoch += 1;
    this.#index = -1;
    this.#pending = this.#pending.filter((effect) => known.has(effect.node));
    const stores = this.#there.map((member) => storeOf(this.#state, member.node));
    this.#step({ kind: "view", members: this.#there, learners: learners.filter((id) => known.has(id)), orderer: first.node, stores, ...(claimed ? { claimed } : {}) });
    for (const member of this.#there) if (known.get(member.node) !== true) this.#step({ kind: "inventory", from: member, resources: [] });
    this.#followVotes();
  }

  #witness(to: "lost" | "back"): void {
    const witness = configuredWitness(this.#state);
    const [first] = this.#there;
    if (witness === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "witness", problem: "no witness is configured" });
    if (first === undefined || this.#stopped) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "witness", problem: "the cluster has stopped by then" });
    this.#step({ kind: "witness", from: first, witness: witness.id, state: to === "lost" ? "failed" : "online", reason: to === "lost" ? "it is assumed to be lost" : "" });
    this.#followVotes();
  }

  /** The votes follow what is there, one change at a time (reference 4.3). */
  #followVotes(): void {
    for (let changes = 0; changes < VOTE_CHANGES_MAX; changes++) {
      const weights = wantedWeights(this.#state, knownWeights(this.#state));
      if (weights === null) return;
      this.#step({ kind: "weights", weights });
    }
  }

  #isThere(node: NodeId): boolean {
    return this.#there.some((member) => member.node === node);
  }

  #newLife(node: NodeId): Member {
    this.#lives += 1;
    return { node, incarnation: (nodeRow(this.#state, node).incarnation ?? 0) + this.#lives };
  }

  #names(members: readonly Member[]): string {
    return members.map((member) => nodeName(this.#state, member.node)).join(", ");
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
    const ids = (this.#stopped ? null : this.#changedGroups()) ?? new Set([...this.#before.tables.groups.keys(), ...this.#state.tables.groups.keys()]);
    const found: PlannedState[] = [];
    for (const id of ids) {
      const before = this.#before.tables.groups.get(id);
      const after = this.#state.tables.groups.get(id);
      const owner = after === undefined || this.#stopped ? null : groupRow(this.#state, id).owner;
      const states = { before: stateOf(this.#before, before), after: this.#stopped && after !== undefined ? ("Offline" as const) : stateOf(this.#state, after) };
      if (states.before === states.after && owner === groupRow(this.#before, id).owner) continue;
      found.push({ group: after?.name ?? before?.name ?? id, ...states, ownerNode: owner === null ? null : nodeName(this.#state, owner) });
    }
    return found.sort((left, right) => compareText(left.group, right.group));
  }
}

function findNodes(state: ClusterState, names: readonly string[]): NodeId[] {
  if (!Array.isArray(names) || names.length === 0) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "nodes", problem: "names of nodes are required" });
  return [...new Set(names.map((name) => findNode(state, name, "nodes").id))];
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
