import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";
import * as fc from "fast-check";
import { chooseAdapter } from "../../../src/network/adapter-choice.ts";
import { addressBytes, isInSubnet, lengthOfMask, normalizeAddress } from "../../../src/network/address-text.ts";
import { advertisedBy, arpAnnouncements, arpProbe, conflictIn, decodeArp, neighbourAdvertisement } from "../../../src/network/frames.ts";
import { gateTable } from "../../../src/network/gate-rules.ts";
import { durationMs } from "../../../src/network/gate-state.ts";
import type { Link, LinkAddress } from "../../../src/network/netlink-messages.ts";
import { addAddressRequest, decodeMessages } from "../../../src/network/netlink-messages.ts";

test("addresses have one form", () => {
  for (const [written, normal] of [["FD77:0:0:0:0:0:0:0100", "fd77::100"], ["::", "::"], ["::1", "::1"], ["1::", "1::"], ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"], ["::ffff:10.1.2.3", "::ffff:a01:203"], ["10.1.2.3", "10.1.2.3"], ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"]] as const) assert.equal(normalizeAddress(written), normal);
  for (const wrong of ["", "10.1", "fe80::1%eth0", "g::", "256.1.1.1"]) assert.throws(() => addressBytes(wrong), { code: "MUSTER_INVALID_ARGUMENT" });
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const normal = normalizeAddress(address);
      assert.ok(isIPv6(normal));
      assert.equal(normalizeAddress(normal), normal);
      assert.deepEqual(addressBytes(normal), addressBytes(address));
    }),
  );
});

test("subnets and masks", () => {
  assert.equal(lengthOfMask("255.255.255.0"), 24);
  assert.equal(lengthOfMask("255.255.255.255"), 32);
  assert.equal(lengthOfMask("0.0.0.0"), 0);
  for (const wrong of ["255.0.255.0", "0.0.0.1", "24", ""]) assert.equal(lengthOfMask(wrong), null);
  assert.equal(isInSubnet("10.77.3.9", "10.77.0.1", 22), true);
  assert.equal(isInSubnet("10.77.4.9", "10.77.0.1", 22), false);
  assert.equal(isInSubnet("fd77::9", "fd77::1", 64), true);
  assert.equal(isInSubnet("fd77::9", "10.77.0.1", 0), false);
});

const link = (index: number, name: string, isUp = true, loopback = false): Link => ({ index, name, hardwareAddress: "0a:00:00:00:00:01", loopback, isUp });
const at = (index: number, address: string, prefixLength: number): LinkAddress => ({ link: index, address, prefixLength, flags: 0, protocol: 0 });

test("the adapter is that of the subnet, one that is up before one that is not", () => {
  const links = [link(1, "lo", true, true), link(3, "eth1"), link(2, "eth0", false), link(4, "eth2")];
  const addresses = [at(1, "127.0.0.1", 8), at(2, "10.77.0.1", 24), at(3, "10.77.0.2", 24), at(4, "10.1.0.1", 16), at(4, "10.88.0.7", 32), at(4, "fd01::1", 64)];
  const choose = (address: string, prefixLength: number | null = null, anyNetwork = false): unknown => chooseAdapter({ address, prefixLength, anyNetwork }, links, addresses);
  assert.deepEqual(choose("10.77.0.50"), { adapter: "eth1", prefixLength: 24 });
  assert.deepEqual(choose("10.1.200.1", 16), { adapter: "eth2", prefixLength: 16 });
  assert.deepEqual(choose("fd01::5"), { adapter: "eth2", prefixLength: 64 });
  for (const length of [8, 16, 25]) assert.throws(() => choose("10.77.0.50", length), new RegExp(`its mask is /${length}, and that of eth1 is /24`));
  assert.throws(() => choose("127.0.0.5"), { code: "MUSTER_ADDRESS_NO_ADAPTER" });
  assert.throws(() => choose("10.88.0.7"), { code: "MUSTER_ADDRESS_NO_ADAPTER" }, "its own address says nothing of a subnet");
  assert.throws(() => choose("10.99.0.1", 24, true), { code: "MUSTER_ADDRESS_NO_ADAPTER" }, "which of three?");
  assert.throws(() => chooseAdapter({ address: "10.77.0.50", prefixLength: null, anyNetwork: false }, [link(2, "eth0", false)], addresses), /eth0 has no link/);
  assert.deepEqual(chooseAdapter({ address: "10.99.0.1", prefixLength: 24, anyNetwork: true }, [link(4, "eth2")], addresses), { adapter: "eth2", prefixLength: 24 });
});

