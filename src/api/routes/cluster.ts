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
    const view = mutable(describeCluster(facade.state()));
    view.problems = [...facade.problems(), ...view.problems];
    if (status.phase !== "active") {
      // What this node knows may be out of date: who looks must not take it for the truth.
      view.state = "Waiting";
      view.problems = [`${facade.nodeName} is in no active view (${status.phase}): ${status.reason}. What it shows is the last it knew.`, ...view.problems];
    }
    return {
      ...view,
      answeredBy: { node: facade.nodeName, phase: status.phase, reason: status.phase === "active" ? null : status.reason, version },
    };
  });

  server.patch("/cluster", { schema: { summary: "Set properties or the name of the cluster", querystring: ChangeQuerySchema, body: SetClusterSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "cluster.set", ...request.body }, request.query),
  );

  server.get("/resource-types", { schema: { summary: "Resource types and their properties", response: { 200: Type.Array(ResourceTypeSchema), ...failures } } }, async () => mutable(describeResourceTypes(facade.state())));

  server.post("/what-if", { schema: { summary: "What would happen", body: WhatIfSchema, response: { 200: PlanSchema, ...failures } } }, async (request) => mutable(facade.whatIf(request.body.steps)));
}
