import { detectionTimeMs, HEARTBEAT_PROPERTIES, tokenFromHeartbeat } from "../model/heartbeat.ts";
import type { HeartbeatToken, HeartbeatView } from "../model/heartbeat.ts";
import type { NodeRecord, PropertyBag } from "../model/objects.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import type { Weights } from "../model/votes.ts";
import { allNetworks } from "./network-records.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { isInside } from "./subnets.ts";
import { knownWeights, wantedWeights } from "./votes.ts";

/** The token that the heartbeat properties ask for (docs/safety.md, "The token changes"). Reads durable tables only. */

/**
 * The weights that should follow the current ones: other votes, another token, or both. A token is changed only when nobody
 * acts by an earlier one any more.
 * @param profileTokenMs token of the profile the cluster was created with; null = this engine has none
 */
export function wantedRecord(state: ClusterState, current: Weights, profileTokenMs: number | null): Weights | null {
  const votes = wantedWeights(state, current);
  if (profileTokenMs === null || current.formerTokenMs !== undefined || state.tables.cluster.get(ONLY) === undefined) return votes;
  const { tokenMs } = wantedToken(state, profileTokenMs, {});
  const formerTokenMs = current.tokenMs ?? profileTokenMs;
  if (tokenMs === formerTokenMs) return votes;
  return { ...(votes ?? { ...current, version: current.version + 1 }), tokenMs, formerTokenMs };
}

/** The heartbeat as it is and as the properties ask for it, with `changes` to them; null = this engine has no token. */
export function describeHeartbeat(state: ClusterState, profileTokenMs: number | null, changes: PropertyBag = {}): HeartbeatView | null {
  if (profileTokenMs === null) return null;
  const { tokenMs, boundedFromMs } = wantedToken(state, profileTokenMs, changes);
  const nodes = state.nodeIds().length;
  const inForceMs = knownWeights(state).tokenMs ?? profileTokenMs;
  return { tokenMs, detectionMs: detectionTimeMs(tokenMs, nodes), boundedFromMs, spansSubnets: spansSubnets(state), inForce: { tokenMs: inForceMs, detectionMs: detectionTimeMs(inForceMs, nodes) } };
}

function wantedToken(state: ClusterState, profileTokenMs: number, changes: PropertyBag): HeartbeatToken {
  const bag = { ...state.tables.cluster.get(ONLY)?.properties, ...changes };
  const properties = Object.fromEntries(HEARTBEAT_PROPERTIES.map((name) => [name, numberPropertyOf(clusterProperties, bag, name)]));
  const within = tokenFromHeartbeat(properties, false, profileTokenMs);
  const across = tokenFromHeartbeat(properties, true, profileTokenMs);
  // The subnets are looked at only where it matters: this is asked after every entry.
  return within.tokenMs === across.tokenMs || !spansSubnets(state) ? within : across;
}

/**
 * Whether two nodes are in no subnet together on any link. An address in a subnet that no node has told of yet says
 * nothing.
 */
function spansSubnets(state: ClusterState): boolean {
  const prefixes = allNetworks(state).flatMap((network) => network.prefixes);
  const nodes = state.nodeIds().map((id) => ((state.tables.nodes.get(String(id)) as NodeRecord).addresses ?? []).map((address) => prefixes.filter((prefix) => isInside(address, prefix))));
  return nodes.some((links, position) =>
    nodes.slice(position + 1).some((others) => {
      const known = links.flatMap((own, link) => (own.length > 0 && (others[link]?.length ?? 0) > 0 ? [[own, others[link]!] as const] : []));
      return known.length > 0 && known.every(([own, other]) => !own.some((prefix) => other.includes(prefix)));
    }),
  );
}
