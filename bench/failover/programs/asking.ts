import { connect } from "node:net";

/**
 * The client: a request every few milliseconds, each on a connection of its own, and on stdout what became of it:
 * [begun, received, node, process], times in milliseconds of CLOCK_MONOTONIC, null = never.
 * ADDRESS PORT EVERY_MS LIMIT_MS
 */
type Line = readonly [begunMs: number, receivedMs: number | null, node: string | null, processId: number | null];

const [address = "", port = "", everyMs = "", limitMs = ""] = process.argv.slice(2);
const WRITE_EVERY_MS = 50;
let lines: Line[] = [];

function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

function ask(): void {
  const begunMs = nowMs();
  let text = "";
  let isOver = false;
  const socket = connect({ host: address, port: Number(port), noDelay: true });
  const end = (reply: string | undefined): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    // No trace of it shall stay in the table of connections: there are a hundred a second.
    socket.resetAndDestroy();
    const [node = null, processId = null] = reply?.split(" ") ?? [];
    lines.push([begunMs, node === null ? null : nowMs(), node, processId === null ? null : Number(processId)]);
  };
  const timer = setTimeout(() => end(undefined), Number(limitMs));
  socket.setEncoding("utf8");
  socket.on("connect", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
  socket.on("data", (piece: string) => (text += piece));
  socket.on("end", () => end(text.split("\r\n\r\n")[1]));
  socket.on("error", () => end(undefined));
}

setInterval(ask, Number(everyMs));
setInterval(() => {
  const written = lines;
  lines = [];
  if (written.length > 0) process.stdout.write(`${written.map((line) => JSON.stringify(line)).join("\n")}\n`);
}, WRITE_EVERY_MS);
