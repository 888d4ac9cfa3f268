import { Type } from "@fastify/type-provider-typebox";
import { describeResource, describeResources, explainResource } from "../../core/index.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { ChangeQuerySchema, CreateResourceSchema, DependSchema, DoneSchema, MoveResourceSchema, NameSchema, ReadQuerySchema, ResourceExplanationSchema, ResourceSchema, SetResourceSchema } from "../schemas.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";

const Params = Type.Object({ resource: NameSchema });

export function resourceRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/resources", { schema: { summary: "All resources", querystring: ReadQuerySchema, response: { 200: Type.Array(ResourceSchema), ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeResources(facade.state()));
  });

  server.post("/resources", { schema: { summary: "Create a resource in a group", querystring: ChangeQuerySchema, body: CreateResourceSchema, response: { 200: DoneSchema, ...failures } } }, (request) => change(facade, { verb: "resource.create", ...request.body }, request.query));

  server.get("/resources/:resource", { schema: { summary: "One resource", params: Params, querystring: ReadQuerySchema, response: { 200: ResourceSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeResource(facade.state(), request.params.resource));
  });

  server.get("/resources/:resource/why", { schema: { summary: "Why it is as it is, and what would change it", params: Params, querystring: ReadQuerySchema, response: { 200: ResourceExplanationSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(explainResource(facade.state(), request.params.resource));
  });

  server.patch("/resources/:resource", { schema: { summary: "Set properties, possible owners or the name", params: Params, querystring: ChangeQuerySchema, body: SetResourceSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "resource.set", resource: request.params.resource, ...request.body }, request.query),
  );

  server.put("/resources/:resource/dependency", { schema: { summary: "Replace what it depends on", params: Params, querystring: ChangeQuerySchema, body: DependSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "resource.depend", resource: request.params.resource, dependency: request.body.dependency }, request.query),
  );

  server.delete("/resources/:resource", { schema: { summary: "Delete a resource", params: Params, querystring: ChangeQuerySchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "resource.delete", resource: request.params.resource, force: request.query.force === "true" }, request.query),
  );

  server.post("/resources/:resource/move", { schema: { summary: "Take it to another group, with all it is connected with by dependencies", params: Params, querystring: ChangeQuerySchema, body: MoveResourceSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "resource.move", resource: request.params.resource, group: request.body.group }, request.query),
  );

  for (const verb of ["online", "offline", "fail"] as const) {
    const summary = { online: "Bring online, with what it depends on", offline: "Take offline, with what depends on it", fail: "Simulate a failure; it counts like a real one" }[verb];
    server.post(`/resources/:resource/${verb}`, { schema: { summary, params: Params, querystring: ChangeQuerySchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
      change(facade, { verb: `resource.${verb}`, resource: request.params.resource }, request.query),
    );
  }
}
