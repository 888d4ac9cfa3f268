import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run, until } from "../network/lab.ts";
import { Tcp, tcpFrame } from "./xdp-frames.ts";
import { ALL, CLUSTER_MAC, FilterLab, SKIP, VIRTUAL, plan, rule, share } from "./xdp-support.ts";

/** Engines come and go: connections, leases and lists do not notice. */

const LEASE_MS = 700;
const SLOW = 80;
const SHORT = 81;
const CHUNKS = 120;
const CHUNK_BYTES = 2_000;

function giveAddresses(lab: FilterLab): void {
  for (const address of VIRTUAL) run(["ip", "-n", lab.lab.machine(1).namespace, "addr", "add", `${address}/${address.includes(":") ? 128 : 32}`, "dev", "eth0", ...(address.includes(":") ? ["nodad"] : [])]);
}

test("downloads and new connections go on while engines change", { skip: SKIP }, async (t) => {
  const lab = new FilterLab();
  try {
    giveAddresses(lab);
    await lab.make("nftables");
    await lab.host.ask("apply", plan([rule("a", [SLOW, SHORT], "tcp", share("none", ALL))]));
    await lab.host.ask("renew", LEASE_MS);
    await lab.host.ask("slowServer", SLOW, CHUNKS, CHUNK_BYTES, 50);
    await lab.host.ask("slowServer", SHORT, 1, 10, 0);
    const addresses = [VIRTUAL[0], VIRTUAL[2]];
    const downloads = lab.sender.ask<{ bytes: number; problem: string | null }[]>("downloads", Array.from({ length: 30 }, (_, number) => addresses[number % 2]), SLOW);
    const shorts = Promise.all(addresses.map((address) => lab.sender.ask<{ count: number; problems: string[]; longestMs: number }>("many", address, SHORT, 5_000)));
    const names: string[] = [];
    for (const engine of ["xdp", "nftables", "xdp", "nftables", "xdp", "nftables", "xdp"]) {
      await sleep(500);
      await lab.host.ask("use", engine);
      names.push(await lab.host.ask<string>("name"));
      assert.equal(lab.hasProgram(), engine === "xdp");
    }
    for (const { bytes, problem } of await downloads) assert.deepEqual([bytes, problem], [CHUNKS * CHUNK_BYTES, null]);
    for (const { count, problems, longestMs } of await shorts) {
      t.diagnostic(`${count} short connections, the longest ${longestMs.toFixed(0)} ms`);
      assert.deepEqual(problems, []);
      assert.ok(count > 50);
    }
    assert.deepEqual(names, Array.from({ length: 7 }, (_, number) => (number % 2 === 0 ? "XDP in the driver (as configured)" : "nftables (as configured)")));
    const taken = await lab.host.ask<Record<string, number>>("taken");
    t.diagnostic(`taken: ${JSON.stringify(taken)}`);
    assert.ok(taken["a"]! >= 30, "counted over all engines");
    await lab.host.ask("stopRenewing");
    await lab.host.ask("remove");
    assert.equal(lab.hasProgram(), false);
    assert.equal(lab.lab.on(1, ["nft", "list", "ruleset"]).trim(), "");
  } finally {
    await lab.close();
  }
});

test("connections stay while their buckets go, under XDP as under nftables; a new host's stay away", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  try {
    giveAddresses(lab);
    for (const engine of ["nftables", "xdp"] as const) {
      const port = engine === "xdp" ? 82 : SLOW;
      await lab.make(engine);
      await lab.host.ask("apply", plan([rule("a", [port, port], "tcp", share("none", ALL))]));
      await lab.host.ask("renew", LEASE_MS);
      await lab.host.ask("slowServer", port, 30, CHUNK_BYTES, 50);
      const downloads = lab.sender.ask<{ bytes: number; problem: string | null }[]>("downloads", Array.from({ length: 10 }, (_, number) => VIRTUAL[number % 2 === 0 ? 0 : 2]), port);
      await until("the downloads", () => Number(lab.lab.on(1, ["ss", "-Htn", "state", "established", `( sport = ${port} )`]).trim().split("\n").length) >= 10);
      await lab.host.ask("apply", plan([rule("a", [port, port], "tcp", share("none", [], { recentlyLost: ALL }))], { phase: "release", number: 2 }));
      for (const { bytes, problem } of await downloads) assert.deepEqual([bytes, problem], [30 * CHUNK_BYTES, null], engine);
      await lab.host.ask("stopRenewing");
      await lab.host.ask("remove");
    }
  } finally {
    await lab.close();
  }
});

