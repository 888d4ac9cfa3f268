import { Type } from "@fastify/type-provider-typebox";
import { Errors } from "typebox/value";
import { openEventStream } from "../api/event-stream.ts";
import { createHttpServer } from "../api/http-server.ts";
import type { ApiServer } from "../api/http-server.ts";
import { METRICS_CONTENT_TYPE } from "../api/prometheus.ts";
import { failures, mutable } from "../api/routes/answers.ts";
import { MusterError } from "../model/errors.ts";
import type { ClusterChange, CommandRequest, NlbFacade } from "../nlb-host/facade.ts";
import { encodeMap } from "../nlb/map.ts";
import type { ClusterParameters } from "../nlb/parameters.ts";
import { metricsText } from "./metrics.ts";
import { AffinityQuerySchema, ClusterChangeSchema, ClusterChangeSchemas, ClusterSchema, CommandSchema, ConnectionsQuerySchema, DryRunSchema, EventsQuerySchema, HostChangeSchema, JoinSchema, WhoSchema, WhySchema } from "./schemas.ts";

export const NLB_JOIN_PATH = "/v1/nlb/join";
const EVENTS_DEFAULT = 100;
const LIST_DEFAULT = 100;
const VALID_MAX_MS = 30 * 86_400_000;
/** Answers are described by their words; their fields stand in src/nlb-host/facade.ts, and the routes in docs/reference.md. */
const Answer = Type.Any();
const answers = (description: string) => ({ 200: { ...Answer, description }, ...failures });

/**
 * The NLB API of one host: HTTP and JSON on its Unix socket and, for the other hosts and for people elsewhere, behind
 * TLS. A host answers for itself, and tells what it hears of the others; changes go to all that it hears.
 */
export async function createNlbApi(facade: NlbFacade, options: { readonly token: string }): Promise<ApiServer> {
  const server = await createHttpServer({ token: options.token, isOpen: (url) => url === NLB_JOIN_PATH, title: "Muster NLB API", description: "One host of a balancing cluster." });
  await server.register(async (routes) => {
    lookingRoutes(routes as ApiServer, facade);
    changingRoutes(routes as ApiServer, facade);
    peerRoutes(routes as ApiServer, facade);
  }, { prefix: "/v1/nlb" });
  server.get("/metrics", { schema: { summary: "For Prometheus", response: answers("Text.") } }, async (_request, reply) => {
    return reply.type(METRICS_CONTENT_TYPE).send(metricsText(await facade.status()));
  });
  return server;
}

function lookingRoutes(server: ApiServer, facade: NlbFacade): void {
  server.get("/status", { schema: { summary: "Hosts, rules and who has which share", response: answers("The cluster as this host sees it.") } }, async () => mutable(await facade.status()));
  server.get("/snapshot", { schema: { summary: "Everything the balancer knows, for who explains it", response: answers("Maps and heartbeats as they are.") } }, async () => plain(await facade.snapshot()));
  server.get("/configuration", { schema: { summary: "Parameters of the cluster and of this host", response: answers("As they are kept.") } }, async () => mutable(facade.configuration));
  server.get("/who", { schema: { summary: "Which host takes a packet, and why", querystring: WhoSchema, response: answers("Host, rule, bucket, and the steps of the decision.") } }, async ({ query }) =>
    mutable(await facade.who({ client: query.client, clientPort: query.clientPort === undefined ? null : Number(query.clientPort), address: query.address, port: Number(query.port), protocol: query.protocol })));
  server.get("/why", { schema: { summary: "Why a host, or a rule on each host, is as it is", querystring: WhySchema, response: answers("One sentence for each host.") } }, async ({ query }) => mutable(await facade.why(query.name ?? null)));
  server.get("/connections", { schema: { summary: "Open connections, counted and so many of them one by one", querystring: ConnectionsQuerySchema, response: answers("For each host that is heard, or for this one.") } }, async ({ query }) =>
    mutable(await facade.connections({ rule: query.rule ?? null, limit: Number(query.limit ?? 0), isLocal: query.local === "true" })));
  server.get("/affinity/list", { schema: { summary: "Clients whom extended affinity keeps, so many of them", querystring: AffinityQuerySchema, response: answers("Who stays with the host, and whom it leaves to others.") } }, async ({ query }) =>
    mutable(await facade.affinity({ host: query.host === undefined ? null : Number(query.host), limit: Number(query.limit ?? LIST_DEFAULT) })));
  server.get("/events", { schema: { summary: "What happened on this host", querystring: EventsQuerySchema, response: answers("Oldest first.") } }, async ({ query }) => mutable(facade.events(Number(query.after ?? 0), Number(query.limit ?? EVENTS_DEFAULT))));
  server.get("/watch", { schema: { summary: "The status whenever it changes, as server-sent events", response: answers("status and event.") } }, async (_request, reply) => {
    reply.hijack();
    openEventStream(reply.raw, (stream) => {
      let number = 0;
      const send = (): void => void facade.status().then((status) => stream.send(String(++number), "status", status), () => undefined);
      const ends = [facade.onChange(send), facade.onEvent((event) => stream.send(String(++number), "event", event))];
      // Counts move without anything changing.
      const timer = setInterval(send, 1_000);
      send();
      return () => {
        clearInterval(timer);
        for (const end of ends) end();
      };
    });
  });
}

