import assert from "node:assert/strict";
import { test } from "node:test";
import { run, until } from "../network/lab.ts";
import { parseTracked } from "../../../src/nlb-filter/xdp-connections.ts";
import { Tcp, tcpFrame } from "./xdp-frames.ts";
import { ALL, CLUSTER_MAC, FilterLab, SKIP, VIRTUAL, plan, rule, share } from "./xdp-support.ts";

/** Which connections the program holds for open, and for over. */

test("tracked connections are read from the kernel's text", () => {
  const text = [
    "ipv4     2 tcp      6 431999 ESTABLISHED src=10.77.0.2 dst=10.77.0.100 sport=40000 dport=80 src=10.77.0.100 dst=10.77.0.2 sport=80 dport=40000 [ASSURED] mark=0 zone=0 use=2",
    "ipv4     2 tcp      6 110 SYN_SENT src=10.77.0.3 dst=10.77.0.100 sport=40001 dport=80 [UNREPLIED] src=10.77.0.100 dst=10.77.0.3 sport=80 dport=40001 mark=0 use=2",
    "ipv4     2 tcp      6 431999 ESTABLISHED src=10.77.0.2 dst=10.77.0.1 sport=40000 dport=22 src=10.77.0.1 dst=10.77.0.2 sport=22 dport=40000 [ASSURED] mark=0 use=2",
    "ipv6     10 tcp      6 118 TIME_WAIT src=fd77:0000:0000:0000:0000:0000:0000:0002 dst=fd77:0000:0000:0000:0000:0000:0000:0100 sport=40002 dport=80 src=fd77:0000:0000:0000:0000:0000:0000:0100 dst=fd77:0000:0000:0000:0000:0000:0000:0002 sport=80 dport=40002 [ASSURED] mark=0 use=2",
    "ipv4     2 tcp      6 431999 ESTABLISHED src=10.77.0.4 dst=10.77.0.100 sport=40003 dport=80 zone-orig=3 packets=5 bytes=300 src=172.17.0.2 dst=10.77.0.4 sport=8080 dport=40003 packets=4 bytes=900 [ASSURED] mark=0 use=2",
    "ipv4     2 tcp      6 110 SYN_SENT src=10.77.0.3 dst=10.77.0.100 sport=40004 dport=80 packets=1 bytes=60 [UNREPLIED] src=10.77.0.100 dst=10.77.0.3 sport=80 dport=40004 packets=0 bytes=0 mark=0 use=2",
    "ipv4     2 udp      17 29 src=10.77.0.2 dst=10.77.0.100 sport=40000 dport=53 src=10.77.0.100 dst=10.77.0.2 sport=53 dport=40000 mark=0 use=2",
  ].join("\n");
  assert.deepEqual(parseTracked(text, VIRTUAL), [
    { client: "10.77.0.2", clientPort: 40_000, server: "10.77.0.100", serverPort: 80, isClosing: false, state: "ESTABLISHED", answersFrom: "10.77.0.100" },
    { client: "fd77::2", clientPort: 40_002, server: "fd77::100", serverPort: 80, isClosing: true, state: "TIME_WAIT", answersFrom: "fd77::100" },
    { client: "10.77.0.4", clientPort: 40_003, server: "10.77.0.100", serverPort: 80, isClosing: false, state: "ESTABLISHED", answersFrom: "172.17.0.2" },
  ]);
});

