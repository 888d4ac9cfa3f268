import { timingSafeEqual } from "node:crypto";
import type { TLSSocket } from "node:tls";
import fastifySwagger from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify from "fastify";
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from "fastify";
import { MusterError } from "../model/errors.ts";
import type { ServiceFacade } from "../service/facade.ts";
import { version } from "../model/version.ts";
import { clusterRoutes } from "./routes/cluster.ts";
import { databaseRoutes } from "./routes/database.ts";
import { eventRoutes } from "./routes/events.ts";
import { groupRoutes } from "./routes/groups.ts";
import { historyRoutes } from "./routes/history.ts";
import { groupSetRoutes } from "./routes/group-sets.ts";
import { JOIN_PATH, joiningRoutes, READY_PATH } from "./routes/joining.ts";
import { leaseRoutes } from "./routes/lease.ts";
import { networkRoutes } from "./routes/networks.ts";
import { quorumRoutes } from "./routes/quorum.ts";
import { nodeRoutes } from "./routes/nodes.ts";
import { placementRoutes } from "./routes/placement.ts";
import { resourceRoutes } from "./routes/resources.ts";

export type ApiServer = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, TypeBoxTypeProvider>;

/** Where the answering node stands: what any other phase than "active" shows is the last it knew. */
const PHASE_HEADER = "muster-phase";
const BODY_BYTES_MAX = 64 * 1024;

export interface ApiOptions {
  /** What a caller over TCP must show; a Unix socket is protected by its file's mode. */
  readonly token: string;
}

/**
 * The Failover Cluster API of one node: HTTP and JSON, the same on the Unix socket and over
 * TCP. Every node answers for the whole cluster. The description is at /openapi.json.
 */
export async function createApi(facade: ServiceFacade, options: ApiOptions): Promise<ApiServer> {
  const server: ApiServer = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    // Wrong types and unknown fields are errors with a name, not silently mended.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: false } },
  }).withTypeProvider<TypeBoxTypeProvider>();

  // Answers are written as they are: their schemas describe them, and compiling those costs a node 20 MiB and its start 100 ms.
  server.setSerializerCompiler(() => (value) => JSON.stringify(value));
  // A verb without arguments may come with no body at all.
  const parse = server.getDefaultJsonParser("error", "error");
  server.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") done(null, {});
    else parse(request, body as string, done);
  });
  server.addHook("onRequest", async (request) => authorize(request, options.token));
  // Every answer says whether the node that gives it is in an active view.
  server.addHook("onSend", async (_request, reply) => {
    void reply.header(PHASE_HEADER, facade.status.phase);
  });
  server.setErrorHandler(async (error, _request, reply) => {
    const known = toMusterError(error);
    return reply.status(known.httpStatus).send({ error: known.toBody() });
  });
  server.setNotFoundHandler(async (request, reply) => {
    const known = new MusterError("MUSTER_INVALID_ARGUMENT", { field: "path", problem: `there is no ${request.method} ${request.url.split("?")[0]}; see /openapi.json` });
    return reply.status(404).send({ error: known.toBody() });
  });
  await server.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Muster Failover Cluster API", version, description: "Every node answers for the whole cluster." },
    },
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
  server.get("/openapi.json", { schema: { hide: true } }, async () => server.swagger());
  return server;
}

/** Over TCP a bearer token is needed; it also keeps out pages that a browser on this machine shows. */
function authorize(request: FastifyRequest, token: string): void {
  if (request.socket.remoteAddress === undefined) return;
  // A machine that wants to join has a token of another kind; it is checked there, and what is said is encrypted.
  if ((request.socket as Partial<TLSSocket>).encrypted === true && (request.url === JOIN_PATH || request.url === READY_PATH)) return;
  const given = Buffer.from(request.headers.authorization?.replace(/^Bearer /i, "") ?? "");
  const wanted = Buffer.from(token);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new MusterError("MUSTER_UNAUTHORIZED");
}

interface ValidationFailure {
  readonly validation?: readonly { readonly instancePath: string; readonly message?: string; readonly params?: Record<string, unknown> }[];
  readonly validationContext?: string;
  readonly statusCode?: number;
  readonly code?: string;
  readonly message: string;
}

function toMusterError(error: unknown): MusterError {
  if (error instanceof MusterError) return error;
  const failure = error as ValidationFailure;
  const [first] = failure.validation ?? [];
  if (first !== undefined) {
    const inside = String(first.params?.["missingProperty"] ?? first.params?.["additionalProperty"] ?? "");
    const path = [...first.instancePath.split("/").filter((part) => part !== ""), inside].filter((part) => part !== "").join(".");
    return new MusterError("MUSTER_INVALID_ARGUMENT", { field: path === "" ? (failure.validationContext ?? "body") : path, problem: first.message ?? "is not valid" });
  }
  if (failure.statusCode !== undefined && failure.statusCode < 500) return new MusterError("MUSTER_INVALID_ARGUMENT", { field: "body", problem: failure.message });
  return MusterError.from(error);
}
