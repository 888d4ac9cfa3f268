import type { EventId, GroupId, NodeId } from "../model/identifiers.ts";
import type { ViewInput } from "../model/inputs.ts";
import type { GroupRecord } from "../model/objects.ts";
import type { StepContext } from "./context.ts";
import { copiesLost } from "./leftovers.ts";
import { noteHolds } from "./holds.ts";
import { INVENTORY_WAIT_MS } from "./limits.ts";
import { ownerLost, targetLost } from "./moving.ts";
import { lookAtNetworksAgain } from "./network-step.ts";
import { noteQuorum } from "./quorum-step.ts";
import { compareStart } from "./serve.ts";
import { closeAtColdStart } from "./start-order.ts";
import { beginOwnerWaits } from "./owner-wait.ts";
import { noteArrival, noteDeparture, restoreQuarantines } from "./quarantine.ts";
import { askAgain } from "./recording.ts";
import { ONLY } from "./state.ts";

/** The membership change is an input: in its own step every node computes the same new owners. */
export function reactToView(context: StepContext, input: ViewInput): void {
  const before = context.view;
  const lost: { readonly id: NodeId; readonly why: string; readonly cause: EventId }[] = [];
  const incarnations = new Map(input.members.map((member) => [member.node, member.incarnation]));
  const members = input.members.filter((member) => !input.learners.includes(member.node)).sort((left, right) => left.node - right.node);
  const learners = [...input.learners].sort((left, right) => left - right);

  const cause = sayViewActive(context, input);
  if (before === undefined) restoreQuarantines(context);
  noteQuorum(context, input);
  noteHolds(context, input);
  context.state.tables.view.put(ONLY, {
    epoch: context.stamp.epoch,
    members,
    learners,
    orderer: input.orderer,
    // Nothing known of what runs: the inventories of all come first.
    open: before?.open ?? false,
    inventoryDeadlineMs: before === undefined ? context.now + INVENTORY_WAIT_MS : before.inventoryDeadlineMs,
  });

  for (const id of knownNodes(context)) {
    const row = context.node(id);
    const present = incarnations.has(id) || learners.includes(id);
    const incarnation = incarnations.get(id) ?? null;
    // A learner may be known by its number alone; its life shows when it becomes a member.
    const sameLife = row.state !== "Down" && (row.incarnation === incarnation || row.incarnation === null || incarnation === null);
    if (row.state !== "Down" && !(present && sameLife)) {
      const why = present ? `the Cluster Service of ${context.nodeName(id)} was started anew` : `${context.nodeName(id)} is down`;
      const graceful = row.leaving && !present;
      const event = nodeLost(context, id, present, cause);
      lost.push({ id, why, cause: event });
      if (!graceful) noteDeparture(context, id, event);
    }
    if (present) nodePresent(context, id, incarnation, learners.includes(id), sameLife, cause);
  }

  // All states of nodes are settled before the first group is placed.
  for (const { id, why, cause: event } of lost) {
    copiesLost(context, id);
    for (const group of inPriority(context, context.state.groupIdsOwnedBy(id))) ownerLost(context, group, why, event);
    for (const group of inPriority(context, context.state.groupIdsMovingTo(id))) targetLost(context, group, why, event);
    if (!context.state.tables.nodes.has(String(id))) context.state.tables.nodeRuntime.remove(String(id));
  }
  lookAtNetworksAgain(context);
  touchWaitingGroups(context);
  openWhenAllReported(context);
  askAgain(context);
}

/** Those of the configuration, and evicted ones that have not left yet. */
function knownNodes(context: StepContext): NodeId[] {
  return [...new Set([...context.state.nodeIds(), ...context.state.tables.nodeRuntime.keys().map(Number)])].sort((left, right) => left - right);
}

function inPriority(context: StepContext, ids: readonly GroupId[]): GroupRecord[] {
  return context.groupsByName(ids).sort(compareStart);
}

function sayViewActive(context: StepContext, input: ViewInput): EventId {
  const names = input.members
    .filter((member) => !input.learners.includes(member.node))
    .map((member) => context.nodeName(member.node))
    .join(", ");
  const learners = input.learners.length === 0 ? "" : `; catching up: ${input.learners.map((id) => context.nodeName(id)).join(", ")}`;
  return context.event("ViewActive", { node: input.orderer, text: `View ${context.stamp.epoch} is active with ${names}${learners}.` });
}

function nodeLost(context: StepContext, id: NodeId, present: boolean, cause: EventId): EventId {
  const { leaving } = context.node(id);
  context.setNode(id, { leaving: false, drain: null, failbackStatus: "NotInitiated" });
  if (leaving && !present) {
    const left = `${context.nodeName(id)} left: its Cluster Service was stopped.`;
    context.setNode(id, { state: "Down", incarnation: null, inventoryKnown: false, drainStatus: "NotInitiated", reason: context.reason("left", left) });
    return context.event("NodeLeft", { node: id, text: left, cause });
  }
  const text = present
    ? `${context.nodeName(id)} was removed from the active view: its Cluster Service was started anew, and what it ran before has ended.`
    : `${context.nodeName(id)} was removed from the active view: it does not answer any more.`;
  context.setNode(id, { state: "Down", incarnation: null, inventoryKnown: false, drainStatus: "NotInitiated", reason: context.reason("left", text) });
  return context.event("NodeDown", { node: id, text, next: "muster node list", cause });
}

function nodePresent(context: StepContext, id: NodeId, incarnation: number | null, learner: boolean, sameLife: boolean, cause: EventId): void {
  const row = context.node(id);
  const state = learner ? "Joining" : "Up";
  if (sameLife && row.state === state && row.incarnation === incarnation) return;
  const text = learner ? `${context.nodeName(id)} is joining and catches up.` : `${context.nodeName(id)} joined the active view.`;
  context.setNode(id, { state, incarnation, inventoryKnown: sameLife && row.inventoryKnown, reason: context.reason("joined", text) });
  if (learner) return;
  context.event("NodeUp", { node: id, text, cause });
  noteArrival(context, id, cause);
}

/** Groups without an owner may find one now. */
export function touchWaitingGroups(context: StepContext): void {
  for (const id of context.state.groupIdsOwnedBy(null)) context.touched.add(id);
  context.touchWaiting();
}

/** After a start without run-time state: roles are started once all members have said what they run. */
export function openWhenAllReported(context: StepContext): void {
  const view = context.view;
  if (view === undefined || view.open) return;
  const silent = view.members.filter((member) => !context.node(member.node).inventoryKnown);
  const expired = view.inventoryDeadlineMs !== null && context.now >= view.inventoryDeadlineMs;
  if (silent.length > 0 && !expired) return;
  context.state.tables.view.put(ONLY, { ...view, open: true, inventoryDeadlineMs: null });
  beginOwnerWaits(context);
  for (const id of context.state.tables.groups.keys()) {
    const group = context.state.tables.groups.get(id);
    if (group !== undefined) closeAtColdStart(context, group);
    context.touched.add(id);
  }
}
