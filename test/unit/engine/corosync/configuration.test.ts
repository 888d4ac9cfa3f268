import assert from "node:assert/strict";
import { test } from "node:test";
import { corosyncConfiguration, linkPorts, readCorosyncConfiguration } from "../../../../src/engine/corosync/configuration.ts";
import type { ConfigurationInput } from "../../../../src/engine/corosync/configuration.ts";

/** The text that corosync gets; no corosync is needed here. */

const INPUT: ConfigurationInput = {
  clusterName: "Test cluster",
  clusterId: "c-1",
  nodes: [
    { id: 2, name: "two", addresses: ["10.0.0.2", "fd00::2"] },
    { id: 1, name: "one", addresses: ["10.0.0.1", "fd00::1"] },
  ],
  keyFile: "/etc/muster/corosync.key",
  stateDirectory: "/var/lib/muster/corosync",
  logFile: "/var/log/muster/corosync.log",
};

test("two links: active, pings decoupled from the token, nodes by number, no quorum", () => {
  const text = corosyncConfiguration(INPUT);
  assert.equal(
    text.slice(text.indexOf("\n") + 1),
    `# Cluster c-1
totem {
  version: 2
  cluster_name: Test cluster
  transport: knet
  link_mode: active
  crypto_model: nss
  crypto_cipher: aes256
  crypto_hash: sha256
  keyfile: /etc/muster/corosync.key
  token: 500
  token_coefficient: 0
  token_retransmits_before_loss_const: 4
  seqno_unchanged_const: 1
  interface {
    linknumber: 0
    mcastport: 5405
    knet_transport: udp
    knet_ping_interval: 200
    knet_ping_timeout: 2000
    knet_pong_count: 1
  }
  interface {
    linknumber: 1
    mcastport: 5406
    knet_transport: udp
    knet_ping_interval: 200
    knet_ping_timeout: 2000
    knet_pong_count: 1
  }
}
system {
  state_dir: /var/lib/muster/corosync
  sched_rr: yes
  move_to_root_cgroup: no
  allow_knet_handle_fallback: yes
}
logging {
  to_stderr: no
  to_syslog: no
  to_logfile: yes
  logfile: /var/log/muster/corosync.log
  timestamp: hires
  blackbox: off
}
nodelist {
  node {
    nodeid: 1
    name: one
    ring0_addr: 10.0.0.1
    ring1_addr: fd00::1
  }
  node {
    nodeid: 2
    name: two
    ring0_addr: 10.0.0.2
    ring1_addr: fd00::2
  }
}
`,
  );
});

test("one link is passive; profile, token and ports", () => {
  const nodes = INPUT.nodes.map((node) => ({ ...node, addresses: node.addresses.slice(0, 1) }));
  assert.match(corosyncConfiguration({ ...INPUT, nodes }), /link_mode: passive\n/);
  const fast = corosyncConfiguration({ ...INPUT, nodes, profile: "fast", portOffset: 100 });
  assert.match(fast, /token: 200\n/);
  assert.match(fast, /knet_ping_interval: 100\n/);
  assert.match(fast, /mcastport: 5505\n/);
  assert.deepEqual(linkPorts(2, 100), [5505, 5506]);
  assert.match(corosyncConfiguration({ ...INPUT, tokenMs: 100, profile: "fast" }), /token: 100\n\s+token_coefficient: 0\n\s+token_retransmits_before_loss_const: 2\n/);
});

test("the same input gives the same text, whatever the order of the nodes", () => {
  assert.equal(corosyncConfiguration(INPUT), corosyncConfiguration({ ...INPUT, nodes: INPUT.nodes.toReversed() }));
});

