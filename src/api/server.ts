import type { ServiceFacade } from "../service/facade.ts";
import { createHttpServer } from "./http-server.ts";
import type { ApiServer } from "./http-server.ts";
import { clusterRoutes } from "./routes/cluster.ts";
import { databaseRoutes } from "./routes/database.ts";
import { eventRoutes } from "./routes/events.ts";
import { groupRoutes } from "./routes/groups.ts";
import { historyRoutes } from "./routes/history.ts";
import { groupSetRoutes } from "./routes/group-sets.ts";
import { JOIN_PATH, joiningRoutes, READY_PATH } from "./routes/joining.ts";
import { leaseRoutes } from "./routes/lease.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { networkRoutes } from "./routes/networks.ts";
import { quorumRoutes } from "./routes/quorum.ts";
import { nodeRoutes } from "./routes/nodes.ts";
import { placementRoutes } from "./routes/placement.ts";
import { resourceRoutes } from "./routes/resources.ts";

export type { ApiServer } from "./http-server.ts";

/** Where the answering node stands: what any other phase than "active" shows is the last it knew. */
const PHASE_HEADER = "muster-phase";

export interface ApiOptions {
  /** What a caller over TCP must show; a Unix socket is protected by its file's mode. */
  readonly token: string;
}

/**
 * The Failover Cluster API of one node: HTTP and JSON, the same on the Unix socket and over
 * TCP. Every node answers for the whole cluster. The description is at /openapi.json.
 */
export async function createApi(facade: ServiceFacade, options: ApiOptions): Promise<ApiServer> {
  const server = await createHttpServer({
    token: options.token,
    isOpen: (url) => url === JOIN_PATH || url === READY_PATH,
    title: "Muster Failover Cluster API",
    description: "Every node answers for the whole cluster.",
  });
  // Every answer says whether the node that gives it is in an active view.
  server.addHook("onSend", async (_request, reply) => {
    void reply.header(PHASE_HEADER, facade.status.phase);
  });
  await server.register(async (routes) => {
    clusterRoutes(routes as ApiServer, facade);
    nodeRoutes(routes as ApiServer, facade);
    groupSetRoutes(routes as ApiServer, facade);
    networkRoutes(routes as ApiServer, facade);
    quorumRoutes(routes as ApiServer, facade);
    historyRoutes(routes as ApiServer, facade);
    groupRoutes(routes as ApiServer, facade);
    resourceRoutes(routes as ApiServer, facade);
    placementRoutes(routes as ApiServer, facade);
    databaseRoutes(routes as ApiServer, facade);
    eventRoutes(routes as ApiServer, facade);
    joiningRoutes(routes as ApiServer, facade);
    leaseRoutes(routes as ApiServer, facade);
  }, { prefix: "/v1" });
  metricsRoutes(server, facade);
  return server;
}
