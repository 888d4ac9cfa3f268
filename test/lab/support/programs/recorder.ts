import { connect } from "node:net";
import type { Socket } from "node:net";

/**
 * The client of a clustered role: asks every few milliseconds over a connection of its own, and over one that it
 * keeps as long as it lives, and says on stdout what became of each request:
 * [kind, connection, begun, sent, received, node, generation], times in milliseconds of CLOCK_MONOTONIC, null = never.
 * ADDRESS PORT EVERY_MS LIMIT_MS
 */
type Record = readonly [kind: "own" | "kept", connection: number, begunMs: number, sentMs: number | null, receivedMs: number | null, node: string | null, generation: number | null];
interface Reply {
  readonly id: number;
  readonly node: string;
  readonly generation: number;
}

const [address = "", port = "", everyMs = "", limitMs = ""] = process.argv.slice(2);
const WRITE_EVERY_MS = 50;
/** A kept connection on which more is unanswered than this is not written to. */
const PENDING_MAX = 1_000;
const RECONNECT_MS = 20;
let records: Record[] = [];
let connections = 0;

function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

function onReplies(socket: Socket, handle: (reply: Reply) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (piece: string) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const line of lines) handle(JSON.parse(line) as Reply);
  });
}

function askOnce(): void {
  const connection = ++connections;
  const begunMs = nowMs();
  let sentMs: number | null = null;
  const socket = connect({ host: address, port: Number(port), noDelay: true });
  const end = (reply: Reply | null): void => {
    if (socket.destroyed) return;
    clearTimeout(timer);
    // No trace of it shall stay in the table of connections: there are hundreds a second.
    socket.resetAndDestroy();
    records.push(["own", connection, begunMs, sentMs, reply === null ? null : nowMs(), reply?.node ?? null, reply?.generation ?? null]);
  };
  const timer = setTimeout(() => end(null), Number(limitMs));
  socket.on("connect", () => {
    sentMs = nowMs();
    socket.write(`${connection}\n`);
  });
  socket.on("error", () => {
    clearTimeout(timer);
    records.push(["own", connection, begunMs, sentMs, null, null, null]);
  });
  onReplies(socket, end);
}

function keepAsking(): void {
  const connection = ++connections;
  const pending = new Map<number, number>();
  let id = 0;
  let timer: NodeJS.Timeout | undefined;
  const socket = connect({ host: address, port: Number(port), noDelay: true, timeout: Number(limitMs) });
  const over = (): void => {
    clearInterval(timer);
    for (const sentMs of pending.values()) records.push(["kept", connection, sentMs, sentMs, null, null, null]);
    pending.clear();
    setTimeout(keepAsking, RECONNECT_MS);
  };
  socket.on("timeout", () => {
    if (socket.connecting) socket.destroy();
  });
  socket.on("connect", () => {
    timer = setInterval(() => {
      if (pending.size >= PENDING_MAX) return;
      const sentMs = nowMs();
      pending.set(++id, sentMs);
      socket.write(`${id}\n`);
    }, Number(everyMs));
  });
  onReplies(socket, (reply) => {
    const sentMs = pending.get(reply.id)!;
    pending.delete(reply.id);
    records.push(["kept", connection, sentMs, sentMs, nowMs(), reply.node, reply.generation]);
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", over);
}

setInterval(askOnce, Number(everyMs));
keepAsking();
setInterval(() => {
  const written = records;
  records = [];
  if (written.length > 0) process.stdout.write(`${written.map((record) => JSON.stringify(record)).join("\n")}\n`);
}, WRITE_EVERY_MS);
