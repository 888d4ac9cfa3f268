import { Type } from "@fastify/type-provider-typebox";
import { describeGroups, describeNodes, describeQuorum, describeResources } from "../../core/index.ts";
import { MusterError } from "../../model/errors.ts";
import { version } from "../../model/version.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { clusterMetricsText } from "../metrics.ts";
import { METRICS_CONTENT_TYPE } from "../prometheus.ts";
import type { ApiServer } from "../server.ts";
import { failures } from "./answers.ts";

export function metricsRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/metrics", { schema: { summary: "For Prometheus: the cluster as the node that answers sees it", response: { 200: { ...Type.String(), description: "Text." }, ...failures } } }, async (_request, reply) => {
    const { configuration, nodeName } = facade;
    const isLeased = configuration.host !== undefined;
    // A node between two lives has no lease and no state; that it has none is what is to be seen.
    const lease = isLeased ? await facade.lease().catch(() => null) : null;
    const { status } = facade;
    const text = clusterMetricsText({ cluster: configuration.clusterName, node: nodeName, version, status, isLeased, lease, links: facade.links(), view: status.phase === "active" ? viewOf(facade) : null });
    return reply.type(METRICS_CONTENT_TYPE).send(text);
  });
}

function viewOf(facade: ServiceFacade): Parameters<typeof clusterMetricsText>[0]["view"] {
  try {
    const state = facade.state();
    return { nodes: describeNodes(state), groups: describeGroups(state), resources: describeResources(state), quorum: describeQuorum(state) };
  } catch (error) {
    if (MusterError.from(error).code === "MUSTER_NO_QUORUM") return null;
    throw error;
  }
}
