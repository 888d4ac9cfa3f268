import type { GroupId, NodeId, ResourceId } from "../model/identifiers.ts";
import type { ReleasedInput, ViewInput } from "../model/inputs.ts";
import { SERVED_BY_ADDRESS_ONLY } from "../model/resource-types.ts";
import type { ProtectionClass } from "../model/states.ts";
import type { StepContext } from "./context.ts";
import { orderPendingAgain } from "./inventory-step.ts";
import type { HoldRow } from "./records.ts";
import { resourceTypes } from "./resolve.ts";
import { HOLD_DEADLINE } from "./state.ts";
import type { ClusterState } from "./state.ts";

/**
 * Nodes that were left out and may still be serving (PROTOCOL part 2): until their holds have elapsed nothing
 * is started that they may have. Where the machine proves more (the embedded engine) the log brings no holds.
 */

/** Without one of these in a role there is no gate that would keep clients from an old copy. */
const GATED_ADDRESSES: readonly string[] = ["IP Address", "IPv6 Address"];

/** What ACTIVE tells of those who are not in the view; a hold that runs already ends no sooner for it. */
export function noteHolds(context: StepContext, input: ViewInput): void {
  const { tables } = context.state;
  const present = new Set(input.members.map((member) => member.node));
  for (const { node, incarnation, leaseMs, permitMs } of input.holds ?? []) hold(context, node, incarnation, leaseMs, permitMs);
  const { holdAbsentMs, holdAbsentPermitMs = holdAbsentMs } = input;
  if (holdAbsentMs !== undefined) for (const id of context.state.nodeIds()) if (!present.has(id)) hold(context, id, null, holdAbsentMs, holdAbsentPermitMs ?? holdAbsentMs);
  // What was seen to run in an earlier epoch may have been given to somebody else since.
  for (const group of tables.holdFree.keys()) tables.holdFree.remove(group);
}

function hold(context: StepContext, node: NodeId, incarnation: number | null, leaseMs: number, permitMs: number): void {
  const { holds } = context.state.tables;
  const key = `${node}.${incarnation ?? "*"}`;
  const known = holds.get(key);
  const leaseUntilMs = Math.max(known?.leaseUntilMs ?? 0, context.now + leaseMs);
  const permitUntilMs = Math.max(known?.permitUntilMs ?? 0, context.now + permitMs);
  const row = withNext(context, { node, incarnation, leaseUntilMs, permitUntilMs, nextMs: null });
  // One that elapsed while nobody looked: what waits for it is looked at when it is taken away.
  if (row.nextMs !== null || known !== undefined) holds.put(key, { ...row, nextMs: row.nextMs ?? context.now });
}

function withNext(context: StepContext, row: HoldRow): HoldRow {
  const ahead = [row.leaseUntilMs, row.permitUntilMs].filter((at) => at > context.now);
  return { ...row, nextMs: ahead.length === 0 ? null : Math.min(...ahead) };
}

/** A deadline of a hold has passed. @returns whether the key is one of a hold */
export function holdDue(context: StepContext, key: string): boolean {
  if (!key.startsWith(HOLD_DEADLINE)) return false;
  const { holds } = context.state.tables;
  const name = key.slice(HOLD_DEADLINE.length);
  const row = holds.get(name);
  if (row === undefined) return true;
  const next = withNext(context, row);
  if (next.nextMs === null) holds.remove(name);
  else holds.put(name, next);
  lookAtHeld(context);
  return true;
}

/** The monitor of a dead service has ended everything: nobody needs to wait for that life, or an earlier one. */
export function reactToReleased(context: StepContext, { released }: ReleasedInput): void {
  endHolds(context, released.node, (incarnation) => incarnation !== null && incarnation <= released.incarnation);
}

/** A later life that joined has ended what earlier ones left, and runs nothing itself. */
export function cleanInventory(context: StepContext, node: NodeId, life: number): void {
  endHolds(context, node, (incarnation) => incarnation === null || incarnation < life);
}

function endHolds(context: StepContext, node: NodeId, ends: (incarnation: number | null) => boolean): void {
  const { holds } = context.state.tables;
  if (holds.size === 0) return;
  let ended = false;
  for (const key of holds.keys()) {
    const row = holds.get(key);
    if (row === undefined || row.node !== node || !ends(row.incarnation)) continue;
    holds.remove(key);
    ended = true;
  }
  if (ended) lookAtHeld(context);
}

function lookAtHeld(context: StepContext): void {
  const { held, holdFree, holds } = context.state.tables;
  for (const group of held.keys()) {
    context.touched.add(group);
    held.remove(group);
    const { owner } = context.group(group);
    if (owner === null) continue;
    for (const resource of context.resourcesOf(group)) if (context.resource(resource.id).state === "OnlinePending") orderPendingAgain(context, resource, owner);
  }
  if (holds.size === 0) for (const group of holdFree.keys()) holdFree.remove(group);
}

/** A member of this view has the role running: then none of those that were left out has it. */
export function seenRunning(context: StepContext, group: GroupId): void {
  const { holds, holdFree } = context.state.tables;
  if (holds.size > 0 && !holdFree.has(group)) holdFree.put(group, { epoch: context.stamp.epoch });
}

/**
 * Why a start has to wait for somebody who was left out; null = it need not. *Every* hold counts, whoever the state
 * takes for the last owner: a start that only the excluded node saw was lost with it.
 */
export function whyHeld(context: StepContext, resource: ResourceId): string | null {
  const { holds, holdFree, held, resources } = context.state.tables;
  if (holds.size === 0) return null;
  const group = resources.get(resource)?.group;
  if (group === undefined || holdFree.has(group)) return null;
  const waits = waitsOfRole(context.state, group);
  let longest: { readonly node: NodeId; readonly untilMs: number } | null = null;
  for (const key of holds.keys()) {
    const row = holds.get(key) as HoldRow;
    const untilMs = Math.max(waits.has("lease") ? row.leaseUntilMs : 0, waits.has("permit") ? row.permitUntilMs : 0);
    if (untilMs > context.now && untilMs > (longest?.untilMs ?? 0)) longest = { node: row.node, untilMs };
  }
  if (longest === null) return null;
  if (!held.has(group)) held.put(group, { epoch: context.stamp.epoch });
  return `${context.nodeName(longest.node)} may still be serving for up to ${tenths(longest.untilMs - context.now)} s`;
}

function tenths(ms: number): string {
  const rounded = Math.ceil(ms / 100);
  return `${Math.floor(rounded / 10)}.${rounded % 10}`;
}

/** A role waits for the slowest of its resources. */
function waitsOfRole(state: ClusterState, group: GroupId): ReadonlySet<"lease" | "permit"> {
  const waits = new Set<"lease" | "permit">();
  const types = resourceTypes(state);
  const resources = state.resourceIdsOf(group).flatMap((id) => state.tables.resources.get(id) ?? []);
  const hasGate = resources.some(({ type }) => GATED_ADDRESSES.includes(type));
  for (const { type, privateProperties } of resources) {
    // Of a type that does not say, nothing but its process is known.
    const protection: ProtectionClass = types.find((one) => one.name === type)?.protection ?? "process";
    const isBehindGate = hasGate && privateProperties[SERVED_BY_ADDRESS_ONLY] === 1;
    if (protection === "gatedNetwork" || (protection === "process" && isBehindGate)) waits.add("lease");
    else if (protection === "process") waits.add("permit");
  }
  return waits;
}
