import { createHash, timingSafeEqual } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:https";
import { join } from "node:path";
import type { KeyPair } from "../security/certificates.ts";
import { fileShareStore } from "./file-share.ts";
import { positionOf } from "./record-store.ts";

/**
 * The witness daemon: a third machine that keeps the records of many clusters and decides nothing. A cluster is known by
 * the token it showed first. Records are files, created once; see `file-share.ts`.
 */
export interface WitnessDaemonOptions {
  readonly directory: string;
  readonly identity: KeyPair;
  readonly log: (line: string) => void;
}

const CLUSTERS_MAX = 1_000;
const RECORD_BYTES_MAX = 64 * 1024;
const CONNECTIONS_MAX = 256;
const REQUEST_LIMIT_MS = 10_000;
const PART = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function createWitnessDaemon(options: WitnessDaemonOptions): Server {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const server = createServer({ cert: options.identity.certificate, key: options.identity.key, handshakeTimeout: REQUEST_LIMIT_MS, requestTimeout: REQUEST_LIMIT_MS }, (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      const status = error instanceof Refusal ? error.status : 500;
      if (status === 500) options.log(`${request.method} ${request.url}: ${String(error)}`);
      if (!response.headersSent) response.writeHead(status, { "content-type": "text/plain", connection: "close" });
      response.end(error instanceof Error ? error.message : "failed");
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

/** `/v1/CLUSTER/WITNESS` lists; `/v1/CLUSTER/WITNESS/NAME` is a record. */
async function answer(options: WitnessDaemonOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [version, cluster = "", witness = "", name, ...more] = (request.url ?? "").split("/").slice(1);
  if (version !== "v1" || more.length > 0 || !PART.test(cluster) || !PART.test(witness)) throw new Refusal(404, "there is nothing here");
  if (name !== undefined && positionOf(name) === null) throw new Refusal(404, "no record has such a name");
  authorize(options, cluster, request);
  const store = fileShareStore(options.directory, join(cluster, witness));
  if (name === undefined) {
    if (request.method !== "GET") throw new Refusal(405, "GET only");
    const names = await store.list();
    if (names === null) throw new Refusal(404, "no such witness");
    return reply(response, 200, JSON.stringify(names.filter((one) => positionOf(one) !== null)));
  }
  switch (request.method) {
    case "GET": {
      const record = await store.read(name);
      if (record === null) throw new Refusal(404, "no such record");
      return reply(response, 200, record);
    }
    case "PUT": {
      // What would overwrite is refused even where nothing is: it was meant as something else.
      if (request.headers["if-none-match"] !== "*") throw new Refusal(428, "If-None-Match: * is required");
      const created = await store.create(name, await bodyOf(request));
      if (!created) throw new Refusal(412, "it exists");
      options.log(`${cluster} claimed: ${name} of ${witness}`);
      return reply(response, 201, "");
    }
    case "DELETE":
      await store.remove(name);
      return reply(response, 204, "");
    default:
      throw new Refusal(405, "GET, PUT or DELETE");
  }
}

function reply(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/json", connection: "close" });
  response.end(body);
}

/** The first token that is shown for a cluster is the cluster's from then on. */
function authorize(options: WitnessDaemonOptions, cluster: string, request: IncomingMessage): void {
  const token = request.headers.authorization?.replace(/^Bearer /i, "") ?? "";
  if (token === "") throw new Refusal(401, "a token is required");
  const hash = createHash("sha256").update(token).digest();
  const path = join(options.directory, cluster, "token");
  // One that a power cut tore was never the cluster's: nobody could show what it holds.
  const known = existsSync(path) ? Buffer.from(readFileSync(path, "utf8"), "hex") : null;
  if (known === null || known.length !== hash.length) {
    if (known === null && readdirSync(options.directory).length >= CLUSTERS_MAX) throw new Refusal(507, `this witness serves ${CLUSTERS_MAX} clusters and takes no more`);
    mkdirSync(join(options.directory, cluster), { recursive: true, mode: 0o700 });
    writeWhole(path, hash.toString("hex"));
    options.log(`${cluster} is served from now on`);
    return;
  }
  if (!timingSafeEqual(known, hash)) throw new Refusal(403, "another cluster has this name here, or its token has changed");
}

/** On the disk, or not there. */
function writeWhole(path: string, content: string): void {
  const fresh = `${path}.new`;
  writeFileSync(fresh, content, { mode: 0o600, flush: true });
  renameSync(fresh, path);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > RECORD_BYTES_MAX) throw new Refusal(413, `a record has at most ${RECORD_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
