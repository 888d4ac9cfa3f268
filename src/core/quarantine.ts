import type { EventId, NodeId } from "../model/identifiers.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import { UNSET } from "../model/states.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import type { StepContext } from "./context.ts";
import { nodeAvailable } from "./failback.ts";
import { retryDrains } from "./drain.ts";
import { DEPARTURES_KEPT, QUARANTINE_WINDOW_MS } from "./limits.ts";
import { askSoon } from "./recording.ts";
import { findNode } from "./resolve.ts";
import { ONLY } from "./state.ts";

/**
 * Quarantine (reference 1.8): a node that drops out of the view too often within an hour may be a member,
 * but hosts nothing for a while, so that roles do not follow it up and down.
 */

/**
 * A node left the view. It does not count when it left as it should: paused, and with no role on it any more. A
 * service that was started anew counts, whatever it was that ended the one before.
 */
export function noteDeparture(context: StepContext, id: NodeId, cause: EventId): void {
  const { nodes, departures, quarantines } = context.state.tables;
  const empty = context.state.groupIdsOwnedBy(id).length === 0;
  if ((nodes.get(String(id))?.paused === true && empty) || quarantines.has(String(id))) return;
  const times = [...(departures.get(String(id))?.timesMs ?? []).filter((time) => context.now - time < QUARANTINE_WINDOW_MS), context.now].slice(-DEPARTURES_KEPT);
  departures.put(String(id), { timesMs: times });
  const threshold = property(context, "QuarantineThreshold");
  if (threshold === 0 || times.length < threshold || quarantines.size >= quarantinesMax(context.state.nodeIds().length)) return;
  quarantine(context, id, times.length, cause);
}

/** At most a quarter of the nodes, but one of two or three: the exception for small clusters (reference 1.8 gives no exact form). */
function quarantinesMax(nodes: number): number {
  return Math.max(nodes >= 2 ? 1 : 0, Math.floor(nodes / 4));
}

function quarantine(context: StepContext, id: NodeId, times: number, cause: EventId): void {
  const seconds = property(context, "QuarantineDuration");
  const forEver = seconds === UNSET;
  const untilMs = forEver ? null : context.now + seconds * 1_000;
  const untilWallMs = forEver ? null : context.stamp.wallTimeMs + seconds * 1_000;
  context.state.tables.quarantines.put(String(id), { untilMs, untilWallMs, recorded: false });
  askSoon(context);
  const length = forEver ? "until it is cleared" : `for ${seconds} seconds`;
  const name = context.nodeName(id);
  context.event("NodeQuarantined", { node: id, text: `${name} is quarantined ${length}: it dropped out ${times === 1 ? "once" : `${times} times`} within an hour.`, next: `muster node clear-quarantine ${name}`, cause });
}

/** A quarantined node came into the view: it is a member, and gets nothing to do. */
export function noteArrival(context: StepContext, id: NodeId, cause: EventId): void {
  if (!context.state.tables.quarantines.has(String(id))) return;
  const name = context.nodeName(id);
  const text = `${name} joined while it is quarantined: it is a member and hosts no roles.`;
  context.event("QuarantinedNodeJoined", { node: id, text, next: `muster node clear-quarantine ${name}`, cause });
  context.setNode(id, { reason: context.reason("quarantined", text, `muster node clear-quarantine ${name}`) });
}

/** The first view after a start without run-time state: what the configuration remembers is in force again, in wall time. */
export function restoreQuarantines(context: StepContext): void {
  const { nodes, quarantines } = context.state.tables;
  for (const id of context.state.nodeIds()) {
    const untilWallMs = nodes.get(String(id))?.quarantinedUntilWallMs;
    if (untilWallMs === undefined) continue;
    if (untilWallMs === null) quarantines.put(String(id), { untilMs: null, untilWallMs, recorded: true });
    else if (untilWallMs > context.stamp.wallTimeMs) quarantines.put(String(id), { untilMs: context.now + untilWallMs - context.stamp.wallTimeMs, untilWallMs, recorded: true });
  }
}

export function quarantineOver(context: StepContext, id: NodeId): void {
  endQuarantine(context, id, "its time is over");
}

export function clearQuarantine({ state }: Configuring, command: CommandOf<"node.clearQuarantine">): Reaction {
  const node = findNode(state, command.node);
  const { quarantinedUntilWallMs, ...rest } = node;
  if (quarantinedUntilWallMs !== undefined) state.tables.nodes.put(String(node.id), rest);
  return (context) => {
    if (!state.tables.quarantines.has(String(node.id))) return `${node.name} is not quarantined: nothing to do.`;
    endQuarantine(context, node.id, "an administrator cleared it");
    return null;
  };
}

/** A node that is evicted, or may host again, begins anew. */
export function forgetQuarantine(context: StepContext, id: NodeId): void {
  const { quarantines, departures } = context.state.tables;
  quarantines.remove(String(id));
  departures.remove(String(id));
}

function endQuarantine(context: StepContext, id: NodeId, why: string): void {
  forgetQuarantine(context, id);
  const text = `${context.nodeName(id)} is no longer quarantined: ${why}.`;
  context.event("QuarantineEnded", { node: id, text });
  if (context.node(id).state !== "Up") return;
  context.setNode(id, { reason: context.reason("quarantine ended", text) });
  context.touchWaiting();
  nodeAvailable(context, id);
  retryDrains(context, context.entry);
}

function property(context: StepContext, name: string): number {
  return numberPropertyOf(clusterProperties, context.state.tables.cluster.get(ONLY)?.properties ?? {}, name);
}