function changingRoutes(server: ApiServer, facade: NlbFacade): void {
  server.post("/command", { schema: { summary: "Start, stop, drain, suspend hosts and rules", body: CommandSchema, querystring: DryRunSchema, response: answers("A return code for each host; of a dry run, what would move as well.") } }, async ({ body, query }) => {
    const request = body as CommandRequest;
    return mutable(query.dryRun === "true" ? await facade.forecast(request) : await facade.command(request));
  });
  server.post("/changes", { preValidation: async ({ body }) => checkChange(body), schema: { summary: "Changes what is equal on all hosts", body: ClusterChangeSchema, querystring: DryRunSchema, response: answers("Before, after, what moves, and who has it.") } }, async ({ body, query }) => mutable(await facade.changeCluster(body as ClusterChange, { dryRun: query.dryRun === "true" })));
  server.patch("/host", { schema: { summary: "Changes this host's own parameters", body: HostChangeSchema, querystring: DryRunSchema, response: answers("As they are, or would be.") } }, async ({ body, query }) => mutable(await facade.changeHost(body as Parameters<NlbFacade["changeHost"]>[0], { dryRun: query.dryRun === "true" })));
  server.post("/sync", { schema: { summary: "Takes the cluster's parameters from another host", body: Type.Object({ from: Type.Union([Type.Integer({ minimum: 1, maximum: 64 }), Type.Null()]) }, { additionalProperties: false }), querystring: DryRunSchema, response: answers("What was different.") } }, async ({ body, query }) => mutable(await facade.sync(body.from, { dryRun: query.dryRun === "true" })));
  server.post("/dismissal", { schema: { summary: "Makes all other hosts leave the cluster: before its end", querystring: DryRunSchema, response: answers("Who left, and who could not be asked.") } }, async ({ query }) => mutable(await facade.dismiss({ dryRun: query.dryRun === "true" })));
  server.post("/tokens", { schema: { summary: "Makes a token with which one machine may join", body: Type.Object({ validMs: Type.Integer({ minimum: 1_000, maximum: VALID_MAX_MS }) }, { additionalProperties: false }), response: answers("The token.") } }, async ({ body }) => facade.issueToken(body.validMs));
  server.post("/join", { schema: { summary: "A machine becomes a host", body: JoinSchema, response: answers("What it needs for that.") } }, async ({ body }) => mutable(await facade.admit(body)));
}

/** Between hosts. */
function peerRoutes(server: ApiServer, facade: NlbFacade): void {
  // Whoever asks waits for the answer: the process ends when it has been sent.
  server.post("/leave", { onResponse: async (_request, { statusCode }) => (statusCode === 200 ? facade.hasLeft() : undefined), schema: { summary: "The cluster ends: this machine is no host any more", body: Type.Object({ clusterId: Type.String({ maxLength: 64 }) }, { additionalProperties: false }), response: answers("Nothing.") } }, async ({ body }) => {
    await facade.leave(body.clusterId);
    return {};
  });
  server.post("/trial", { schema: { summary: "What a command would make of this host", body: CommandSchema, response: answers("What it would answer, and say of each rule.") } }, async ({ body }) => mutable(await facade.tries(body as CommandRequest)));
  server.get("/maps/:hash", { schema: { summary: "The map with this hash, as bytes", params: Type.Object({ hash: Type.String({ pattern: "^[0-9a-f]{16}$" }) }), response: answers("Bytes.") } }, async ({ params }, reply) => {
    const map = await facade.map(params.hash);
    if (map === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "hash", problem: "this host has no such map" });
    return reply.type("application/octet-stream").send(Buffer.from(encodeMap(map)));
  });
  server.get("/affinity", { schema: { summary: "Clients who stay with this host", response: answers("By rule.") } }, async () => mutable(await facade.staying()));
  server.put("/cluster", { schema: { summary: "What another host has changed", body: Type.Object({ clusterId: Type.String({ maxLength: 64 }), cluster: ClusterSchema }, { additionalProperties: false }), response: answers("Nothing.") } }, async ({ body }) => {
    await facade.takeCluster(body.clusterId, body.cluster as ClusterParameters);
    return {};
  });
}

/** Arrays of bytes as arrays. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, inner: unknown) => (inner instanceof Uint8Array ? [...inner] : inner)));
}

/** A union says of each of its kinds what is wrong; what helps is what is wrong with the kind that was meant. @throws MusterError that names the field */
function checkChange(body: unknown): void {
  const kind = typeof body === "object" && body !== null && "kind" in body ? body.kind : undefined;
  if (typeof kind !== "string" || !Object.hasOwn(ClusterChangeSchemas, kind)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "kind", problem: `one of ${Object.keys(ClusterChangeSchemas).join(", ")}` });
  const found = Errors(ClusterChangeSchemas[kind as ClusterChange["kind"]], body);
  // Of several, the deepest: of a probe, say, its own field rather than the probe.
  const [deepest] = [...found].sort((a, b) => b.instancePath.split("/").length - a.instancePath.split("/").length);
  if (deepest === undefined) return;
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: deepest.instancePath.slice(1).replaceAll("/", ".") || kind, problem: deepest.message });
}
