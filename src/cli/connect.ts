import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ApiClient } from "../api/client.ts";
import type { Endpoint, Trust } from "../api/client.ts";
import { knownAuthority, ownDirectory, ownToken } from "../host/credentials.ts";
import { runningClusters } from "../launcher/runtime-directory.ts";
import { MusterError } from "../model/errors.ts";
import type { ClusterView } from "../model/views.ts";
import { talk } from "./output.ts";

/** How a command finds the cluster it speaks to. */
export interface ConnectOptions {
  readonly connect?: string;
  readonly directory?: string;
  readonly cluster?: string;
}

const PROBE_TIMEOUT_MS = 3_000;
const OWN_WORDS_TIMEOUT_MS = 500;

type Answered = ClusterView & { readonly answeredBy: { readonly node: string; readonly phase: string; readonly reason: string | null } };

/**
 * A client of a node that answers. Any node will do: they are all asked, and the first that
 * is in an active view is taken; so a node that hangs does not keep the others from answering.
 */
export async function connect(options: ConnectOptions): Promise<ApiClient> {
  const endpoints = findEndpoints(options);
  const [first] = endpoints;
  if (first === undefined) throw new MusterError("MUSTER_NOT_REACHABLE", { address: options.directory ?? "this machine", problem: "no cluster runs" });
  const clients = endpoints.map((endpoint) => new ApiClient(endpoint));
  const probes = clients.map(async (client) => ({ client, view: await client.get<Answered>("/v1/cluster", { timeoutMs: PROBE_TIMEOUT_MS }) }));
  const active = probes.map(async (probe) => {
    const answered = await probe;
    if (answered.view.answeredBy.phase !== "active") throw new Error("not active");
    return answered.client;
  });
  return Promise.any(active).catch(async () => {
    const answered = await Promise.allSettled(probes);
    const some = answered.find((result) => result.status === "fulfilled");
    // Nobody can say how the cluster is: let the first say why.
    if (some === undefined) return clients[0]!;
    const { node, phase, reason } = some.value.view.answeredBy;
    talk(`No view is active (${node} is ${phase}: ${reason ?? "no reason given"}). What it shows is the last it knew.`);
    return some.value.client;
  });
}

/** Why a node is not in the active view, in its own words: the others only know that it is gone. null when it does not say. */
export async function askNodeItself(options: ConnectOptions, node: string): Promise<string | null> {
  const endpoint = findEndpoints(options).find((candidate) => "socket" in candidate && candidate.socket.endsWith(join("/", "nodes", node, "api.sock")));
  if (endpoint === undefined) return null;
  try {
    const { answeredBy } = await new ApiClient(endpoint).get<Answered>("/v1/cluster", { timeoutMs: OWN_WORDS_TIMEOUT_MS });
    return answeredBy.phase === "active" ? null : answeredBy.reason;
  } catch (error) {
    return error instanceof MusterError && error.code === "MUSTER_NO_QUORUM" ? String(error.details["reason"]) : null;
  }
}

function findEndpoints(options: ConnectOptions): Endpoint[] {
  const address = options.connect ?? process.env["MUSTER_CONNECT"];
  if (address !== undefined) return [parseAddress(address)];
  if (options.directory !== undefined) return socketsIn(options.directory);
  const running = runningClusters();
  if (options.cluster !== undefined) {
    const named = running.find((cluster) => cluster.name === options.cluster);
    if (named === undefined) throw new MusterError("MUSTER_NOT_REACHABLE", { address: `cluster '${options.cluster}'`, problem: "no such cluster runs on this machine" });
    return socketsIn(named.directory);
  }
  if (running.length > 1) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--cluster", problem: `several clusters run here (${running.map((cluster) => cluster.name).join(", ")})` });
  return running.length === 0 ? socketsIn(ownDirectory()) : socketsIn(running[0]!.directory);
}

/** @throws MusterError for what is none of unix:PATH, https://HOST:PORT and http://HOST:PORT */
function parseAddress(address: string): Endpoint {
  if (address.startsWith("unix:")) return { socket: address.slice("unix:".length) };
  if (address.startsWith("/")) return { socket: address };
  if (address.startsWith("https://") && URL.canParse(address)) return { url: address, token: tokenFor(address) ?? ownToken(), ...trust() };
  if (address.startsWith("http://") && URL.canParse(address)) return { url: address, token: tokenFor(address) };
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--connect", problem: `${address} is none of https://HOST:PORT, unix:PATH and http://HOST:PORT` });
}

/** Whom to believe; without an authority of its own, those the system trusts. */
function trust(): { readonly trust?: Trust } {
  const authority = knownAuthority();
  return authority === null ? {} : { trust: { authority } };
}

/** From the environment, or from the cluster on this machine that serves the address. */
function tokenFor(url: string): string | null {
  const given = process.env["MUSTER_TOKEN"];
  if (given !== undefined) return given.trim();
  for (const { directory } of runningClusters()) {
    for (const node of nodesIn(directory)) {
      const endpoint = readJson(join(directory, "nodes", node, "endpoint.json")) as { readonly url?: string } | null;
      if (endpoint?.url !== undefined && endpoint.url !== null && new URL(endpoint.url).host === new URL(url).host) return readFileSync(join(directory, "token"), "utf8").trim();
    }
  }
  return null;
}

function socketsIn(directory: string): Endpoint[] {
  return nodesIn(directory)
    .map((node) => ({ socket: join(directory, "nodes", node, "api.sock") }))
    .filter(({ socket }) => existsSync(socket));
}

function nodesIn(directory: string): string[] {
  const nodes = join(directory, "nodes");
  return existsSync(nodes) ? readdirSync(nodes).sort() : [];
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}
