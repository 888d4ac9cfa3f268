import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import koffi from "koffi";
import { adapterIndex } from "../src/network/sockets.ts";
import { Nftables } from "../src/network/nftables.ts";
import { NftFilter } from "../src/nlb-filter/nft-filter.ts";
import { XdpFront } from "../src/nlb-filter/xdp-front.ts";
import { BUCKETS } from "../src/nlb/filter-contract.ts";
import type { FilterPlan } from "../src/nlb/filter-contract.ts";
import { Tcp, tcpFrame, udpFrame } from "../test/unit/nlb-filter/xdp-frames.ts";
import { goal, print, summarize } from "./report.ts";

/**
 * What it costs a host to drop a packet that is another's: `node bench/nlb-discard.ts [--json]`. The kernel makes the
 * frames itself (test runs of BPF with live frames), each from another client, and hands them to the program of XDP, or to
 * the stack, where nftables drops them at the ingress. Counted is the processor's time, which other processes do not change.
 * Needs root, clang, libbpf-dev and Linux 5.18.
 */

const ROUNDS = 7;
const FRAMES = 500_000;
const LIVE_FRAMES = 2;
const OPTIONS_BYTES = 80;
const ADAPTER = "eth0";
const MAC = "03:bf:0a:4d:00:64";
const SERVER = "10.77.0.100";

const own = fileURLToPath(import.meta.url);
if (!process.argv.includes("--inside")) {
  const { status } = spawnSync("unshare", ["--net", process.execPath, "--disable-warning=ExperimentalWarning", own, "--inside", ...process.argv.slice(2)], { stdio: "inherit", timeout: 300_000, killSignal: "SIGKILL" });
  process.exit(status ?? 1);
}

const testRun = koffi.load("libbpf.so.1").func("int bpf_prog_test_run_opts(int program, _Inout_ uint8_t *options)") as (program: number, options: Buffer) => number;

function command(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(words[0]!, words.slice(1), { encoding: "utf8", timeout: 60_000, killSignal: "SIGKILL" });
  if (status !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** The filter behind something that makes its packets. */
async function generator(program: string): Promise<XdpFront> {
  const directory = mkdtempSync(join(tmpdir(), "muster-bench-"));
  try {
    const object = join(directory, "generator.o");
    command("clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", `-I/usr/include/${command("clang", "-print-multiarch")}`, "-c", join(dirname(own), "nlb-discard.bpf.c"), "-o", object);
    return await XdpFront.load(ADAPTER, 1, object, program);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @returns nanoseconds of the processor for each frame */
function cost(program: number, frame: Buffer, frames: number): number {
  const data = koffi.alloc("uint8_t", frame.length);
  const context = koffi.alloc("uint32_t", 6);
  try {
    koffi.encode(data, "uint8_t", [...frame], frame.length);
    koffi.encode(context, "uint32_t", [0, frame.length, 0, adapterIndex(ADAPTER), 0, 0], 6);
    const options = Buffer.alloc(OPTIONS_BYTES);
    options.writeBigUInt64LE(BigInt(OPTIONS_BYTES), 0);
    options.writeBigUInt64LE(BigInt(koffi.address(data)), 8);
    options.writeUInt32LE(frame.length, 24);
    options.writeBigUInt64LE(BigInt(koffi.address(context)), 32);
    options.writeUInt32LE(24, 48);
    options.writeInt32LE(frames, 60);
    options.writeUInt32LE(LIVE_FRAMES, 68);
    const before = process.cpuUsage();
    const result = testRun(program, options);
    const { user, system } = process.cpuUsage(before);
    if (result !== 0) throw new Error(`the test run: error ${-result}`);
    return ((user + system) * 1_000) / frames;
  } finally {
    koffi.free(data);
    koffi.free(context);
  }
}

const plan: FilterPlan = {
  number: 1, phase: "take", map: "-", isMember: true, operationMode: "multicast", hardwareAddress: MAC, maskedHardwareAddress: null, multicastGroup: null,
  virtualAddresses: [{ address: SERVER, family: 4 }],
  // An eighth is this host's, but nothing at the port that is asked for: everything is to be dropped.
  rules: [
    { key: "web", virtualAddress: null, startPort: 80, endPort: 80, protocol: "both", action: { kind: "share", affinity: "none", seed: 0xcafe, owned: Array.from({ length: BUCKETS / 8 }, (_, number) => number), recentlyLost: [], extendedAffinityMs: 0 } },
    { key: "others", virtualAddress: null, startPort: 443, endPort: 443, protocol: "both", action: { kind: "share", affinity: "none", seed: 0xcafe, owned: [], recentlyLost: [], extendedAffinityMs: 0 } },
  ],
  isDefaultHost: false, wasDefaultHost: false, filtersIcmp: false,
};

command("ip", "link", "add", ADAPTER, "type", "veth", "peer", "name", "peer");
for (const name of [ADAPTER, "peer", "lo"]) command("ip", "link", "set", name, "up");
const fronts = { floor: await generator("to_nobody"), XDP: await generator("to_filter"), nftables: await generator("to_stack") };
fronts.XDP.apply(plan);
fronts.XDP.arm(0, process.hrtime.bigint() + 600_000_000_000n);
fronts.XDP.point(0);
const tables = new NftFilter(new Nftables(), { adapter: ADAPTER, hardwareAddress: "0a:00:00:00:00:01" }, 1);
tables.apply(plan);
tables.lease({ do: "arm", slot: 0, lengthMs: 600_000 });
tables.lease({ do: "point", slot: 0 });

const flow = { client: "10.1.0.1", clientPort: 1, server: SERVER, serverPort: 443 };
const FRAME_KINDS = { SYN: tcpFrame(MAC, flow, Tcp.syn), ACK: tcpFrame(MAC, flow, Tcp.ack), UDP: udpFrame(MAC, flow) };
const times = new Map<string, number[]>();
try {
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [kind, frame] of Object.entries(FRAME_KINDS)) {
      for (const [path, { descriptor }] of Object.entries(fronts)) {
        const name = `${path}, ${kind}`;
        const nanoseconds = cost(descriptor, frame, FRAMES);
        // The first round warms up.
        if (round > 0) times.set(name, [...(times.get(name) ?? []), nanoseconds]);
      }
    }
  }
} finally {
  for (const front of Object.values(fronts)) front.close();
  tables.remove();
}

const results = [...times].map(([name, values]) => summarize(name, "ns per packet", values));
const median = (name: string): number => results.find((one) => one.case === name)!.median;
const kinds = Object.keys(FRAME_KINDS);
const goals = kinds.flatMap((kind) => [
  goal(`XDP, ${kind}: million packets dropped per second of one processor`, 1_000 / median(`XDP, ${kind}`), ">= 5"),
  goal(`XDP, ${kind}: times as many as nftables at the ingress`, median(`nftables, ${kind}`) / median(`XDP, ${kind}`), ">= 5"),
]);
print("discarding what is another host's", results, goals, process.argv.includes("--json"));
process.exit(0);
