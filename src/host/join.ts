import { ApiClient } from "../api/client.ts";
import { MusterError } from "../model/errors.ts";
import { PROTOCOL_VERSION } from "../model/version.ts";
import { fingerprint } from "../security/certificates.ts";
import { parseJoinToken } from "../security/join-token.ts";
import type { JoinToken } from "../security/join-token.ts";
import type { ClusterConfiguration } from "../service/cluster-files.ts";
import type { JoinAnswer, JoinRequest } from "../service/joining.ts";
import { refuseMember, writeMembership } from "./create.ts";
import { forgetJoinRequest, joinRequestOf } from "./join-attempt.ts";
import { checkNodeName } from "./settings.ts";

export interface JoinOptions {
  readonly directory: string;
  readonly token: string;
  readonly node: string;
  /** Of this machine, one in each of the cluster's links. */
  readonly addresses: readonly string[];
  readonly onNotice: (text: string) => void;
}

const ASK_LIMIT_MS = 60_000;
/** After these the cluster may have this machine for a node. */
const MAY_BE_DONE: readonly string[] = ["MUSTER_TIMEOUT", "MUSTER_NOT_REACHABLE", "MUSTER_NO_QUORUM", "MUSTER_INTERNAL"];
/** The first address that takes a connection is asked; one that does not answer shall not take all the time. */
const PROBE_LIMIT_MS = 5_000;

/**
 * Makes this machine a node of the cluster that made the token: its nodes are asked one after the other until one
 * answers. Its key never leaves it. When the answer is lost the same token may be tried again.
 * @throws MusterError of the cluster, or of this machine; what was refused leaves nothing behind
 */
export async function joinCluster(options: JoinOptions): Promise<ClusterConfiguration> {
  const { directory, node, addresses } = options;
  const { token, client } = await ready(options);
  const { key, request } = await joinRequestOf(directory, token.id, node);
  const body: JoinRequest = { id: token.id, secret: token.secret, node, addresses, request, protocolVersion: PROTOCOL_VERSION, wallTimeMs: Date.now() };
  const answer = await client.send<JoinAnswer>("POST", "/v1/join", { body, timeoutMs: ASK_LIMIT_MS }).catch((error: unknown) => {
    if (!MAY_BE_DONE.includes(MusterError.from(error).code)) forgetJoinRequest(directory);
    throw error;
  });
  // Whoever answered held the key of the certificate; the authority it names must be the token's too.
  if (fingerprint(answer.authority) !== token.authority) throw new MusterError("MUSTER_OTHER_CLUSTER", { address: client.address, cluster: token.clusterName });
  const configuration: ClusterConfiguration = { format: 1, clusterId: answer.clusterId, clusterName: answer.clusterName, nodes: answer.founders, host: answer.host };
  writeMembership(directory, configuration, {
    members: answer.members,
    key: answer.key,
    token: answer.token,
    engineKey: Buffer.from(answer.engineKey, "base64"),
    authority: answer.authority,
    authorityKey: answer.authorityKey,
    certificate: answer.certificate,
    certificateKey: key,
    initialStore: null,
  });
  forgetJoinRequest(directory);
  return configuration;
}

/**
 * Everything about joining but the joining: the token is not used, and nothing is written.
 * @returns the cluster, and which of its addresses answers @throws MusterError of this machine, MUSTER_OTHER_CLUSTER, MUSTER_NOT_REACHABLE
 */
export async function tryJoin(options: JoinOptions): Promise<{ readonly cluster: string; readonly address: string }> {
  const { token, client } = await ready(options);
  return { cluster: token.clusterName, address: client.address };
}

async function ready({ directory, node, token: text, onNotice }: JoinOptions): Promise<{ readonly token: JoinToken; readonly client: ApiClient }> {
  checkNodeName(node);
  refuseMember(directory);
  const token = parseJoinToken(text);
  return { token, client: await findCluster(token, onNotice) };
}

/** @throws MusterError MUSTER_OTHER_CLUSTER, or MUSTER_NOT_REACHABLE naming all addresses */
async function findCluster(token: JoinToken, notice: (text: string) => void): Promise<ApiClient> {
  const problems: string[] = [];
  for (const address of token.addresses) {
    const client = new ApiClient({ url: `https://${address}`, token: null, trust: { fingerprint: token.authority } });
    try {
      await client.get("/v1/ready", { timeoutMs: PROBE_LIMIT_MS });
      return client;
    } catch (error) {
      const known = MusterError.from(error);
      if (known.code === "MUSTER_OTHER_CLUSTER") throw new MusterError("MUSTER_OTHER_CLUSTER", { address, cluster: token.clusterName }, { cause: error });
      // It answers, and is the right one: that it is not ready may pass.
      notice(`${address}: ${known.message}`);
      problems.push(`${address}: ${known.message}`);
    }
  }
  throw new MusterError("MUSTER_NOT_REACHABLE", { address: token.addresses.join(", "), problem: problems.at(-1) ?? "no answer" });
}
