import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage, RequestOptions as RequestOptionsOfNode } from "node:http";
import { request as httpsRequest } from "node:https";
import type { TLSSocket } from "node:tls";
import { MusterError } from "../model/errors.ts";
import type { ErrorBody } from "../model/errors.ts";
import { connectPinned, NotPinnedError } from "../security/pinned.ts";
import type { ClusterEvent } from "../model/events.ts";

/** Where a node answers: its Unix socket, or a URL with a token. */
export type Endpoint = { readonly socket: string } | { readonly url: string; readonly token: string | null; readonly trust?: Trust };

/** Whom a client with TLS believes: who is signed by this authority (PEM), or by the one with this fingerprint. Absent = those the system trusts. */
export type Trust = { readonly authority: string } | { readonly fingerprint: string };

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

/** Three times what the other side may be silent. */
const STREAM_SILENCE_MS = 45_000;
const TIMEOUT_DEFAULT_MS = 30_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** A certificate that the authority of the cluster has not signed. */
const OTHER_AUTHORITY = ["SELF_SIGNED_CERT_IN_CHAIN", "DEPTH_ZERO_SELF_SIGNED_CERT", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "CERT_SIGNATURE_FAILURE"];

/**
 * Client of the Failover Cluster API. Errors of the cluster come back as the MusterError
 * they were; when nobody answers it is MUSTER_NOT_REACHABLE.
 */
export class ApiClient {
  readonly endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  get address(): string {
    return "socket" in this.endpoint ? this.endpoint.socket : this.endpoint.url;
  }

  async get<Answer>(path: string, options: RequestOptions = {}): Promise<Answer> {
    return (await this.#call("GET", path, options)) as Answer;
  }

  async send<Answer>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, options: RequestOptions = {}): Promise<Answer> {
    return (await this.#call(method, path, options)) as Answer;
  }

  /** Events after an id as they happen; ends when the node does. Resume by giving the last id seen. */
  events(query: Readonly<Record<string, string | undefined>>, signal?: AbortSignal): AsyncGenerator<ClusterEvent> {
    return this.stream("/v1/events/stream", query, signal);
  }

  /** What a stream of server-sent events carries, parsed. */
  async *stream<Data>(path: string, query: Readonly<Record<string, string | undefined>>, signal?: AbortSignal): AsyncGenerator<Data> {
    const response = await this.#open("GET", path, { query }, signal, { accept: "text/event-stream" });
    // The other side says something every fifteen seconds; one that lost its power says nothing for ever.
    response.socket.setTimeout(STREAM_SILENCE_MS, () => response.destroy(new MusterError("MUSTER_NOT_REACHABLE", { address: this.address, problem: `nothing was heard for ${STREAM_SILENCE_MS / 1_000} s` })));
    let rest = "";
    response.setEncoding("utf8");
    for await (const chunk of response as AsyncIterable<string>) {
      const blocks = (rest + chunk).split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) {
        const data = block.split("\n").find((line) => line.startsWith("data: "));
        if (data !== undefined) yield JSON.parse(data.slice(6)) as Data;
      }
    }
  }

  /** A body as text, piece by piece. */
  async *text(path: string, options: RequestOptions, signal?: AbortSignal): AsyncGenerator<string> {
    const response = await this.#open("GET", path, options, signal, {});
    response.setEncoding("utf8");
    for await (const chunk of response as AsyncIterable<string>) yield chunk;
  }

