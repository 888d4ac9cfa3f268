import type { RuleReport } from "../nlb/assignment.ts";
import { EQUAL_SHARE } from "../nlb/assignment.ts";
import { inCanonicalOrder } from "../nlb/consistency.ts";
import { mapText } from "../nlb/map.ts";
import type { NlbMap } from "../nlb/map.ts";
import type { HostId, PortRule } from "../nlb/parameters.ts";
import { ruleKey } from "../nlb/parameters.ts";
import type { HostState, OutReason } from "../nlb/states.ts";
import { HostStateCode } from "../nlb/states.ts";
import type { HostView, NlbStatus, RuleView } from "./facade.ts";
import type { BalancedHost } from "./files.ts";
import type { BalancerSnapshot } from "./messages.ts";
import type { Health } from "./probes.ts";

/** What people see of a balancing cluster from one of its hosts: pure. */
export function statusOf(snapshot: BalancerSnapshot, file: BalancedHost, names: ReadonlyMap<HostId, string>, own: { readonly counted: string; readonly convergences: number }, healthOf: (rule: string) => Health): NlbStatus {
  const { map, self } = snapshot;
  const members = new Set(map?.members.map(({ host }) => host));
  const view = (host: Omit<HostView, "code" | "isMember">): HostView => ({ ...host, code: HostStateCode[host.state], isMember: members.has(host.id) });
  const hosts = [
    view({ id: self.host, name: file.host.name, address: null, state: snapshot.state, reason: snapshot.out.reason, why: isWell(snapshot.state) ? null : { text: snapshot.why.reason, next: snapshot.why.next }, heardAgoMs: null }),
    ...snapshot.peers.map(({ host, address, heartbeat, heardAgoMs }) => {
      // It wants to be in, and is kept out: its heartbeats say what it wants, and this host's map what counts.
      const differs = heartbeat.reason === "none" && map !== null && !members.has(host) && heartbeat.wanted !== map.parameters;
      const reason = differs ? "parametersDiffer" : heartbeat.reason;
      return view({ id: host, name: names.get(host) ?? null, address, state: heartbeat.state, reason, why: whyNot(heartbeat.state, reason, differs ? self.host : heartbeat.reasonHost), heardAgoMs });
    }),
  ].sort((a, b) => a.id - b.id);
  const cluster = inCanonicalOrder(file.cluster);
  const ofMap = snapshot.mapParameters === null ? [] : inCanonicalOrder(snapshot.mapParameters).rules.map(ruleKey);
  return {
    cluster,
    self: self.host,
    hosts,
    rules: cluster.rules.map((rule) => ruleView(rule, map, ofMap.indexOf(ruleKey(rule)), snapshot, healthOf)),
    map: map === null ? null : mapText(map.id),
    isConverged: hosts.every(({ state }) => state !== "converging"),
    convergences: own.convergences,
    engine: snapshot.engine,
    counted: own.counted,
    leaseMs: snapshot.lease.leaseMs,
    holdMs: snapshot.lease.holdMs,
    isLeaseOpen: snapshot.lease.isOpen,
    heartbeats: snapshot.heartbeats,
  };
}

function ruleView(rule: PortRule, map: NlbMap | null, position: number, snapshot: BalancerSnapshot, healthOf: (rule: string) => Health): RuleView {
  const key = ruleKey(rule);
  const owners = position === -1 ? undefined : map?.owners[position];
  const shares = owners === undefined ? [] : map!.members.map(({ host }, place) => share(host, owners, map!.reports[position]![place]!, rule));
  return { key, rule, shares, health: healthOf(key), openConnections: snapshot.openConnections?.[key] ?? 0, taken: snapshot.taken[key] ?? 0 };
}

function share(host: HostId, owners: Uint8Array, { value, state, isHealthy, capacity }: RuleReport, { mode }: PortRule): RuleView["shares"][number] {
  const parts = owners.reduce((sum, owner) => sum + Number(owner === host), 0);
  return { host, parts, of: owners.length, weight: mode !== "multiple" || value === EQUAL_SHARE ? null : value, handlingPriority: mode === "single" ? value : host, state, isHealthy, capacity };
}

function isWell(state: HostState): boolean {
  return state === "converged" || state === "default";
}

/** What the heartbeats of another host say; it can say more itself. */
function whyNot(state: HostState, reason: OutReason, host: HostId): HostView["why"] {
  if (state === "stopped") return { text: "It was stopped.", next: "muster nlb start" };
  if (state === "suspended") return { text: "It is suspended, and takes no command but resume.", next: "muster nlb resume" };
  if (state === "draining") return { text: "It takes no new connections, and stops when the last one ends.", next: "muster nlb start" };
  if (state === "mediaDisconnected") return { text: "Its adapter has no link, or heartbeats cannot be sent over it.", next: "ip address" };
  if (state !== "converging") return null;
  switch (reason) {
    case "listening":
      return { text: "It has just come and listens, so that nobody is answered twice.", next: null };
    case "parametersDiffer":
      return { text: `Its parameters differ from those of host ${host}.`, next: "muster nlb sync" };
    case "duplicateHost":
      return { text: "Another host has the same id.", next: "muster nlb host set --id NUMBER" };
    case "standsAside":
      return { text: "It does not hear all the others, or they do not hear it.", next: "muster nlb query" };
    case "filterFailed":
      return { text: "Its kernel refused the filter.", next: "muster nlb events" };
    case "mapUnreachable":
      return { text: "It cannot get the map of the others.", next: "muster nlb events" };
    case "yielded":
      return { text: "It gives way to the map of others whom it did not hear before.", next: null };
    case "none":
      return { text: "The hosts are agreeing on who takes what.", next: null };
  }
}
