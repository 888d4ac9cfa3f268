import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { getCACertificates } from "node:tls";
import { AwsV4Signer } from "aws4fetch";

/** Signed questions to an object store that speaks the protocol of S3, with the bucket in the path. */

export interface BucketAddress {
  /** https://HOST, or with a port; http:// without TLS. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly account: string;
  /** Signs; is never sent and stands in no message. */
  readonly key: string;
}

export interface Question {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly content?: string;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** The store's own name for what is wrong; "" = nothing, or it does not say. */
  readonly code: string;
  /** What is wrong, and what would help. */
  refusal(): Error;
}

export type Ask = (method: "GET" | "PUT" | "DELETE", name: string, question?: Question) => Promise<Answer>;

const ASK_LIMIT_MS = 10_000;
const ANSWER_BYTES_MAX = 1024 * 1024;
const WORDS_MAX = 200;

export function createAsk(bucket: BucketAddress): Ask {
  const endpoint = endpointOf(bucket.endpoint);
  return async (method, name, { query = {}, headers = {}, content } = {}) => {
    const url = new URL(endpoint);
    url.pathname = `/${bucket.bucket}${name === "" ? "" : `/${name}`}`;
    url.search = new URLSearchParams(query).toString();
    const { status, body, answered } = await send(method, url, await signedHeaders(bucket, method, url, headers, content, new Date()), content);
    const code = /<Code>([^<]*)<\/Code>/.exec(body)?.[1] ?? "";
    return { status, body, code, refusal: () => new Error(`${endpoint.host} refuses: ${reasonOf(bucket, status, code, body, answered)}`) };
  };
}

/** @throws Error when it is no address */
export function endpointOf(text: string): URL {
  const whole = /^https?:\/\//i.test(text) ? text : `https://${text}`;
  if (!URL.canParse(whole) || /^https?:\/\/[^/]*[@?#]|^https?:\/\/[^/]+\/./i.test(whole)) throw new Error("EndpointInfo is written https://HOST or https://HOST:PORT");
  return new URL(whole);
}

/** Signature V4 in a header. The content is signed too: who passes it on cannot change it. */
export async function signedHeaders(bucket: Pick<BucketAddress, "region" | "account" | "key">, method: string, url: URL, headers: Readonly<Record<string, string>>, content: string | undefined, now: Date): Promise<Record<string, string>> {
  const datetime = now.toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const signer = new AwsV4Signer({
    method,
    url: url.href,
    headers: { ...headers, "x-amz-content-sha256": createHash("sha256").update(content ?? "").digest("hex") },
    accessKeyId: bucket.account,
    secretAccessKey: bucket.key,
    service: "s3",
    region: bucket.region,
    datetime,
  });
  const signed = await signer.sign();
  return { ...Object.fromEntries(signed.headers), host: url.host };
}

async function send(method: string, url: URL, headers: Record<string, string>, content: string | undefined): Promise<{ readonly status: number; readonly body: string; readonly answered: IncomingHttpHeaders }> {
  const isSecure = url.protocol === "https:";
  const length = content === undefined ? {} : { "content-length": String(Buffer.byteLength(content)) };
  // A connection of its own each time: one that was kept may be dead, and who claims has no time to find that out.
  const options = { method, headers: { ...headers, ...length }, agent: false as const, signal: AbortSignal.timeout(ASK_LIMIT_MS) };
  return new Promise((resolve, reject) => {
    const call = isSecure ? httpsRequest(url, { ...options, ca: authorities() }) : httpRequest(url, options);
    const fail = (error: NodeJS.ErrnoException): void => reject(new Error(error.name === "AbortError" || error.name === "TimeoutError" ? `${url.host} did not answer within ${ASK_LIMIT_MS / 1_000} s` : `${url.host} cannot be asked: ${error.message || error.code}`));
    call.on("error", fail);
    call.on("response", (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on("data", (part: Buffer) => {
        bytes += part.length;
        if (bytes > ANSWER_BYTES_MAX) response.destroy(new Error(`it answers with more than ${ANSWER_BYTES_MAX} bytes`));
        else parts.push(part);
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString(), answered: response.headers }));
      response.on("error", fail);
      response.on("close", () => fail(new Error("its answer has no end")));
    });
    call.end(content);
  });
}

let known: string[] | null = null;

/** Whom this machine trusts, beside whom Node does: a store of one's own may have an authority of one's own. */
function authorities(): string[] {
  known ??= [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
  return known;
}

function reasonOf(bucket: BucketAddress, status: number, code: string, body: string, answered: IncomingHttpHeaders): string {
  const words = (/<Message>([^<]*)<\/Message>/.exec(body)?.[1] ?? "").slice(0, WORDS_MAX);
  switch (code) {
    case "SignatureDoesNotMatch":
      return "the signature is wrong: PrimaryKey is not the key of AccountName, or Region is not the store's";
    case "InvalidAccessKeyId":
      return `it knows no account '${bucket.account}' (AccountName)`;
    case "NoSuchBucket":
      return `it has no bucket '${bucket.bucket}' (ContainerName); make it first`;
    case "AccessDenied":
      return `the account '${bucket.account}' may not do this; it must be allowed to list, read, write and delete in '${bucket.bucket}'`;
    case "RequestTimeTooSkewed":
      return `the clock of this node is wrong by ${skewS(answered)} s; set it by a time server`;
    case "AuthorizationHeaderMalformed": {
      const region = /<Region>([^<]*)<\/Region>/.exec(body)?.[1];
      return region === undefined ? words : `the bucket is in another region: set Region=${region}`;
    }
    case "NotImplemented":
      return "it cannot write on condition (If-None-Match), and so cannot be a witness";
    default:
      if (status >= 300 && status < 400) return `the bucket is at another address: set EndpointInfo and Region${URL.canParse(answered.location ?? "") ? ` (it says ${new URL(answered.location!).host})` : ""}`;
      return [`status ${status}`, code, words].filter((part) => part !== "").join(", ");
  }
}

/** By the clock of the store, which sends its time with each answer. */
function skewS(answered: IncomingHttpHeaders): string {
  const theirsMs = Date.parse(answered.date ?? "");
  return Number.isNaN(theirsMs) ? "many" : String(Math.round(Math.abs(Date.now() - theirsMs) / 1_000));
}
