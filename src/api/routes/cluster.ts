import { Type } from "@fastify/type-provider-typebox";
import { describeCluster, describeResourceTypes } from "../../core/index.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { version } from "../../model/version.ts";
import { ChangeQuerySchema, ClusterAnswerSchema, DoneSchema, PlanSchema, ReadQuerySchema, ResourceTypeSchema, SetClusterSchema, WhatIfSchema } from "../schemas.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";

export function clusterRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/cluster", { schema: { summary: "The cluster, and what is not healthy", querystring: ReadQuerySchema, response: { 200: ClusterAnswerSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    const { status } = facade;
    return {
      ...mutable(describeCluster(facade.state())),
      answeredBy: { node: facade.nodeName, phase: status.phase, reason: status.phase === "active" ? null : status.reason, version },
    };
  });

  server.patch("/cluster", { schema: { summary: "Set properties of the cluster", querystring: ChangeQuerySchema, body: SetClusterSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "cluster.set", properties: request.body.properties }, request.query),
  );

  server.get("/resource-types", { schema: { summary: "Resource types and their properties", response: { 200: Type.Array(ResourceTypeSchema), ...failures } } }, async () => mutable(describeResourceTypes(facade.state())));

  server.post("/what-if", { schema: { summary: "What would happen", body: WhatIfSchema, response: { 200: PlanSchema, ...failures } } }, async (request) => mutable(facade.whatIf(request.body.steps)));
}