test("clients stay with their host, and away from it, under both engines and across them", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  try {
    await lab.host.ask("probe");
    const sticky = (affinity: "single" | "network", owned: readonly number[]) => plan([rule("s", [80, 80], "tcp", share(affinity, owned, { extendedAffinityMs: 600_000 }))]);
    const syn = (client: string, port = 40_000): Buffer => tcpFrame(CLUSTER_MAC, { client, clientPort: port, server: client.includes(":") ? VIRTUAL[2] : VIRTUAL[0], serverPort: 80 }, Tcp.syn);
    const clients = ["10.1.1.1", "10.1.2.1", "fd01::1", "fd01:0:0:1::1"];
    const neighbours = ["10.1.1.9", "10.1.2.9", "fd01::9", "fd01:0:0:1::9"];
    for (const [from, to] of [["nftables", "xdp"], ["xdp", "nftables"], ["xdp", "xdp"], ["nftables", "nftables"]] as const) {
      for (const affinity of ["single", "network"] as const) {
        const label = `${from} ${to} ${affinity}`;
        await lab.make(from);
        await lab.host.ask("apply", sticky(affinity, ALL));
        await lab.open();
        assert.deepEqual(await lab.passes(clients.map((client) => syn(client))), clients.toSorted(), label);
        const kept = await lab.host.ask<{ client: string; leftMs: number }[]>("staying", "s");
        assert.deepEqual(kept.map(({ client }) => client).sort(), (affinity === "single" ? clients : ["10.1.1.0", "10.1.2.0", "fd01::", "fd01:0:0:1::"]).toSorted(), label);
        assert.ok(kept.every(({ leftMs }) => leftMs > 500_000 && leftMs <= 600_000));
        await lab.host.ask("use", to);
        // Their buckets go; they stay.
        await lab.host.ask("apply", { ...sticky(affinity, []), number: 2 });
        assert.deepEqual(await lab.passes([...clients, "10.1.9.9", "fd01:9::1"].map((client) => syn(client, 41_000))), clients.toSorted(), label);
        assert.deepEqual(await lab.passes(neighbours.map((client) => syn(client, 41_000))), affinity === "network" ? neighbours.toSorted() : [], label);
        // Others' clients are left alone although their buckets are this host's.
        await lab.host.ask("apply", { ...sticky(affinity, ALL), number: 3 });
        const foreign = affinity === "single" ? ["10.1.7.7", "fd01:7::7"] : ["10.1.7.0", "fd01:7::"];
        await lab.host.ask("setAway", "s", foreign.map((client) => ({ client, leftMs: 60_000 })));
        assert.deepEqual(await lab.passes(["10.1.7.7", "fd01:7::7", "10.1.8.1"].map((client) => syn(client))), ["10.1.8.1"], label);
        await lab.host.ask("use", from);
        assert.deepEqual(await lab.passes(["10.1.7.7", "fd01:7::7", "10.1.8.1"].map((client) => syn(client))), ["10.1.8.1"], label);
        await lab.host.ask("setAway", "s", [{ client: foreign[1], leftMs: 1 }]);
        await sleep(20);
        assert.deepEqual(await lab.passes(["10.1.7.7", "fd01:7::7"].map((client) => syn(client))), ["10.1.7.7", "fd01:7::7"], label);
        await lab.host.ask("addStaying", "s", [{ client: affinity === "single" ? "10.1.60.60" : "10.1.60.0", leftMs: 60_000 }]);
        assert.equal((await lab.host.ask<{ client: string }[]>("staying", "s")).some(({ client }) => client.startsWith("10.1.60.")), true);
        await lab.host.ask("remove");
      }
    }
  } finally {
    await lab.close();
  }
});

test("a lease that is open stays open, and one that is closed stays closed, across engines", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  try {
    await lab.host.ask("probe");
    const clients = ["10.1.0.1", "fd01::1"];
    const frames = clients.map((client) => tcpFrame(CLUSTER_MAC, { client, clientPort: 40_000, server: client.includes(":") ? VIRTUAL[2] : VIRTUAL[0], serverPort: 80 }, Tcp.syn));
    await lab.make("nftables");
    await lab.host.ask("apply", plan([rule("a", [80, 80], "tcp", share("none", ALL))]));
    for (const engine of ["xdp", "nftables"]) {
      assert.deepEqual(await lab.passes(frames), []);
      await lab.host.ask("use", engine);
      assert.deepEqual(await lab.passes(frames), [], engine);
    }
    await lab.open(60_000, 4);
    for (const engine of ["xdp", "nftables", "xdp"]) {
      assert.deepEqual(await lab.passes(frames), clients);
      await lab.host.ask("use", engine);
      assert.deepEqual(await lab.passes(frames), clients, engine);
    }
    // A slot that ran out opens nothing, whoever asks; armed anew it does.
    await lab.host.ask("lease", { do: "arm", slot: 5, lengthMs: 1 });
    await sleep(20);
    await lab.host.ask("lease", { do: "point", slot: 5 });
    for (const engine of ["nftables", "xdp"]) {
      assert.deepEqual(await lab.passes(frames), [], engine);
      await lab.host.ask("use", engine);
    }
    await lab.open(60_000, 6);
    assert.deepEqual(await lab.passes(frames), clients);
    await lab.host.ask("lease", { do: "close" });
    assert.deepEqual(await lab.passes(frames), []);
  } finally {
    await lab.close();
  }
});

