import { timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import fastifySwagger from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify from "fastify";
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from "fastify";
import { MusterError } from "../model/errors.ts";
import { version } from "../model/version.ts";

/** What the APIs of both kinds of cluster have in common: who may ask, what an error looks like, and the description at /openapi.json. */
export type ApiServer = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, TypeBoxTypeProvider>;

const BODY_BYTES_MAX = 64 * 1024;

export interface HttpServerOptions {
  /** What a caller over TCP must show; a Unix socket is protected by its file's mode. */
  readonly token: string;
  /** A machine that wants to join has a token of another kind; it is checked there, and what is said is encrypted. */
  readonly isOpen: (url: string) => boolean;
  readonly title: string;
  readonly description: string;
}

/** Without routes yet. */
export async function createHttpServer(options: HttpServerOptions): Promise<ApiServer> {
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
  server.addHook("onRequest", async (request) => authorize(request, options));
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
      info: { title: options.title, version, description: options.description },
    },
  });
  server.get("/openapi.json", { schema: { hide: true } }, async () => server.swagger());
  return server;
}

/** Connections that came through a Unix socket. What a connection says of itself proves nothing: one that was just reset has no address either. */
const local = new WeakSet<Socket>();

/** The server for a Unix socket: who may open that may do everything. The caller lets it listen there, and nowhere else. */
export function createLocalServer(api: ApiServer): Server {
  return createServer(api.routing).on("connection", (socket: Socket) => local.add(socket));
}

/** Over TCP a bearer token is needed; it also keeps out pages that a browser on this machine shows. */
function authorize(request: FastifyRequest, { token, isOpen }: HttpServerOptions): void {
  if (local.has(request.socket)) return;
  if ((request.socket as Partial<TLSSocket>).encrypted === true && isOpen(request.url)) return;
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
