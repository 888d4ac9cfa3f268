import { Type } from "@fastify/type-provider-typebox";
import { describeGroupSet, describeGroupSets } from "../../core/index.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { ChangeQuerySchema, DoneSchema, NameSchema, ReadQuerySchema } from "../schemas.ts";
import { CreateGroupSetSchema, GroupSetSchema, SetGroupSetSchema } from "../schemas/group-sets.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";

const Params = Type.Object({ set: NameSchema });

export function groupSetRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/groupsets", { schema: { summary: "All group sets: what starts after what", querystring: ReadQuerySchema, response: { 200: Type.Array(GroupSetSchema), ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeGroupSets(facade.state()));
  });

  server.post("/groupsets", { schema: { summary: "Create a group set", querystring: ChangeQuerySchema, body: CreateGroupSetSchema, response: { 200: DoneSchema, ...failures } } }, (request) => change(facade, { verb: "groupset.create", ...request.body }, request.query));

  server.get("/groupsets/:set", { schema: { summary: "One group set", params: Params, querystring: ReadQuerySchema, response: { 200: GroupSetSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeGroupSet(facade.state(), request.params.set));
  });

  server.patch("/groupsets/:set", { schema: { summary: "Set its groups, what it starts after, properties or the name", params: Params, querystring: ChangeQuerySchema, body: SetGroupSetSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "groupset.set", set: request.params.set, ...request.body }, request.query),
  );

  server.delete("/groupsets/:set", { schema: { summary: "Delete a group set; its groups stay", params: Params, querystring: ChangeQuerySchema, response: { 200: DoneSchema, ...failures } } }, (request) => change(facade, { verb: "groupset.delete", set: request.params.set }, request.query));
}