  async #call(method: string, path: string, options: RequestOptions): Promise<unknown> {
    const response = await this.#open(method, path, options, AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_DEFAULT_MS), {});
    return JSON.parse(await readAll(response)) as unknown;
  }

  async #open(method: string, path: string, options: RequestOptions, signal: AbortSignal | undefined, headers: Record<string, string>): Promise<IncomingMessage> {
    const query = new URLSearchParams(Object.entries(options.query ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined)).toString();
    const target = `${path}${query === "" ? "" : `?${query}`}`;
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const socket = await this.#pinned(options.timeoutMs ?? TIMEOUT_DEFAULT_MS);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      // A connection of its own: a kept one may belong to a process that has died.
      const common = { method, signal, ...(socket === null ? { agent: false as const } : {}), ...this.#secure(), ...(socket === null ? {} : { createConnection: () => socket }), headers: { ...headers, ...this.#authorization(), ...(body === undefined ? {} : { "content-type": "application/json" }) } };
      const call = "socket" in this.endpoint ? httpRequest({ ...common, socketPath: this.endpoint.socket, path: target }, resolve) : this.#request(socket, target, common, resolve);
      call.on("error", (error) => reject(this.#unreachable(error, options.timeoutMs ?? TIMEOUT_DEFAULT_MS)));
      call.end(body);
    });
    if (response.statusCode !== undefined && response.statusCode < 400) return response;
    const text = await readAll(response);
    throw errorFrom(text, response.statusCode ?? 0);
  }

  #request(socket: TLSSocket | null, target: string, common: RequestOptionsOfNode, onResponse: (response: IncomingMessage) => void): ClientRequest {
    const url = new URL(target, (this.endpoint as { readonly url: string }).url);
    // Over a connection that is encrypted already, HTTP is spoken as it is.
    if (socket !== null) return httpRequest({ ...common, host: url.hostname, port: url.port, path: target }, onResponse);
    return (url.protocol === "https:" ? httpsRequest : httpRequest)(url, common, onResponse);
  }

  /** A connection to who is known by a fingerprint alone; null where none is given. */
  async #pinned(limitMs: number): Promise<TLSSocket | null> {
    if ("socket" in this.endpoint || this.endpoint.trust === undefined || !("fingerprint" in this.endpoint.trust)) return null;
    try {
      return await connectPinned(new URL(this.endpoint.url), { authority: this.endpoint.trust.fingerprint }, limitMs);
    } catch (error) {
      if (error instanceof NotPinnedError) throw new MusterError("MUSTER_OTHER_CLUSTER", { address: this.address, cluster: "of the token" }, { cause: error });
      throw this.#unreachable(error as Error, limitMs);
    }
  }

  #secure(): { readonly ca?: string; readonly checkServerIdentity?: () => undefined } {
    if ("socket" in this.endpoint || this.endpoint.trust === undefined || !("authority" in this.endpoint.trust)) return {};
    // The authority is the cluster's own and signs nobody else: whoever it signed is the cluster, by whatever address it is reached.
    return { ca: this.endpoint.trust.authority, checkServerIdentity: () => undefined };
  }

  #authorization(): Record<string, string> {
    return "socket" in this.endpoint || this.endpoint.token === null ? {} : { authorization: `Bearer ${this.endpoint.token}` };
  }

  #unreachable(error: Error, timeoutMs: number): MusterError {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!("socket" in this.endpoint) && this.endpoint.trust !== undefined && OTHER_AUTHORITY.includes(code)) return new MusterError("MUSTER_OTHER_CLUSTER", { address: this.address, cluster: "this machine knows" }, { cause: error });
    if (!("socket" in this.endpoint) && OTHER_AUTHORITY.includes(code)) return new MusterError("MUSTER_NOT_REACHABLE", { address: this.address, problem: "its certificate is signed by an authority that this machine does not know; MUSTER_AUTHORITY names the file of the cluster's" }, { cause: error });
    if (error.name === "TimeoutError") return new MusterError("MUSTER_TIMEOUT", { timeoutMs }, { cause: error });
    return new MusterError("MUSTER_NOT_REACHABLE", { address: this.address, problem: error.message === "" ? ((error as NodeJS.ErrnoException).code ?? "no answer") : error.message }, { cause: error });
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new MusterError("MUSTER_INTERNAL", { problem: `an answer of more than ${ANSWER_BYTES_MAX} bytes` });
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function errorFrom(text: string, status: number): MusterError {
  try {
    return MusterError.fromBody((JSON.parse(text) as { error: ErrorBody }).error);
  } catch {
    return new MusterError("MUSTER_INTERNAL", { problem: `status ${status}: ${text.slice(0, 200)}` });
  }
}
