import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import type { Affinity } from "../../../src/nlb/filter-contract.ts";
import { BUCKETS } from "../../../src/nlb/filter-contract.ts";

/**
 * Run inside a network name space of its own: sends packets from many addresses over loopback and
 * prints which bucket nftables put each client into.
 */

export interface Sample {
  readonly family: 4 | 6;
  readonly client: string;
  readonly port: number;
  readonly affinity: Affinity;
  readonly seed: number;
  readonly bucket: number;
}

const SEED = 0xcafe;
const TARGET_PORT = 9;
const EXPRESSIONS: readonly (readonly [4 | 6, Affinity, string])[] = [
  [4, "none", "jhash ip saddr . th sport"],
  [4, "single", "jhash ip saddr"],
  [4, "network", "jhash @nh,96,24"],
  [6, "none", "jhash ip6 saddr . th sport"],
  [6, "single", "jhash ip6 saddr"],
  [6, "network", "jhash @nh,64,64"],
];

function run(program: string, words: readonly string[], input = ""): string {
  const done = spawnSync(program, words, { encoding: "utf8", input, timeout: 20_000, killSignal: "SIGKILL" });
  if (done.status !== 0) throw new Error(`${program} ${words.join(" ")}: ${done.stderr}`);
  return done.stdout;
}

function rules(): string {
  const sets = EXPRESSIONS.map(([family, affinity]) => `set s${family}${affinity} {\n type ipv${family}_addr . inet_service . mark\n flags dynamic\n size 65535\n}\n`);
  const lines = EXPRESSIONS.map(([family, affinity, expression]) => {
    const address = family === 4 ? "ip" : "ip6";
    return `add rule inet probe out udp dport ${TARGET_PORT} meta nfproto ipv${family} meta mark set ${expression} mod ${BUCKETS} seed ${SEED} update @s${family}${affinity} { ${address} saddr . th sport . meta mark }\n`;
  });
  return `table inet probe {\n${sets.join("")}chain out {\n type filter hook output priority 0\n}\n}\n${lines.join("")}`;
}

async function send(from: string, to: string, port: number): Promise<void> {
  const socket = createSocket(from.includes(":") ? "udp6" : "udp4");
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.bind(port, from, () => socket.send(Buffer.alloc(1), TARGET_PORT, to, (error) => (error ? reject(error) : resolve())));
  });
  socket.close();
}

async function main(): Promise<void> {
  run("ip", ["link", "set", "lo", "up"]);
  run("nft", ["-f", "-"], rules());
  const clients: (readonly [string, string])[] = [];
  for (let number = 0; number < 100; number++) {
    const spread = (number * 2_654_435_761) >>> 0;
    clients.push([`127.${spread >>> 24}.${(spread >>> 16) & 0xff}.${1 + (spread & 0x7f)}`, "127.0.0.1"]);
    const address = `fd${(spread >>> 24).toString(16).padStart(2, "0")}:${(spread >>> 12 & 0xfff).toString(16)}:1:${number.toString(16)}::${(spread & 0xffff).toString(16)}:${number + 1}`;
    run("ip", ["-6", "address", "add", `${address}/128`, "dev", "lo", "nodad"]);
    clients.push([address, "::1"]);
  }
  let port = 20_000;
  for (const [from, to] of clients) await send(from, to, (port += 201));
  const samples: Sample[] = [];
  for (const [family, affinity] of EXPRESSIONS) {
    const listed = JSON.parse(run("nft", ["-j", "list", "set", "inet", "probe", `s${family}${affinity}`])) as { nftables: readonly { readonly set?: { readonly elem?: readonly { readonly concat: readonly [string, number, number] }[] } }[] };
    for (const { concat } of listed.nftables.flatMap(({ set }) => set?.elem ?? [])) samples.push({ family, client: concat[0], port: Number(concat[1]), affinity, seed: SEED, bucket: Number(concat[2]) });
  }
  process.stdout.write(JSON.stringify(samples));
}

if (process.argv[1] === import.meta.filename) await main();