test("ARP: probes say nothing of the sender, announcements do; who conflicts", () => {
  const own = "0a:00:00:00:00:01";
  const probe = decodeArp(arpProbe(own, "10.1.1.1"));
  assert.deepEqual(probe, { operation: 1, senderHardware: own, sender: "0.0.0.0", targetHardware: "00:00:00:00:00:00", target: "10.1.1.1" });
  const [request, reply] = arpAnnouncements(own, "10.1.1.1").map((frame) => decodeArp(frame)!);
  assert.deepEqual([request?.operation, request?.sender, request?.target], [1, "10.1.1.1", "10.1.1.1"]);
  assert.deepEqual([reply?.operation, reply?.sender], [2, "10.1.1.1"]);
  const other = { ...request!, senderHardware: "0a:00:00:00:00:02" };
  assert.equal(conflictIn(other, own, "10.1.1.1"), other.senderHardware);
  assert.equal(conflictIn(other, own, "10.1.1.2"), null);
  assert.equal(conflictIn(request!, own, "10.1.1.1"), null, "its own frames come back from some switches");
  assert.equal(conflictIn({ ...probe!, senderHardware: other.senderHardware }, own, "10.1.1.1"), other.senderHardware, "another host is about to take it");
  assert.equal(conflictIn({ ...other, sender: "10.1.1.9", target: "10.1.1.1" }, own, "10.1.1.1"), null, "a client asks for it");
});

test("neighbour advertisements", () => {
  const message = neighbourAdvertisement("0a:00:00:00:00:01", "fd77::50");
  assert.equal(advertisedBy(message, "fd77::50"), "0a:00:00:00:00:01");
  assert.equal(advertisedBy(message, "fd77::51"), null);
  assert.equal(advertisedBy(message.subarray(0, 24), "fd77::50"), null);
});

test("whatever bytes come in, nothing is thrown", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
      const bytes = Buffer.from(data);
      decodeArp(bytes);
      advertisedBy(bytes, "fd77::50");
      decodeMessages(bytes);
    }),
  );
});

test("netlink: a request about an address reads as the address", () => {
  const request = addAddressRequest(7, { link: 3, address: "fd77::50", prefixLength: 64, noPrefixRoute: true, preferred: false, protocol: 77 });
  assert.deepEqual(decodeMessages(request), [{ kind: "address", sequence: 7, gone: false, address: { link: 3, address: "fd77::50", prefixLength: 64, flags: 0x200, protocol: 77 } }]);
  for (let length = 0; length < request.length; length++) assert.deepEqual(decodeMessages(request.subarray(0, length)), []);
});

test("names of tables are what nft allows, and differ where clusters do", () => {
  assert.equal(gateTable("TEST"), "muster_TEST");
  assert.notEqual(gateTable("a-b"), gateTable("a_b"));
  for (const name of ["Ärger ✓", "x".repeat(200), "9f1c2b3e-0000-4000-8000-123456789abc"]) assert.match(gateTable(name), /^[A-Za-z][A-Za-z0-9_]{1,63}$/);
});

test("durations as nft prints them", () => {
  for (const [text, ms] of [["296ms", 296], ["2s340ms", 2_340], ["1m5s", 65_000], ["1d2h3m4s5ms", 93_784_005], ["", 0]] as const) assert.equal(durationMs(text), ms);
});
