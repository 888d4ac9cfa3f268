import { Type } from "@fastify/type-provider-typebox";
import { describeNode, describeNodes, explainNode } from "../../core/index.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { AddNodeSchema, ChangeQuerySchema, DoneSchema, NameSchema, NodeAnswerSchema, NodeExplanationSchema, PauseNodeSchema, ReadQuerySchema, ResumeNodeSchema, SetNodeSchema, ShutDownNodeSchema } from "../schemas.ts";
import type { ApiServer } from "../server.ts";
import { beforeReading, change, failures, mutable } from "./answers.ts";

const Params = Type.Object({ node: NameSchema });

export function nodeRoutes(server: ApiServer, facade: ServiceFacade): void {
  server.get("/nodes", { schema: { summary: "All nodes", querystring: ReadQuerySchema, response: { 200: Type.Array(NodeAnswerSchema), ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return Promise.all(describeNodes(facade.state()).map(async (node) => ({ ...mutable(node), information: mutable(await facade.information(node.name)) })));
  });

  server.get("/nodes/:node", { schema: { summary: "One node, with the process ids of its service and monitors", params: Params, querystring: ReadQuerySchema, response: { 200: NodeAnswerSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    const node = describeNode(facade.state(), request.params.node);
    return { ...mutable(node), information: mutable(await facade.information(node.name)) };
  });

  server.patch("/nodes/:node", { schema: { summary: "Set properties, and the fault domain it stands in", params: Params, querystring: ChangeQuerySchema, body: SetNodeSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "node.set", node: request.params.node, ...request.body }, request.query),
  );

  server.post("/nodes/:node/clear-quarantine", { schema: { summary: "Let a node host roles again that dropped out too often", params: Params, querystring: ChangeQuerySchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "node.clearQuarantine", node: request.params.node }, request.query),
  );

  server.get("/nodes/:node/why", { schema: { summary: "Why it is as it is, and what would change it", params: Params, querystring: ReadQuerySchema, response: { 200: NodeExplanationSchema, ...failures } } }, async (request) => {
    await beforeReading(facade, request.query);
    return mutable(explainNode(facade.state(), request.params.node));
  });

  server.post("/nodes/:node/pause", { schema: { summary: "Place nothing there; with drain, move its roles away", params: Params, querystring: ChangeQuerySchema, body: PauseNodeSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "node.pause", node: request.params.node, ...request.body }, request.query),
  );

  server.post("/nodes/:node/resume", { schema: { summary: "Let it host again; with failback, bring back the roles that left it", params: Params, querystring: ChangeQuerySchema, body: ResumeNodeSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "node.resume", node: request.params.node, failback: request.body.failback }, request.query),
  );

  server.post("/nodes/:node/shutdown", { schema: { summary: "Its roles leave and its vote moves, because its service is about to stop", params: Params, querystring: ChangeQuerySchema, body: ShutDownNodeSchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "node.shutdown", node: request.params.node, ...request.body }, request.query),
  );

  server.post("/nodes", { schema: { summary: "Add a node to the configuration", querystring: ChangeQuerySchema, body: AddNodeSchema, response: { 200: DoneSchema, ...failures } } }, (request) => change(facade, { verb: "node.add", ...request.body }, request.query));

  server.delete("/nodes/:node", { schema: { summary: "Evict a node: its votes and its places in the lists of owners end", params: Params, querystring: ChangeQuerySchema, response: { 200: DoneSchema, ...failures } } }, (request) =>
    change(facade, { verb: "node.evict", node: request.params.node, force: request.query.force === "true" }, request.query),
  );
}
