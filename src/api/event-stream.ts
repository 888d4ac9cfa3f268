import type { ServerResponse } from "node:http";

const KEEP_ALIVE_MS = 15_000;
/** Bytes that may wait for a slow reader; beyond, it is cut off and may come again. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** One reader of server-sent events. */
export interface EventStream {
  send(id: string, event: string, data: unknown): void;
}

/** Begins a stream; `follow` starts whatever feeds it and returns how to end that when the reader has gone. */
export function openEventStream(response: ServerResponse, follow: (stream: EventStream) => () => void): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" });
  response.write(": muster\n\n");
  const stop = follow({
    send(id, event, data) {
      if (response.destroyed) return;
      if (response.writableLength > WAITING_BYTES_MAX) response.destroy();
      else response.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    },
  });
  const keepAlive = setInterval(() => response.write(": \n\n"), KEEP_ALIVE_MS);
  response.on("close", () => {
    stop();
    clearInterval(keepAlive);
  });
}
