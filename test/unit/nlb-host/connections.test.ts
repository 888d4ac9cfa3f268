import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { endianness, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { awayFrom } from "../../../src/nlb-host/affinity.ts";
import { countByRule, forwarded, keyOf, parseSockets } from "../../../src/nlb-host/connections.ts";
import type { TrackedConnection } from "../../../src/nlb-filter/xdp-connections.ts";
import { virtualAddresses } from "../../../src/nlb/parameters.ts";
import { readKernelTable } from "../../../src/platform/kernel-file.ts";
import { cluster, rule } from "../nlb/support.ts";

const CLUSTER = cluster([rule(), rule({ virtualAddress: "fd77::10", startPort: 80, endPort: 90 }), rule({ protocol: "udp", startPort: 53, endPort: 53 })]);
const VIRTUAL = virtualAddresses(CLUSTER);
const HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const line = (local: string, remote: string, state: string): string => `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0`;
/** As a machine with the lowest byte first writes them. */
const TEN = "0A004D0A";
const MAPPED_TEN = `0000000000000000FFFF0000${TEN}`;
const SIX_TEN = "000077FD000000000000000010000000";
const CLIENT = "0200000A";
const SIX_CLIENT = "B80D0120000000000000000002000000";

describe("open connections", () => {
  test("are read from the kernel's sockets, of virtual addresses alone", { skip: endianness() !== "LE" }, () => {
    const four = [HEADING, line(`${TEN}:0050`, "00000000:0000", "0A"), line(`${TEN}:0050`, `${CLIENT}:9C40`, "01"), line(`${TEN}:0050`, `${CLIENT}:9C41`, "06"), line(`${TEN}:0050`, `${CLIENT}:9C42`, "08"), line(`0100007F:0050`, `${TEN}:0050`, "01"), ""].join("\n");
    assert.deepEqual(parseSockets(four, VIRTUAL), [40_000, 40_002].map((clientPort) => ({ client: "10.0.0.2", clientPort, address: "10.77.0.10", port: 80, forwardedTo: null })));
    const six = [HEADING, line(`${MAPPED_TEN}:0050`, `0000000000000000FFFF0000${CLIENT}:9C40`, "01"), line(`${SIX_TEN}:0055`, `${SIX_CLIENT}:9C40`, "01"), ""].join("\n");
    assert.deepEqual(parseSockets(six, VIRTUAL), [
      { client: "10.0.0.2", clientPort: 40_000, address: "10.77.0.10", port: 80, forwardedTo: null },
      { client: "2001:db8::2", clientPort: 40_000, address: "fd77::10", port: 85, forwardedTo: null },
    ]);
    assert.deepEqual(parseSockets("", VIRTUAL), []);
  });

  test("that are passed on are those of which another address answers, until both sides have ended", () => {
    const tracked = (state: string, answersFrom: string): TrackedConnection => ({ client: "10.0.0.2", clientPort: 40_000, server: "10.77.0.10", serverPort: 80, isClosing: false, state, answersFrom });
    const found = forwarded([tracked("ESTABLISHED", "10.77.0.10"), tracked("ESTABLISHED", "172.17.0.2"), tracked("CLOSE_WAIT", "172.17.0.3"), ...["LAST_ACK", "TIME_WAIT", "CLOSE"].map((state) => tracked(state, "172.17.0.4"))]);
    assert.deepEqual(found.map(({ forwardedTo, address }) => [forwardedTo, address]), [["172.17.0.2", "10.77.0.10"], ["172.17.0.3", "10.77.0.10"]]);
  });

  test("are counted by rule: one of the very address before one of all; what no rule covers by itself", () => {
    const at = (address: string, port: number): Parameters<typeof keyOf>[0] => ({ client: "10.0.0.2", clientPort: 1, address, port, forwardedTo: null });
    const all = [at("10.77.0.10", 80), at("fd77::10", 80), at("fd77::10", 90), at("10.77.0.11", 53), at("10.77.0.99", 80)];
    assert.deepEqual(countByRule(all, CLUSTER), { default: 1, "tcp all:80-80": 1, "tcp [fd77::10]:80-90": 2, "udp all:53-53": 0 });
  });
});

test("a client whom two hosts know stays with the one that saw it last", () => {
  const entry = (client: string, leftMs: number): { client: string; leftMs: number } => ({ client, leftMs });
  const away = awayFrom([entry("a", 50), entry("b", 90)], [{ host: 2, entries: [entry("a", 60), entry("b", 80), entry("c", 10), entry("d", 0)] }, { host: 3, entries: [entry("c", 20)] }]);
  assert.deepEqual(away, [{ client: "a", leftMs: 60, host: 2 }, { client: "c", leftMs: 20, host: 3 }]);
});

test("a table of the kernel is read whole, however it is handed out", async () => {
  const directory = mkdtempSync(join(tmpdir(), "muster-table-"));
  try {
    const lines = Array.from({ length: 20_000 }, (_, position) => `${position}: line\n`).join("");
    writeFileSync(join(directory, "table"), lines);
    assert.equal(await readKernelTable(join(directory, "table")), lines);
    assert.match(await readKernelTable("/proc/net/tcp"), /^ +sl +local_address/);
    await assert.rejects(readKernelTable(join(directory, "none")), { code: "ENOENT" });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
