import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { EngineFacts, FilterEngine } from "../../../src/nlb-filter/choice.ts";
import { chooseEngine } from "../../../src/nlb-filter/choice.ts";
import { clientKey, encodePlan, hotParts, mapped, readClientKey } from "../../../src/nlb-filter/xdp-layout.ts";
import { ALL, VIRTUAL, plan, rule, share } from "./xdp-support.ts";

const FAST: EngineFacts = { adapter: "eth0", hasHardware: true, speedMbit: 25_000, problem: null };

test("the engine is chosen by what the adapter is, and says why", () => {
  const cases: readonly (readonly [FilterEngine, Partial<EngineFacts>, string, boolean, RegExp])[] = [
    ["auto", {}, "xdp", false, /25000 Mbit/],
    ["auto", { speedMbit: 1_000 }, "nftables", false, /1000 Mbit/],
    ["auto", { speedMbit: null }, "nftables", false, /unknown speed/],
    ["auto", { hasHardware: false }, "nftables", false, /virtual/],
    ["auto", { problem: "libbpf.so.1 is missing (Debian: libbpf1)" }, "nftables", false, /libbpf1/],
    ["nftables", {}, "nftables", false, /configured/],
    ["xdp", { hasHardware: false, speedMbit: 10 }, "xdp", true, /configured/],
    ["xdp", { problem: "libbpf.so.1 is missing (Debian: libbpf1)" }, "nftables", false, /XDP is configured, but libbpf/],
  ];
  for (const [wanted, facts, engine, mayRunInStack, reason] of cases) {
    const choice = chooseEngine(wanted, { ...FAST, ...facts });
    assert.deepEqual([choice.engine, choice.mayRunInStack], [engine, mayRunInStack]);
    assert.match(choice.reason, reason);
  }
});

test("clients and addresses come back as they were put in", () => {
  for (const client of ["10.1.2.3", "fd77::1", "::1", "2001:db8:1:2:3:4:5:6"]) assert.deepEqual(readClientKey(clientKey(7, client)), [7, client]);
  assert.equal(mapped("10.1.2.3").toString("hex"), "00000000000000000000ffff0a010203");
});

test("a plan of 64 rules fits, and those of one address come first", () => {
  const rules = Array.from({ length: 64 }, (_, number) => rule(`r${number}`, [number + 1, number + 1], "both", share("none", ALL), number === 63 ? VIRTUAL[1] : null));
  const bytes = encodePlan(plan(rules), (key) => Number(key.slice(1)));
  assert.equal(bytes.length, 5_656);
  assert.equal(bytes.readUInt32LE(0), 64);
  assert.deepEqual([bytes.readUInt16LE(24), bytes[29], bytes[31]], [64, 1, 63]);
  assert.deepEqual([bytes.readUInt16LE(32), bytes[37], bytes[39]], [1, 0xff, 0]);
  // 240 buckets: the last word has 48 bits.
  assert.equal(bytes.readBigUInt64LE(24 + 64 * 8 + 16 + 24), 0xffff_ffff_ffffn);
});

test("parts that may have connections are those that are owned or were lost recently", () => {
  const web = rule("a", [80, 80], "tcp", share("none", [1, 2], { recentlyLost: [5] }));
  assert.deepEqual([...hotParts(plan([web]), web).entries()].filter(([, hot]) => hot === 1).map(([part]) => part), [1, 2, 5]);
  assert.equal(hotParts(plan([web], { isMember: false }), web).includes(1), false);
  assert.equal(hotParts(plan([]), null)[0], 0);
  assert.equal(hotParts(plan([], { wasDefaultHost: true }), null)[0], 1);
});

const clang = /version (\d+)/.exec(spawnSync("clang", ["--version"], { encoding: "utf8" }).stdout ?? "")?.[1];

test("the object in the repository is what its sources make", { skip: clang === "14" ? false : `needs clang 14, llvm and libbpf-dev; there is ${clang === undefined ? "none" : `clang ${clang}`}` }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", fileURLToPath(new URL("../../../scripts/build-xdp.ts", import.meta.url)), "--check"], { encoding: "utf8", timeout: 120_000, killSignal: "SIGKILL" });
  assert.equal(status, 0, `${stdout}${stderr}`);
});
