import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { addressBytes } from "../../../src/model/addresses.ts";
import { BUCKETS } from "../../../src/nlb/filter-contract.ts";
import { bucketOf, hashKey, jhash, scale } from "../../../src/nlb/hash.ts";
import type { Sample } from "./kernel-hash.ts";

/** What the kernel (6.18, x86-64, nftables 1.0.6) computed for packets from these clients, seed 0xcafe: see the last test. */
const VECTORS = [
  ["127.159.128.59", 56_381, 1, 165, 38],
  ["127.12.47.128", 39_095, 2, 229, 78],
  ["127.69.64.96", 26_231, 10, 6, 213],
  ["127.133.13.68", 40_703, 11, 17, 120],
  ["fdca:4d5:1:42::5fa2:67", 46_934, 1, 78, 183],
  ["fdef:a6f:1:3f::f28f:64", 45_728, 2, 48, 78],
  ["fd76:c90:1:3b::bcb:60", 44_120, 7, 92, 95],
  ["fd5c:558:1:14::81d4:21", 28_442, 8, 20, 3],
] as const;

test("the hash is the kernel's, for clients that it was asked about once", () => {
  for (const [client, port, none, single, network] of VECTORS) {
    const bytes = addressBytes(client, "client");
    assert.deepEqual([bucketOf(bytes, port, "none", 0xcafe), bucketOf(bytes, port, "single", 0xcafe), bucketOf(bytes, port, "network", 0xcafe)], [none, single, network], client);
  }
});

test("keys are laid out as nftables does it", () => {
  assert.deepEqual([...hashKey(addressBytes("10.1.2.3", "client"), 0x1234, "none")], [10, 1, 2, 3, 0x12, 0x34, 0, 0]);
  assert.deepEqual([...hashKey(addressBytes("10.1.2.3", "client"), 0x1234, "single")], [10, 1, 2, 3]);
  assert.deepEqual([...hashKey(addressBytes("10.1.2.3", "client"), 0x1234, "network")], [10, 1, 2]);
  assert.equal(hashKey(addressBytes("fd00::1", "client"), 1, "none").length, 20);
  assert.equal(hashKey(addressBytes("fd00::1", "client"), 1, "network").length, 8);
});

test("a bucket is a share of the hash, not a remainder, and an empty key hashes to the start", () => {
  assert.equal(scale(0), 0);
  assert.equal(scale(0xffff_ffff), BUCKETS - 1);
  assert.equal(jhash(new Uint8Array(0), 0), 0xdeadbeef);
});

test("clients spread evenly over the buckets", () => {
  const counts = Array.from({ length: BUCKETS }, () => 0);
  for (let client = 0; client < 120_000; client++) counts[bucketOf(Uint8Array.of(10, client >> 16, (client >> 8) & 0xff, client & 0xff), 0, "single", 7)]! += 1;
  const expected = 120_000 / BUCKETS;
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 99.99 % of random spreads over 240 buckets are below.
  assert.ok(chiSquare < 330, `${chiSquare}`);
});

const canAskKernel = process.getuid?.() === 0 && ["/usr/sbin/nft", "/usr/bin/unshare"].every((program) => existsSync(program));

test("the kernel computes the same for packets of 600 clients", { skip: canAskKernel ? false : "needs root, nftables and unshare" }, () => {
  // A network name space of its own, which ends with the process.
  const script = fileURLToPath(new URL("kernel-hash.ts", import.meta.url));
  const asked = spawnSync("unshare", ["--net", process.execPath, "--disable-warning=ExperimentalWarning", script], { encoding: "utf8", timeout: 60_000, killSignal: "SIGKILL" });
  assert.equal(asked.status, 0, asked.stderr);
  const samples = JSON.parse(asked.stdout) as Sample[];
  const seen = new Set(samples.map(({ family, affinity }) => `${family} ${affinity}`));
  assert.equal(seen.size, 6, [...seen].join(", "));
  assert.ok(samples.length >= 600, `${samples.length} samples`);
  for (const { client, port, affinity, seed, bucket } of samples) {
    assert.equal(bucketOf(addressBytes(client, "client"), port, affinity, seed), bucket, `${client} ${port} ${affinity} ${seed}`);
  }
});
