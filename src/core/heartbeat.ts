import { detectionTimeMs, HEARTBEAT_PROPERTIES, tokenFromHeartbeat } from "../model/heartbeat.ts";
import type { Distance, HeartbeatToken, HeartbeatView } from "../model/heartbeat.ts";
import type { NodeRecord, PropertyBag } from "../model/objects.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import type { Weights } from "../model/votes.ts";
import { domainsOf } from "./fault-domains.ts";
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
  const distances = distancesIn(state);
  const inForceMs = knownWeights(state).tokenMs ?? profileTokenMs;
  return { tokenMs, detectionMs: detectionTimeMs(tokenMs, nodes), boundedFromMs, spansSubnets: distances.includes("CrossSubnet"), spansSites: distances.includes("CrossSite"), inForce: { tokenMs: inForceMs, detectionMs: detectionTimeMs(inForceMs, nodes) } };
}

function wantedToken(state: ClusterState, profileTokenMs: number, changes: PropertyBag): HeartbeatToken {
  const bag = { ...state.tables.cluster.get(ONLY)?.properties, ...changes };
  const properties = Object.fromEntries(HEARTBEAT_PROPERTIES.map((name) => [name, numberPropertyOf(clusterProperties, bag, name)]));
  const within = tokenFromHeartbeat(properties, [], profileTokenMs);
  // Who is where is looked at only where it matters: this is asked after every entry.
  const matters = DISTANCES.some((distance) => tokenFromHeartbeat(properties, [distance], profileTokenMs).tokenMs !== within.tokenMs);
  return matters ? tokenFromHeartbeat(properties, distancesIn(state), profileTokenMs) : within;
}

const DISTANCES: readonly Distance[] = ["CrossSubnet", "CrossSite"];

/** Between nodes of different sites the properties for sites win (reference 1.6); where a site is not known the subnets tell. */
function distancesIn(state: ClusterState): readonly Distance[] {
  const prefixes = allNetworks(state).flatMap((network) => network.prefixes);
  const nodes = state.nodeIds().map((id) => ({
    site: domainsOf(state, id).find((domain) => domain.type === "Site")?.id ?? null,
    links: ((state.tables.nodes.get(String(id)) as NodeRecord).addresses ?? []).map((address) => prefixes.filter((prefix) => isInside(address, prefix))),
  }));
  const found = new Set<Distance>();
  for (const [position, one] of nodes.entries()) {
    for (const other of nodes.slice(position + 1)) {
      if (one.site !== null && other.site !== null && one.site !== other.site) found.add("CrossSite");
      else if (areApart(one.links, other.links)) found.add("CrossSubnet");
    }
  }
  return [...found];
}

/**
 * Whether two nodes are in no subnet together on any link. An address in a subnet that no node has told of yet says
 * nothing.
 * @param links the subnets that each address of the node is in
 */
function areApart(links: readonly (readonly string[])[], others: readonly (readonly string[])[]): boolean {
  const known = links.flatMap((own, link) => (own.length > 0 && (others[link]?.length ?? 0) > 0 ? [[own, others[link]!] as const] : []));
  return known.length > 0 && known.every(([own, other]) => !own.some((prefix) => other.includes(prefix)));
}
