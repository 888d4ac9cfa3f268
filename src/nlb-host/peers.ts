import { request } from "node:https";
import { checkServerIdentity } from "node:tls";
import { MusterError } from "../model/errors.ts";
import type { ErrorBody } from "../model/errors.ts";

const LIMIT_MS = 5_000;
/** The largest map, and the largest lists of extended affinity. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

export interface PeerAnswer {
  readonly bytes: Buffer;
  json<Value>(): Value;
}

/**
 * Asks the other hosts of the cluster. Both sides know each other: the certificate is signed by the cluster's
 * authority, and the caller has the token that follows from its key.
 */
export class Peers {
  readonly #authority: string;
  readonly #token: string;
  readonly #port: number;

  constructor(authority: string, token: string, port: number) {
    this.#authority = authority;
    this.#token = token;
    this.#port = port;
  }

  /** @throws MusterError of the other host, or MUSTER_NOT_REACHABLE */
  ask(address: string, method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<PeerAnswer> {
    const place = `${address.includes(":") ? `[${address}]` : address}:${this.#port}`;
    return new Promise((resolve, reject) => {
      const unreachable = (problem: string): void => reject(new MusterError("MUSTER_NOT_REACHABLE", { address: place, problem }));
      const content = body === undefined ? null : JSON.stringify(body);
      const call = request(
        {
          host: address,
          port: this.#port,
          method,
          path,
          ca: this.#authority,
          // Whoever the authority signed is one of us; addresses change more often than certificates.
          checkServerIdentity: (name, certificate) => (certificate.subject === undefined ? checkServerIdentity(name, certificate) : undefined),
          headers: { authorization: `Bearer ${this.#token}`, ...(content === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(content) }) },
          timeout: LIMIT_MS,
        },
        (response) => {
          const parts: Buffer[] = [];
          let length = 0;
          response.on("data", (part: Buffer) => {
            length += part.length;
            if (length > ANSWER_BYTES_MAX) call.destroy(new Error("the answer is too long"));
            else parts.push(part);
          });
          response.on("end", () => {
            const bytes = Buffer.concat(parts);
            const json = <Value>(): Value => JSON.parse(bytes.toString()) as Value;
            if ((response.statusCode ?? 500) < 400) return resolve({ bytes, json });
            try {
              reject(MusterError.fromBody(json<{ error: ErrorBody }>().error));
            } catch {
              unreachable(`it answered ${response.statusCode}`);
            }
          });
          response.on("error", (error) => unreachable(error.message));
        },
      );
      const limit = setTimeout(() => call.destroy(new Error(`it did not answer within ${LIMIT_MS} ms`)), LIMIT_MS);
      call.on("close", () => clearTimeout(limit));
      call.on("error", (error) => unreachable(error.message));
      call.end(content ?? undefined);
    });
  }
}
