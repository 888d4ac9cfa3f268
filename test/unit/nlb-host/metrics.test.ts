import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { metricsText } from "../../../src/nlb-api/metrics.ts";
import type { NlbStatus } from "../../../src/nlb-host/facade.ts";
import { Journal } from "../../../src/nlb-host/journal.ts";
import { statusOf } from "../../../src/nlb-host/status.ts";
import type { BalancerSnapshot } from "../../../src/nlb-host/messages.ts";
import { parametersDigest } from "../../../src/nlb/consistency.ts";
import { proposeMap } from "../../../src/nlb/map.ts";
import { samplesOf } from "../api/exposition.ts";
import { cluster, host, rule } from "../nlb/support.ts";

const CLUSTER = cluster([rule()]);
const KEY = "tcp all:80-80";

/** What host 1 says of a cluster of two, of which the other one converges. */
function status(journal: Journal): NlbStatus {
  const reports = [{ value: 255, capacity: 100, isHealthy: true, state: "enabled" }] as const;
  const map = proposeMap({ counter: 7, proposer: 1, parameters: parametersDigest(CLUSTER), rules: CLUSTER.rules, members: [1, 2].map((id) => ({ host: id, incarnation: id, reports: [...reports], isDraining: false })), base: null });
  const snapshot = {
    self: { host: 1, incarnation: 1 }, state: "default", out: { reason: "none", host: 0, sinceMs: 0 }, why: { reason: "", next: null }, map, mapParameters: CLUSTER,
    peers: [{ host: 2, incarnation: 2, address: "10.77.0.102", heardAgoMs: 40, isMutual: true, heartbeat: { state: "converging", reason: "listening", reasonHost: 0, wanted: parametersDigest(CLUSTER) } }],
    openConnections: { [KEY]: 3 }, taken: { [KEY]: 12 }, engine: "nftables", lease: { leaseMs: 700, holdMs: 886, isOpen: true },
    heartbeats: { sent: 20, accepted: 19, refused: { replayed: 1 } },
  } as unknown as BalancerSnapshot;
  const file = { host: host(1), cluster: CLUSTER } as unknown as Parameters<typeof statusOf>[1];
  return statusOf(snapshot, file, new Map(), { counted: "sockets", convergences: journal.convergences }, () => ({ isHealthy: false, capacity: 100, problem: null }) as unknown as ReturnType<Parameters<typeof statusOf>[4]>);
}

describe("metrics of a balancing host", () => {
  test("states, shares, connections, heartbeats, the lease and how often it converged", () => {
    const journal = new Journal();
    for (const name of ["NlbHostActive", "NlbConverged", "NlbConvergedDefault"] as const) journal.add(1, name, null, "", null);
    const samples = samplesOf(metricsText(status(journal)));
    const of = (name: string, labels = ""): number | undefined => samples.get(`muster_nlb_${name}{cluster="web.example.org"${labels}}`);
    assert.deepEqual([of("host_state", ',host="1",state="default"'), of("host_state", ',host="1",state="stopped"'), of("host_state", ',host="2",state="converging"')], [1, 0, 1]);
    assert.deepEqual([of("member"), of("converged"), of("convergences_total"), of("lease_open"), of("lease_length_seconds")], [1, 0, 2, 1, 0.7]);
    assert.equal(of("rule_share", `,rule="${KEY}",host="1"`)! + of("rule_share", `,rule="${KEY}",host="2"`)!, 1);
    assert.deepEqual([of("rule_healthy", `,rule="${KEY}"`), of("open_connections", `,rule="${KEY}"`), of("taken_total", `,rule="${KEY}"`)], [0, 3, 12]);
    assert.deepEqual([of("heartbeats_sent_total"), of("heartbeats_accepted_total"), of("heartbeats_refused_total", ',reason="replayed"')], [20, 19, 1]);
  });
});
