import { Type } from "@fastify/type-provider-typebox";
import { describeGroup, describeGroups, describeResource, explainGroup } from "../../core/index.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { readOutput, streamOutput } from "../output.ts";
import { ChangeQuerySchema, CreateGroupSchema, DoneSchema, ExplanationSchema, GroupSchema, MoveGroupSchema, NameSchema, OfflineGroupSchema, OnlineGroupSchema, ReadQuerySchema, SetGroupSchema } from "../schemas.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";

const Params = Type.Object({ group: NameSchema });
const LogQuery = Type.Object({ lines: Type.Optional(Type.String({ pattern: "^[0-9]{1,5}$" })), follow: Type.Optional(Type.String({ enum: ["true", "false"] })) });
const LINES_DEFAULT = 50;

export function groupRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/groups", { schema: { summary: "All groups (roles)", querystring: ReadQuerySchema, response: { 200: Type.Array(GroupSchema), ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeGroups(facade.state()));
  });

  server.post("/groups", { schema: { summary: "Create a group", querystring: ChangeQuerySchema, body: CreateGroupSchema, response: { 200: DoneSchema, ...failures } } }, (request) => change(facade, { verb: "group.create", ...request.body }, request.query));

  server.get("/groups/:group", { schema: { summary: "One group", params: Params, querystring: ReadQuerySchema, response: { 200: GroupSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(describeGroup(facade.state(), request.params.group));
  });

  server.patch("/groups/:group", { schema: { summary: "Set properties, preferred owners or the name", params: Params, querystring: ChangeQuerySchema, body: SetGroupSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "group.set", group: request.params.group, ...request.body }, request.query),
  );

  server.delete("/groups/:group", { schema: { summary: "Delete a group and its resources", params: Params, querystring: ChangeQuerySchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "group.delete", group: request.params.group, force: request.query.force === "true" }, request.query),
  );

  server.post("/groups/:group/online", { schema: { summary: "Bring online", params: Params, querystring: ChangeQuerySchema, body: OnlineGroupSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "group.online", group: request.params.group, ...request.body }, request.query),
  );

  server.post("/groups/:group/offline", { schema: { summary: "Take offline", params: Params, querystring: ChangeQuerySchema, body: OfflineGroupSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "group.offline", group: request.params.group, ...request.body }, request.query),
  );

  server.post("/groups/:group/cancel", { schema: { summary: "Call off a move that is queued or under way", params: Params, querystring: ChangeQuerySchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "group.cancel", group: request.params.group }, request.query),
  );

  server.post("/groups/:group/move", { schema: { summary: "Move to a node, or to the best one", params: Params, querystring: ChangeQuerySchema, body: MoveGroupSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "group.move", group: request.params.group, ...request.body }, request.query),
  );

  server.get("/groups/:group/why", { schema: { summary: "Why it is where and how it is", params: Params, querystring: ReadQuerySchema, response: { 200: ExplanationSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(explainGroup(facade.state(), request.params.group));
  });

  server.get("/groups/:group/log", { schema: { summary: "Output of the role's programs, as text; follow=true goes on", params: Params, querystring: LogQuery } }, async (request, reply) => {
    const state = facade.state();
    const files = describeGroup(state, request.params.group).resources.map((name) => ({ name, path: facade.outputFile(describeResource(state, name).id) }));
    const lines = request.query.lines === undefined ? LINES_DEFAULT : Number(request.query.lines);
    if (request.query.follow !== "true") return reply.type("text/plain; charset=utf-8").send(await readOutput(files, lines));
    reply.hijack();
    reply.raw.writeHead(200, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
    await streamOutput(files, lines, reply.raw);
  });
}