test("a connection is over when another host answers its ports, or nobody looked for a while", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  try {
    await lab.host.ask("probe");
    await lab.make("xdp");
    let number = 0;
    const apply = (owned: readonly number[], recentlyLost: readonly number[]): Promise<void> => lab.host.ask("apply", plan([rule("a", [80, 80], "tcp", share("none", owned, { recentlyLost }))], { number: ++number }));
    await apply(ALL, []);
    await lab.open();
    const clients = ["10.1.0.1", "fd01::1"];
    const frames = (flags: number, sequence: number): Buffer[] => clients.map((client) => tcpFrame(CLUSTER_MAC, { client, clientPort: 40_000, server: client.includes(":") ? VIRTUAL[2] : VIRTUAL[0], serverPort: 80 }, flags, { sequence }));
    assert.deepEqual(await lab.passes(frames(Tcp.ack, 1_001)), [], "not open yet");
    assert.deepEqual(await lab.passes(frames(Tcp.syn, 1_000)), clients);
    assert.deepEqual(await lab.passes(frames(Tcp.ack, 1_001)), clients);
    // Its bucket goes; it stays.
    await apply([], ALL);
    assert.deepEqual(await lab.passes(frames(Tcp.ack, 1_001)), clients);
    assert.deepEqual(await lab.passes(frames(Tcp.syn, 1_000)), [], "the same SYN again is the new owner's");
    assert.deepEqual(await lab.passes(frames(Tcp.ack, 1_001)), clients, "and ends nothing");
    assert.deepEqual(await lab.passes(frames(Tcp.syn, 2_000)), []);
    assert.deepEqual(await lab.passes(frames(Tcp.ack, 2_001)), [], "the ports have another connection, with another host");
    // The bucket comes back, and is lost for good, and comes back.
    await apply(ALL, []);
    assert.deepEqual(await lab.passes(frames(Tcp.syn, 3_000)), clients);
    assert.deepEqual(await lab.passes(frames(Tcp.ack, 3_001)), clients);
    await apply([], []);
    assert.deepEqual(await lab.passes(frames(Tcp.ack, 3_001)), []);
    await apply(ALL, []);
    assert.deepEqual(await lab.passes(frames(Tcp.ack, 3_001)), [], "it may be another host's by now");
    assert.deepEqual(await lab.passes(frames(Tcp.syn, 4_000)), clients);
    assert.deepEqual(await lab.passes(frames(Tcp.ack, 4_001)), clients);
  } finally {
    await lab.close();
  }
});

test("what is passed on to a container is known to the program too", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  try {
    run(["ip", "-n", lab.lab.machine(1).namespace, "addr", "add", `${VIRTUAL[0]}/32`, "dev", "eth0"]);
    const inside = lab.lab.behind(1, "inner", "10.88.0.2");
    lab.lab.on(1, ["nft", `table ip passing { chain to { type nat hook prerouting priority dstnat; ip daddr ${VIRTUAL[0]} tcp dport 80 dnat to 10.88.0.2:80; }; }`]);
    const container = lab.inNamespace(inside);
    await container.ask("slowServer", 80, 80, 2_000, 50);
    await lab.make("nftables");
    await lab.host.ask("apply", plan([rule("a", [80, 80], "tcp", share("none", ALL))]));
    await lab.open();
    const downloads = lab.sender.ask<{ bytes: number; problem: string | null }[]>("downloads", Array.from({ length: 10 }, () => VIRTUAL[0]), 80);
    await until("the downloads", () => run(["ip", "netns", "exec", inside, "ss", "-Htn", "state", "established"]).trim().split("\n").length >= 10);
    for (const engine of ["xdp", "nftables", "xdp"]) await lab.host.ask("use", engine);
    for (const { bytes, problem } of await downloads) assert.deepEqual([bytes, problem], [160_000, null]);
  } finally {
    await lab.close();
  }
});

test("connections that nobody tracked are found among the kernel's sockets", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  try {
    for (const address of VIRTUAL) run(["ip", "-n", lab.lab.machine(1).namespace, "addr", "add", `${address}/${address.includes(":") ? 128 : 32}`, "dev", "eth0", ...(address.includes(":") ? ["nodad"] : [])]);
    await lab.host.ask("slowServer", 80, 80, 2_000, 50);
    // No rule names connections yet, so the kernel does not follow them.
    const downloads = lab.sender.ask<{ bytes: number; problem: string | null }[]>("downloads", Array.from({ length: 10 }, (_, number) => VIRTUAL[number % 2 === 0 ? 0 : 2]), 80);
    await until("the downloads", () => lab.lab.on(1, ["ss", "-Htn", "state", "established", "( sport = 80 )"]).trim().split("\n").length >= 10);
    await lab.make("xdp");
    await lab.host.ask("apply", plan([rule("a", [80, 80], "tcp", share("none", [], { recentlyLost: ALL }))]));
    for (const { bytes, problem } of await downloads) assert.deepEqual([bytes, problem], [160_000, null]);
  } finally {
    await lab.close();
  }
});
