import { request as httpRequest } from "node:http";
import { connectPinned } from "../security/pinned.ts";
import type { RecordStore } from "./record-store.ts";

export interface DaemonAddress {
  /** HOST:PORT */
  readonly address: string;
  /** Of the daemon's certificate: SHA-256 in hexadecimal. Who shows another one is not asked. */
  readonly fingerprint: string;
  /** What the daemon knows this cluster by. */
  readonly token: string;
  readonly cluster: string;
  readonly witness: string;
}

const ASK_LIMIT_MS = 10_000;
const ANSWER_BYTES_MAX = 1024 * 1024;

/** The witness daemon as a store of records, over TLS. */
export function daemonStore(daemon: DaemonAddress): RecordStore {
  const path = `/v1/${daemon.cluster}/${daemon.witness}`;
  return {
    // Each is a connection of its own.
    readsAtOnce: 4,
    async list() {
      const { status, body } = await ask(daemon, "GET", path);
      if (status === 404) return null;
      return JSON.parse(expect(body, status, 200)) as string[];
    },
    async read(name) {
      const { status, body } = await ask(daemon, "GET", `${path}/${name}`);
      return status === 404 ? null : expect(body, status, 200);
    },
    async create(name, content) {
      const { status, body } = await ask(daemon, "PUT", `${path}/${name}`, content);
      if (status === 412) return false;
      expect(body, status, 201);
      return true;
    },
    async remove(name) {
      await ask(daemon, "DELETE", `${path}/${name}`);
    },
  };
}

/** @throws Error with the daemon's own words */
function expect(body: string, status: number, wanted: number): string {
  if (status !== wanted) throw new Error(`the witness daemon refuses: ${body === "" ? `status ${status}` : body}`);
  return body;
}

async function ask(daemon: DaemonAddress, method: string, path: string, content?: string): Promise<{ readonly status: number; readonly body: string }> {
  const headers = { authorization: `Bearer ${daemon.token}`, ...(content === undefined ? {} : { "if-none-match": "*", "content-length": String(Buffer.byteLength(content)) }) };
  const socket = await connectPinned(new URL(`https://${daemon.address}`), { certificate: daemon.fingerprint }, ASK_LIMIT_MS);
  return new Promise((resolve, reject) => {
    const call = httpRequest({ host: daemon.address, path, method, headers, createConnection: () => socket, signal: AbortSignal.timeout(ASK_LIMIT_MS) });
    call.on("error", (error) => reject(error.name === "AbortError" || error.name === "TimeoutError" ? new Error(`${daemon.address} did not answer within ${ASK_LIMIT_MS / 1_000} s`) : error));
    call.on("response", (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on("data", (part: Buffer) => {
        bytes += part.length;
        if (bytes > ANSWER_BYTES_MAX) call.destroy(new Error(`${daemon.address} answers with more than ${ANSWER_BYTES_MAX} bytes`));
        else parts.push(part);
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
      response.on("error", reject);
    });
    call.end(content);
  });
}