test("a later life finds what was left, closes it, and takes it away", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  try {
    giveAddresses(lab);
    const wanted = plan([rule("a", [80, 80], "tcp", share("none", ALL))]);
    const frames = ["10.1.0.1"].map((client) => tcpFrame(CLUSTER_MAC, { client, clientPort: 40_000, server: VIRTUAL[0], serverPort: 80 }, Tcp.syn));
    await lab.make("xdp");
    await lab.host.ask("apply", wanted);
    await lab.open();
    // Programs that serve outlive the service.
    const server = lab.anotherLife();
    await server.ask("slowServer", 80, CHUNKS, CHUNK_BYTES, 50);
    const downloads = lab.sender.ask<{ bytes: number; problem: string | null }[]>("downloads", Array.from({ length: 10 }, (_, number) => VIRTUAL[number % 2 === 0 ? 0 : 2]), 80);
    await until("the downloads", () => lab.lab.on(1, ["ss", "-Htn", "state", "established", "( sport = 80 )"]).trim().split("\n").length >= 10);
    lab.host.kill();
    await lab.host.exited;
    assert.equal(lab.hasProgram(), true);
    for (const engine of ["xdp", "nftables"] as const) {
      const host = lab.anotherLife();
      await lab.make(engine, host);
      assert.deepEqual(await host.ask("leftover"), { incarnation: engine === "xdp" ? 1 : 2 });
      await host.ask("probe").catch(() => undefined);
      await host.ask("lease", { do: "close" });
      await host.ask("forget");
      await lab.sender.ask("send", frames.map((frame) => frame.toString("base64")));
      await sleep(50);
      assert.deepEqual((await host.ask<string[]>("seen")).filter((client) => client === "10.1.0.1"), [], "what was left takes nobody");
      await host.ask("apply", wanted);
      assert.equal(lab.hasProgram(), engine === "xdp");
      await host.ask("lease", { do: "arm", slot: 1, lengthMs: 60_000 });
      await host.ask("lease", { do: "point", slot: 1 });
      await lab.sender.ask("send", frames.map((frame) => frame.toString("base64")));
      await until("the client", async () => (await host.ask<string[]>("seen")).includes("10.1.0.1"));
      if (engine === "xdp") {
        // Even when somebody has emptied nftables, the program says whose it is.
        lab.lab.on(1, ["nft", "delete", "table", "inet", "muster_nlb_eth0"]);
        const look = lab.anotherLife();
        await look.ask("make", "nftables", lab.hardwareAddress, 99);
        assert.deepEqual(await look.ask("leftover"), { incarnation: 2 });
        look.kill();
      }
      host.kill();
      await host.exited;
    }
    for (const { bytes, problem } of await downloads) assert.deepEqual([bytes, problem], [CHUNKS * CHUNK_BYTES, null]);
  } finally {
    await lab.close();
  }
});

test("when somebody takes the program off, the tables decide at the next lease", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  try {
    await lab.host.ask("probe");
    await lab.make("xdp");
    await lab.host.ask("apply", plan([rule("a", [80, 80], "tcp", share("none", []))]));
    await lab.open();
    const frames = [tcpFrame(CLUSTER_MAC, { client: "10.1.0.1", clientPort: 40_000, server: VIRTUAL[0], serverPort: 80 }, Tcp.syn)];
    assert.deepEqual(await lab.passes(frames), []);
    lab.lab.on(1, ["ip", "link", "set", "dev", "eth0", "xdp", "off"]);
    await lab.open(60_000, 1);
    assert.match(await lab.host.ask<string>("name"), /^nftables \(somebody took/);
    assert.deepEqual(await lab.passes(frames), []);
    // And back, when it is asked for again.
    await lab.host.ask("use", "xdp");
    assert.match(await lab.host.ask<string>("name"), /^XDP in the driver/);
  } finally {
    await lab.close();
  }
});
