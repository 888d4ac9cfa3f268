import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { apiOf, formCluster, socketOf, viewOf } from "../failover/muster.ts";
import { join } from "node:path";
import { succeed } from "../support/run.ts";
import { until } from "../support/wait.ts";

/** What is compared: two stores of three members each, on hosts of a lab, with their files on the same disk. */

export interface Store {
  readonly name: string;
  readonly setup: string;
  /** Makes it. @returns where its writers run and what they speak to */
  start(lab: Lab): Promise<{ readonly host: LabHost; readonly kind: "muster" | "etcd"; readonly where: string }>;
}

const LIMIT_MS = 90_000;
const TOOL_LIMIT_MS = 15_000;
const CLIENT_PORT = 2_379;
const PEER_PORT = 2_380;

export const MUSTER_STORE: Store = {
  name: "muster",
  setup: "Muster, profile standard, three nodes on corosync; writers on the orderer's host, over its Unix socket",
  async start(lab) {
    await formCluster(lab, "standard");
    let orderer: string | null = null;
    await until("there is an orderer", LIMIT_MS, async () => {
      orderer = (await viewOf(lab, "n1"))?.orderer ?? null;
      return orderer !== null;
    });
    // The keys of all writers lie below this one.
    await apiOf(lab, orderer!).send("POST", "/v1/database/batch", { body: { operations: [{ operation: "set", key: "bench/0", value: { type: "number", value: 0 } }] } });
    return { host: lab.host(orderer!), kind: "muster", where: socketOf(lab, orderer!) };
  },
};

export const ETCD_STORE: Store = {
  name: "etcd",
  setup: "etcd as Debian has it, three members with its defaults; writers on the leader's host, over loopback, gRPC without TLS",
  async start(lab) {
    const peers = lab.hosts.map((host) => `${host.name}=http://${addressOf(host)}:${PEER_PORT}`).join(",");
    for (const host of lab.hosts) host.spawn(["etcd", ...memberWords(host, peers)], { detached: true, stdio: "ignore" }).unref();
    let leader: LabHost | null = null;
    await until("etcd has a leader", LIMIT_MS, async () => {
      leader = (await Promise.all(lab.hosts.map(async (host) => ((await isLeader(host)) ? host : null)))).find((host) => host !== null) ?? null;
      return leader !== null;
    }, 200);
    return { host: leader!, kind: "etcd", where: `127.0.0.1:${CLIENT_PORT}` };
  },
};

function addressOf(host: LabHost): string {
  return host.addresses[0]!.ipv4;
}

function memberWords(host: LabHost, peers: string): readonly string[] {
  return [
    "--name", host.name,
    // Beside the state of Muster: the same disk.
    "--data-dir", "/var/lib/muster/etcd",
    "--listen-client-urls", `http://127.0.0.1:${CLIENT_PORT}`,
    "--advertise-client-urls", `http://127.0.0.1:${CLIENT_PORT}`,
    "--listen-peer-urls", `http://${addressOf(host)}:${PEER_PORT}`,
    "--initial-advertise-peer-urls", `http://${addressOf(host)}:${PEER_PORT}`,
    "--initial-cluster", peers,
    "--initial-cluster-state", "new",
    "--log-level", "error",
  ];
}

async function isLeader(host: LabHost): Promise<boolean> {
  try {
    const text = await succeed(host, ["env", "ETCDCTL_API=3", "etcdctl", "--endpoints", `127.0.0.1:${CLIENT_PORT}`, "endpoint", "status", "--write-out", "json"], TOOL_LIMIT_MS);
    const [{ Status }] = JSON.parse(text) as [{ readonly Status: { readonly header: { readonly member_id: number }; readonly leader: number } }];
    return Status.leader !== 0 && Status.leader === Status.header.member_id;
  } catch {
    // It does not answer yet.
    return false;
  }
}

/** Where the hosts' files are, for the baseline. */
export function stateFile(lab: Lab): string {
  return join(lab.hosts[0]!.stateDirectory, "sync-times");
}
