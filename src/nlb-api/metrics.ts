import { family } from "../api/prometheus.ts";
import type { Sample } from "../api/prometheus.ts";
import type { NlbStatus } from "../nlb-host/facade.ts";
import { HOST_STATES } from "../nlb/states.ts";

/** For Prometheus, in its text format: pure. */
export function metricsText(status: NlbStatus): string {
  const cluster = status.cluster.name;
  const own = status.hosts.find(({ id }) => id === status.self);
  return [
    family("muster_nlb_host_state", "gauge", "1 for the state that a host is in.", status.hosts.flatMap(({ id, state }) => HOST_STATES.map((name): Sample => [{ cluster, host: id, state: name }, Number(name === state)]))),
    family("muster_nlb_member", "gauge", "1 = this host is in the map.", [[{ cluster }, Number(own?.isMember ?? false)]]),
    family("muster_nlb_converged", "gauge", "1 = no host that is heard is still agreeing on who takes what.", [[{ cluster }, Number(status.isConverged)]]),
    family("muster_nlb_convergences_total", "counter", "How often this host converged with others, or alone.", [[{ cluster }, status.convergences]]),
    family("muster_nlb_lease_open", "gauge", "1 = the kernel of this host serves its share.", [[{ cluster }, Number(status.isLeaseOpen)]]),
    family("muster_nlb_lease_length_seconds", "gauge", "How long the kernel serves after the others answered last.", [[{ cluster }, status.leaseMs / 1_000]]),
    family("muster_nlb_rule_share", "gauge", "Share of a rule that a host owns, 0 to 1.", status.rules.flatMap(({ key, shares }) => shares.map(({ host, parts, of }): Sample => [{ cluster, rule: key, host }, of === 0 ? 0 : parts / of]))),
    family("muster_nlb_rule_healthy", "gauge", "1 = the application behind the rule is well on this host.", status.rules.map(({ key, health }): Sample => [{ cluster, rule: key }, Number(health.isHealthy)])),
    family("muster_nlb_open_connections", "gauge", "Connections of TCP that are open on this host.", status.rules.map(({ key, openConnections }): Sample => [{ cluster, rule: key }, openConnections])),
    family("muster_nlb_taken_total", "counter", "New connections and datagrams that this host took.", status.rules.map(({ key, taken }): Sample => [{ cluster, rule: key }, taken ?? 0])),
    family("muster_nlb_heartbeats_sent_total", "counter", "Heartbeats sent.", [[{ cluster }, status.heartbeats.sent]]),
    family("muster_nlb_heartbeats_accepted_total", "counter", "Heartbeats of other hosts.", [[{ cluster }, status.heartbeats.accepted]]),
    family("muster_nlb_heartbeats_refused_total", "counter", "Heartbeats that were refused, by reason.", Object.entries(status.heartbeats.refused).map(([reason, count]): Sample => [{ cluster, reason }, count])),
  ].join("");
}
