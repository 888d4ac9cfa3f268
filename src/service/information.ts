import type { Engine } from "../engine/contract.ts";
import type { Member, NodeId } from "../model/identifiers.ts";
import { version } from "../model/version.ts";
import { monotonicMs } from "../monitor/clock.ts";
import type { MonitorHost } from "../monitor/contract.ts";
import type { EngineSource } from "./engines.ts";
import type { LinkView, NodeInformation } from "./facade.ts";
import type { ClusterNode } from "./node.ts";

/** Facts of one node that are not part of the replicated state, and how another node is asked for them. */

const TIMEOUT_MS = 1_000;

export function informationOf(nodeName: string, { node: { replica, permitUntilMs }, monitor }: { readonly node: ClusterNode; readonly monitor: MonitorHost }): NodeInformation {
  return {
    node: nodeName,
    version,
    processId: process.pid,
    monitorProcessIds: monitor.processIds(),
    tag: replica.tag,
    committed: replica.committed,
    isOrderer: replica.isOrderer,
    permitLeftMs: Math.max(0, Math.round(permitUntilMs - monotonicMs())),
    memoryBytes: process.memoryUsage.rss(),
  };
}

/** null when it does not answer. */
export async function askInformation(engine: Engine, member: Member): Promise<NodeInformation | null> {
  try {
    const reply = await engine.fetch(member, Buffer.from(JSON.stringify({ what: "information" })), TIMEOUT_MS);
    return JSON.parse(Buffer.from(reply).toString()) as NodeInformation;
  } catch {
    return null;
  }
}

/** null = the engine has no links. */
export function linksOf(engines: Pick<EngineSource, "links">, nameOf: (id: NodeId) => string): readonly LinkView[] | null {
  return engines.links?.().map(({ node, link, isConnected }) => ({ peer: nameOf(node), link, isConnected })) ?? null;
}