test("reading back tells who wrote it", () => {
  const text = corosyncConfiguration(INPUT);
  assert.deepEqual(readCorosyncConfiguration(text), {
    origin: "muster",
    clusterId: "c-1",
    clusterName: "Test cluster",
    tokenMs: 500,
    keyFile: INPUT.keyFile,
    stateDirectory: INPUT.stateDirectory,
    logFile: INPUT.logFile,
    ports: [5405, 5406],
    nodes: INPUT.nodes.toReversed(),
  });
  assert.equal(readCorosyncConfiguration(text.replace("token: 500", "token: 900")).origin, "edited");
  assert.equal(readCorosyncConfiguration(text.replace("token: 500", "token: 900")).tokenMs, 900);
  assert.equal(readCorosyncConfiguration(`${text}\n`).origin, "edited");
  const foreign = readCorosyncConfiguration("totem {\n version: 2\n}\nnodelist {\n node {\n  nodeid: 7\n  ring0_addr: a\n }\n}\n");
  assert.deepEqual(foreign, {
    origin: "foreign",
    clusterId: null,
    clusterName: null,
    tokenMs: null,
    keyFile: null,
    stateDirectory: null,
    logFile: null,
    ports: [5405],
    nodes: [{ id: 7, name: "", addresses: ["a"] }],
  });
  for (const torn of ["", "}", "totem {", "{\n{\n", "# Written by Muster"]) assert.equal(readCorosyncConfiguration(torn).origin, "foreign");
});

const WRONG: [string, Partial<ConfigurationInput>, string][] = [
  ["no name", { clusterName: "" }, "clusterName"],
  ["a name that opens a section", { clusterName: "a {" }, "clusterName"],
  ["a name with a line end", { clusterName: "a\nb" }, "clusterName"],
  ["an id with a slash", { clusterId: "a/b" }, "clusterId"],
  ["no nodes", { nodes: [] }, "nodes"],
  ["too many nodes", { nodes: Array.from({ length: 65 }, (_, n) => ({ id: n + 1, name: `n${n}`, addresses: [`10.0.1.${n}`] })) }, "nodes"],
  ["no address", { nodes: [{ id: 1, name: "a", addresses: [] }] }, "nodes[0].addresses"],
  ["too many links", { nodes: [{ id: 1, name: "a", addresses: Array.from({ length: 9 }, (_, n) => `10.0.0.${n}`) }] }, "nodes[0].addresses"],
  ["a node number of zero", { nodes: [{ id: 0, name: "a", addresses: ["10.0.0.1"] }] }, "nodes[0].id"],
  ["a node name with a brace", { nodes: [{ id: 1, name: "a}", addresses: ["10.0.0.1"] }] }, "nodes[0].name"],
  ["a host name", { nodes: [{ id: 1, name: "a", addresses: ["host"] }] }, "nodes[0].addresses[0]"],
  ["the same number twice", { nodes: [{ id: 1, name: "a", addresses: ["10.0.0.1"] }, { id: 1, name: "b", addresses: ["10.0.0.2"] }] }, "nodes[1].id"],
  ["the same name twice", { nodes: [{ id: 1, name: "a", addresses: ["10.0.0.1"] }, { id: 2, name: "a", addresses: ["10.0.0.2"] }] }, "nodes[1].name"],
  ["the same address twice", { nodes: [{ id: 1, name: "a", addresses: ["fd00::1"] }, { id: 2, name: "b", addresses: ["FD00:0::1"] }] }, "nodes[1].addresses[0]"],
  ["a node with fewer links", { nodes: [{ id: 1, name: "a", addresses: ["10.0.0.1", "10.1.0.1"] }, { id: 2, name: "b", addresses: ["10.0.0.2"] }] }, "nodes[1].addresses"],
  ["a link of two kinds", { nodes: [{ id: 1, name: "a", addresses: ["10.0.0.1"] }, { id: 2, name: "b", addresses: ["fd00::2"] }] }, "nodes[1].addresses[0]"],
  ["an unknown profile", { profile: "slow" as "fast" }, "profile"],
  ["an inherited name as profile", { profile: "toString" as "fast" }, "profile"],
  ["a token that is too short", { tokenMs: 99 }, "tokenMs"],
  ["a token that is no number", { tokenMs: Number.NaN }, "tokenMs"],
  ["a port beyond the last", { portOffset: 60_124 }, "portOffset"],
  ["a relative path", { keyFile: "key" }, "keyFile"],
  ["a path with a line end", { logFile: "/var/log/a\nb" }, "logFile"],
  ["a path with a brace", { stateDirectory: "/var/{" }, "stateDirectory"],
];
for (const [what, change, field] of WRONG) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => corosyncConfiguration({ ...INPUT, ...change }),
      (error: { code?: string; details?: { field?: string } }) => error.code === "MUSTER_INVALID_ARGUMENT" && error.details?.field === field,
    );
  });
}
