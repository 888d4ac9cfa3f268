import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clusterMetricsText } from "../../../src/api/metrics.ts";
import type { ClusterFigures } from "../../../src/api/metrics.ts";
import { createApi } from "../../../src/api/server.ts";
import type { LeaseView } from "../../../src/model/views.ts";
import { samplesOf } from "./exposition.ts";
import { FacadeOfCore } from "./facade.ts";

const TOKEN = "a-token";
const OWN = '{cluster="shop",node="n1"}';

const LEASE: LeaseView = {
  node: "n1", tokenMs: 500, waitingTokenMs: 500, leaseMs: 800, tickMs: 50, granularityMs: 4, holdMs: 900, permitMs: 1_000, permitHoldMs: 1_100, detectionMs: 1_000,
  gate: { open: true, leftMs: 700, owned: [], clustered: [], droppedPackets: 4 },
  margin: { minimumMs: 512, medianMs: 740, renewals: 256 },
  evidenceAgeMs: 30, epoch: 7, confirmed: 1_234, reopened: 1, repairs: 2,
  realTime: { priority: 10, problems: [] }, holds: [],
};

function figures(change: Partial<ClusterFigures> = {}): ClusterFigures {
  return { cluster: "shop", node: "n1", version: "1.2.3", status: { phase: "active", epoch: 7, members: ["n1", "n2"], orderer: "n1" }, isLeased: true, lease: LEASE, links: [{ peer: "n2", link: 0, isConnected: true }, { peer: "n2", link: 1, isConnected: false }], view: null, ...change };
}

describe("metrics of the cluster", () => {
  test("the lease, its margin in seconds, the gate, the view and the links", () => {
    const samples = samplesOf(clusterMetricsText(figures()));
    const own = (name: string): number | undefined => samples.get(name + OWN);
    assert.deepEqual([own("muster_lease_open"), own("muster_lease_length_seconds"), own("muster_lease_margin_minimum_seconds"), own("muster_lease_margin_median_seconds"), own("muster_lease_evidence_age_seconds")], [1, 0.8, 0.512, 0.74, 0.03]);
    assert.deepEqual([own("muster_lease_renewals_total"), own("muster_lease_reopened_total"), own("muster_gate_repairs_total"), own("muster_gate_dropped_packets_total")], [1_234, 1, 2, 4]);
    assert.deepEqual([own("muster_view_active"), own("muster_view_epoch"), own("muster_view_members")], [1, 7, 2]);
    assert.equal(samples.get('muster_engine_link_up{cluster="shop",node="n1",peer="n2",link="0"}'), 1);
    assert.equal(samples.get('muster_engine_link_up{cluster="shop",node="n1",peer="n2",link="1"}'), 0);
    assert.equal(samples.get('muster_node_info{cluster="shop",node="n1",version="1.2.3"}'), 1);
  });

  test("a node that has no lease at the moment says that it is closed; one that needs none says nothing of it", () => {
    const closed = samplesOf(clusterMetricsText(figures({ lease: null, status: { phase: "waiting", reason: "n2 is not there" } })));
    assert.deepEqual([closed.get(`muster_lease_open${OWN}`), closed.get(`muster_view_active${OWN}`)], [0, 0]);
    assert.deepEqual([closed.has(`muster_lease_margin_minimum_seconds${OWN}`), closed.has(`muster_view_epoch${OWN}`)], [false, false]);
    assert.equal(samplesOf(clusterMetricsText(figures({ lease: { ...LEASE, gate: { ...LEASE.gate!, open: false }, margin: null } }))).get(`muster_lease_open${OWN}`), 0);
    assert.doesNotMatch(clusterMetricsText(figures({ isLeased: false, lease: null, links: null })), /lease|gate|link/);
  });

  test("names of all kinds stay whole", () => {
    assert.match(clusterMetricsText(figures({ cluster: 'a "b" \\ c\nd' })), /cluster="a \\"b\\" \\\\ c\\nd"/);
  });

  test("over the API: roles, resources, nodes and votes by state, and nothing of a property", async (context) => {
    const facade = new FacadeOfCore();
    const api = await createApi(facade, { token: TOKEN });
    context.after(() => api.close());
    const headers = { authorization: `Bearer ${TOKEN}` };
    await facade.command({ verb: "group.create", name: "web" });
    await facade.command({ verb: "resource.create", name: "program", group: "web", type: "Generic Application", privateProperties: { CommandLine: "serve --password hush" } });
    await facade.command({ verb: "group.create", name: "idle" });
    await facade.command({ verb: "group.online", group: "web" });
    const get = () => api.inject({ method: "GET", url: "/metrics", headers });
    const answer = await get();
    assert.equal(answer.statusCode, 200);
    assert.match(String(answer.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
    assert.doesNotMatch(answer.body, /hush|a-token/);
    const samples = samplesOf(answer.body);
    const own = (name: string, state?: string): number | undefined => samples.get(`${name}{cluster="test",node="n1"${state === undefined ? "" : `,state="${state}"`}}`);
    assert.deepEqual([own("muster_groups", "Online"), own("muster_groups", "Offline"), own("muster_groups", "Failed")], [1, 1, 0]);
    assert.deepEqual([own("muster_resources", "Online"), own("muster_resources", "Failed"), own("muster_nodes", "Up"), own("muster_nodes", "Down")], [1, 0, 3, 0]);
    assert.deepEqual([samples.get('muster_group_online{cluster="test",group="web"}'), samples.get('muster_group_online{cluster="test",group="idle"}'), samples.get('muster_node_up{cluster="test",member="n3"}')], [1, 0, 1]);
    assert.notEqual(own("muster_quorum_votes_needed"), undefined);
    assert.notEqual(own("muster_quorum_votes_held"), undefined);

    // What it knew last is no answer to how the cluster is.
    facade.status = { phase: "waiting", reason: "the others are not there" };
    const waiting = samplesOf((await get()).body);
    assert.equal(waiting.get('muster_view_active{cluster="test",node="n1"}'), 0);
    assert.deepEqual([...waiting.keys()].filter((name) => /^muster_(groups|resources|nodes|quorum|node_up)/.test(name)), []);
    facade.status = { phase: "left", reason: "between two lives" };
    assert.equal((await get()).statusCode, 200);
  });

  test("who may not read the cluster may not read its figures", async (context) => {
    const api = await createApi(new FacadeOfCore(), { token: TOKEN });
    context.after(() => api.close());
    assert.equal((await api.inject({ method: "GET", url: "/metrics" })).statusCode, 401);
    assert.equal((await api.inject({ method: "GET", url: "/metrics", headers: { authorization: "Bearer other" } })).statusCode, 401);
  });
});
