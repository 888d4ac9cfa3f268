import { Type } from "@fastify/type-provider-typebox";
import { describeCluster, describeHeartbeat, describeResourceTypes } from "../../core/index.ts";
import { HEARTBEAT_PROPERTIES, TOKEN_MS_MAX, TOKEN_MS_MIN } from "../../model/heartbeat.ts";
import type { PropertyBag } from "../../model/objects.ts";
import type { HeartbeatView } from "../../model/heartbeat.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { version } from "../../model/version.ts";
import { ChangeQuerySchema, ClusterAnswerSchema, DoneSchema, PlanSchema, ReadQuerySchema, ResourceTypeSchema, SetClusterSchema, WhatIfSchema } from "../schemas.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";
import type { Done } from "./answers.ts";

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
      heartbeat: mutable(heartbeatOf(facade)),
      answeredBy: { node: facade.nodeName, phase: status.phase, reason: status.phase === "active" ? null : status.reason, version },
    };
  });

  server.patch("/cluster", { schema: { summary: "Set properties or the name of the cluster", querystring: ChangeQuerySchema, body: SetClusterSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    withHeartbeat(facade, request.body.properties ?? {}, change(facade, { verb: "cluster.set", ...request.body }, request.query)),
  );

  server.get("/resource-types", { schema: { summary: "Resource types and their properties", response: { 200: Type.Array(ResourceTypeSchema), ...failures } } }, async () => mutable(describeResourceTypes(facade.state())));

  server.post("/what-if", { schema: { summary: "What would happen", body: WhatIfSchema, response: { 200: PlanSchema, ...failures } } }, async (request) => mutable(facade.whatIf(request.body.steps)));
}

function heartbeatOf(facade: ServiceFacade, changes: PropertyBag = {}): HeartbeatView | null {
  return describeHeartbeat(facade.state(), facade.configuration.host?.tokenMs ?? null, changes);
}

/** Who changes how soon silent nodes are missed is told what comes of it, also before. */
async function withHeartbeat(facade: ServiceFacade, properties: PropertyBag, answer: Promise<Done>): Promise<Done> {
  const done = await answer;
  const heartbeat = HEARTBEAT_PROPERTIES.some((name) => name in properties) ? heartbeatOf(facade, properties) : null;
  if (heartbeat === null) return done;
  const text = heartbeatText(heartbeat);
  const { plan } = done;
  return { ...done, note: plan === null ? `${done.note ?? "The cluster was changed."} ${text}` : null, plan: plan === null ? null : { ...plan, notes: [...plan.notes, text], heartbeat } };
}

function heartbeatText({ tokenMs, detectionMs, boundedFromMs, inForce }: HeartbeatView): string {
  const bounded = boundedFromMs === null ? "" : ` The properties ask for a token of ${boundedFromMs} ms; it is possible from ${TOKEN_MS_MIN} to ${TOKEN_MS_MAX} ms.`;
  return `A silent node is missed after at most ${detectionMs} ms (token ${tokenMs} ms${tokenMs === inForce.tokenMs ? "" : `; so far ${inForce.tokenMs} ms`}).${bounded}`;
}
