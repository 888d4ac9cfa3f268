import { Agent, request } from "node:http";
import { connect as connectHttp2, constants } from "node:http2";

/**
 * Writers that each set a key of their own again and again, each over a connection of its own and with one update on its way.
 * Prints what came back in the measured time: {"updates", "seconds", "latenciesMs"}.
 * KIND (muster | etcd) WHERE (path of the socket | host:port) WRITERS WARM_UP_MS MEASURE_MS
 */
const [kind, where, writersText, warmUpText, measureText] = process.argv.slice(2);
const writers = Number(writersText);
const REQUEST_LIMIT_MS = 20_000;

/** One update of Muster's Cluster Database, over its API. */
function musterWriter(agent) {
  return (key, value) => {
    const body = JSON.stringify({ operations: [{ operation: "set", key, value: { type: "number", value } }] });
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: where, agent, method: "POST", path: "/v1/database/batch", headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) }, timeout: REQUEST_LIMIT_MS }, (response) => {
        response.resume();
        response.on("end", () => (response.statusCode >= 200 && response.statusCode < 300 ? resolve() : reject(new Error(`status ${response.statusCode}`))));
        response.on("error", reject);
      });
      call.on("timeout", () => call.destroy(new Error("no answer in time")));
      call.on("error", reject);
      call.end(body);
    });
  };
}

/** One Put of etcd, over gRPC as its own clients speak it: HTTP/2 without TLS, and two fields of protocol buffers. */
function etcdWriter() {
  const session = connectHttp2(`http://${where}`);
  session.on("error", () => {});
  return (key, value) => {
    const put = Buffer.concat([field(1, key), field(2, String(value))]);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(put.length, 1);
    return new Promise((resolve, reject) => {
      const stream = session.request({ ":method": "POST", ":path": "/etcdserverpb.KV/Put", "content-type": "application/grpc", te: "trailers" });
      let status = null;
      stream.setTimeout(REQUEST_LIMIT_MS, () => stream.close(constants.NGHTTP2_CANCEL));
      stream.on("response", (headers) => (status ??= headers["grpc-status"] ?? null));
      stream.on("trailers", (headers) => (status = headers["grpc-status"] ?? status));
      stream.on("data", () => {});
      stream.on("error", reject);
      stream.on("close", () => (String(status) === "0" ? resolve() : reject(new Error(`grpc-status ${status}`))));
      stream.end(Buffer.concat([head, put]));
    });
  };
}

/** A field of bytes shorter than 128. */
function field(number, text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

const latenciesMs = [];
const agent = new Agent({ keepAlive: true, maxSockets: writers });
const beginMs = performance.now() + Number(warmUpText);
const endMs = beginMs + Number(measureText);
await Promise.all(
  Array.from({ length: writers }, async (_, writer) => {
    const write = kind === "etcd" ? etcdWriter() : musterWriter(agent);
    for (let value = 0; ; value++) {
      const sentMs = performance.now();
      if (sentMs >= endMs) return;
      await write(`bench/${writer}`, value);
      const doneMs = performance.now();
      // Only what was acknowledged within the measured time counts.
      if (sentMs >= beginMs && doneMs < endMs) latenciesMs.push(doneMs - sentMs);
    }
  }),
);
process.stdout.write(JSON.stringify({ updates: latenciesMs.length, seconds: Number(measureText) / 1_000, latenciesMs }), () => process.exit(0));
