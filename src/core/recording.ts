import { NODES_MAX } from "../model/identifiers.ts";
import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { CoreRequest } from "../model/inputs.ts";
import { groupProperties } from "../model/properties.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import type { StepContext } from "./context.ts";
import { RECORDS_PER_REQUEST_MAX, RECORD_TRIES_MAX, RECORD_WAIT_MS } from "./limits.ts";
import { findNode, invalid, requireBag, requireText, withProperty } from "./resolve.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";

/**
 * What the state has found and the configuration shall remember: where each role ran last
 * (reference 2.10 "DefaultOwner"), and quarantines (1.8). Only a command may write durable tables, so
 * the state asks for one a moment later: many changes make one command.
 */

/** Called for every change of owner. */
export function noteOwner(context: StepContext, group: GroupId, owner: NodeId | null): void {
  const record = context.state.tables.groups.get(group);
  if (owner === null || record === undefined) return;
  if ((record.properties["DefaultOwner"] ?? -1) === owner) {
    context.state.tables.unrecorded.remove(group);
    return;
  }
  context.state.tables.unrecorded.put(group, { node: owner });
  askSoon(context);
}

/** One second after the first change that is not recorded: a change every half second cannot put it off for ever. */
export function askSoon(context: StepContext): void {
  const { recording } = context.state.tables;
  if (recording.get(ONLY) === undefined) recording.put(ONLY, { atMs: context.now + RECORD_WAIT_MS, tries: 0 });
}

/** What was to be remembered may be gone. */
export function stopAskingIfDone(context: StepContext): void {
  const { unrecorded, recording } = context.state.tables;
  if (unrecorded.size === 0 && unrecordedQuarantines(context.state).length === 0) recording.remove(ONLY);
}

/** A command that was asked for may have been lost with the orderer: a new view asks again. */
export function askAgain(context: StepContext): void {
  const { unrecorded, recording } = context.state.tables;
  if (unrecorded.size === 0 && unrecordedQuarantines(context.state).length === 0) return;
  recording.put(ONLY, { atMs: context.now + RECORD_WAIT_MS, tries: 0 });
}

export function recordDeadline(state: ClusterState): number | null {
  return state.tables.recording.get(ONLY)?.atMs ?? null;
}

/**
 * Asks for what is not recorded, a bounded number at a time. What is not carried out is asked again
 * later and later, and no more after some tries: the next change or the next view begins anew.
 */
export function recordWhenDue(context: StepContext): void {
  const { recording } = context.state.tables;
  const row = recording.get(ONLY);
  if (row === undefined || context.now < row.atMs) return;
  const request = recordRequest(context.state);
  if (request !== null) context.requests.push(request);
  const tries = row.tries + 1;
  if (request === null || tries >= RECORD_TRIES_MAX) recording.remove(ONLY);
  else recording.put(ONLY, { atMs: context.now + RECORD_WAIT_MS * 10 * tries, tries });
}

function recordRequest(state: ClusterState): CoreRequest | null {
  const { unrecorded } = state.tables;
  const defaultOwners = unrecorded
    .keys()
    .slice(0, RECORDS_PER_REQUEST_MAX)
    .map((id) => [id, unrecorded.get(id)!.node] as const);
  const quarantines = unrecordedQuarantines(state);
  if (defaultOwners.length === 0 && quarantines.length === 0) return null;
  return { verb: "core.record", ...(defaultOwners.length === 0 ? {} : { defaultOwners }), ...(quarantines.length === 0 ? {} : { quarantines }) };
}

function unrecordedQuarantines(state: ClusterState): { readonly node: NodeId; readonly untilWallMs: number | null }[] {
  const { quarantines } = state.tables;
  if (quarantines.size === 0) return [];
  return quarantines
    .keys()
    .map((key) => ({ node: Number(key), row: quarantines.get(key)! }))
    .filter(({ row }) => !row.recorded)
    .map(({ node, row }) => ({ node, untilWallMs: row.untilWallMs }));
}

/** What has been deleted since is passed over: the same command may come late or twice. */
export function coreRecord({ state }: Configuring, command: CommandOf<"core.record">): Reaction {
  const owners = command.defaultOwners ?? [];
  const quarantines = command.quarantines ?? [];
  if (!Array.isArray(owners) || owners.length > RECORDS_PER_REQUEST_MAX) throw invalid("defaultOwners", `a list of at most ${RECORDS_PER_REQUEST_MAX} is required`);
  if (!Array.isArray(quarantines) || quarantines.length > NODES_MAX) throw invalid("quarantines", `a list of at most ${NODES_MAX} is required`);
  for (const owner of owners) if (!Array.isArray(owner) || owner.length !== 2) throw invalid("defaultOwners", "pairs of a role and a node are required");
  for (const quarantine of quarantines) requireBag(quarantine, "quarantines");
  for (const { node, untilWallMs } of quarantines) {
    const record = findNode(state, String(node), "quarantines");
    if (untilWallMs !== null && !Number.isSafeInteger(untilWallMs)) throw invalid("quarantines", "a wall time in milliseconds or null is required");
    state.tables.nodes.put(String(record.id), { ...record, quarantinedUntilWallMs: untilWallMs });
  }
  for (const [id, node] of owners) {
    const group = state.tables.groups.get(requireText(id, "defaultOwners"));
    if (group === undefined || !state.tables.nodes.has(String(node)) || group.properties["DefaultOwner"] === node) continue;
    state.tables.groups.put(id, { ...group, properties: withProperty(groupProperties, group.properties, "DefaultOwner", node) });
  }
  return (context) => {
    const { unrecorded, recording } = state.tables;
    for (const [id, node] of owners) {
      const { owner } = context.group(id);
      const exists = state.tables.groups.has(id);
      if (exists && owner !== null) noteOwner(context, id, owner);
      // A role without an owner has had its last one remembered; left here it would be asked for without end.
      else if (!exists || unrecorded.get(id)?.node === node) unrecorded.remove(id);
    }
    for (const { node, untilWallMs } of quarantines) {
      const row = state.tables.quarantines.get(String(node));
      if (row !== undefined && row.untilWallMs === untilWallMs) state.tables.quarantines.put(String(node), { ...row, recorded: true });
    }
    const rest = unrecorded.size > 0 || unrecordedQuarantines(state).length > 0;
    if (rest) recording.put(ONLY, { atMs: context.now, tries: 0 });
    else recording.remove(ONLY);
    return null;
  };
}
