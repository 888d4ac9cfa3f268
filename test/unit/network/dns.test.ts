import assert from "node:assert/strict";
import { test } from "node:test";
import { markerName, parseMarker, printMarker } from "../../../src/network/dns-marker.ts";
import { isDomainName, isHostLabel, parseServer, printServer, problemOfKey, reverseName, zoneCandidates } from "../../../src/network/dns-text.ts";
import { readOutcome, registerAgain, registerNew } from "../../../src/network/dns-update.ts";

const SERVER = { host: "192.0.2.53", port: 53 };

test("names, addresses and servers as DNS writes them", () => {
  assert.deepEqual(["web", "a-1", "x".repeat(63)].map(isHostLabel), [true, true, true]);
  assert.deepEqual(["", "-a", "a-", "a.b", "a b", "a\nsend", "ä", "x".repeat(64)].map(isHostLabel), Array.from({ length: 8 }, () => false));
  assert.deepEqual(["example.org", "_tcp.example.org", "a..b", "example.org.", "a b.org", ""].map(isDomainName), [true, true, false, false, false, false]);
  assert.equal(reverseName("192.0.2.1"), "1.2.0.192.in-addr.arpa");
  assert.equal(reverseName("2001:db8::1"), "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
  assert.deepEqual(zoneCandidates("a.b.c"), ["a.b.c", "b.c", "c"]);
  for (const text of ["192.0.2.1:5353", "[2001:db8::1]:53", "ns1.example.org:53"]) assert.equal(printServer(parseServer(text)!), text);
  assert.deepEqual(parseServer("2001:db8::1"), { host: "2001:db8::1", port: 53 });
  for (const text of ["", "a b", "x:0", "x:70000", "[web]:53", "192.0.2.1\nsend", "fe80::1%eth0", "a:b:c"]) assert.equal(parseServer(text), null, text);
});

test("a marker says whose the name is; what is none is nobody's", () => {
  const marker = { clusterId: "c-1", clusterName: "Web \"one\" 'ä'\\", generation: 281_474_976_710_656 };
  assert.deepEqual(parseMarker(printMarker(marker)), marker);
  assert.doesNotMatch(printMarker(marker), /["\\]/);
  assert.ok(printMarker({ ...marker, clusterName: "ä".repeat(500) }).length < 255);
  for (const text of ["", "v=spf1 -all", "muster=2 cluster=a generation=1 name=", "muster=1 cluster=a generation=x name=", 'muster=1 cluster=a"\nsend generation=1 name=']) assert.equal(parseMarker(text), null);
  assert.equal(markerName("web.example.org"), "_muster.web.example.org");
});

test("an update is made under the condition that nothing changed", () => {
  const registration = { name: "web.x", zone: "x", addresses: ["192.0.2.1", "2001:db8::1"], ttlS: 60, marker: "new" };
  assert.equal(registerNew(SERVER, registration), ["server 192.0.2.53 53", "zone x.", "prereq nxdomain web.x.", "prereq nxrrset _muster.web.x. TXT", "update add web.x. 60 A 192.0.2.1", "update add web.x. 60 AAAA 2001:db8::1", 'update add _muster.web.x. 60 TXT "new"', "send", ""].join("\n"));
  assert.match(registerAgain(SERVER, registration, "old"), /prereq yxrrset _muster\.web\.x\. TXT "old"\nprereq nxrrset web\.x\. CNAME\nupdate delete web\.x\. A\nupdate delete web\.x\. AAAA\nupdate delete _muster\.web\.x\. TXT\nupdate add/);
});

test("what nsupdate says", () => {
  const told = (code: number | null, errors: string): string => {
    const outcome = readOutcome(code, errors, SERVER);
    return "problem" in outcome ? `${outcome.kind}: ${outcome.problem}` : outcome.kind;
  };
  assert.equal(told(0, ""), "done");
  for (const answer of ["YXDOMAIN", "NXRRSET", "YXRRSET", "NXDOMAIN"]) assert.equal(told(2, `update failed: ${answer}\n`), "conflict");
  assert.match(told(2, "; TSIG error with server: tsig indicates error\nupdate failed: NOTAUTH(BADKEY)\n"), /^refused: it does not know the key/);
  assert.match(told(2, "update failed: NOTAUTH(BADTIME)\n"), /^refused: its clock/);
  assert.match(told(2, "update failed: REFUSED\n"), /^refused/);
  assert.match(told(2, "update failed: SERVFAIL\n"), /^unreachable/);
  assert.match(told(2, "; Communication with 192.0.2.53#53 failed: timed out\n"), /^unreachable: no answer in time/);
  assert.match(told(null, ""), /^unreachable: no answer in time/);
  assert.match(told(1, "syntax error"), /^unreachable: nsupdate ended with code 1/);
  const quoting = "k:2: unknown option 'c2VjcmV0'\ncould not read key from k.{private,key}: unexpected token\n";
  for (const code of [0, 2]) assert.equal(told(code, quoting), "badKeyFile: nsupdate finds no key in it", "it sent the update unsigned, and quotes the file");
});

test("a key file has one key with a good algorithm", () => {
  const key = (algorithm: string, secret: string): string => `key "k" {\n\talgorithm ${algorithm};\n\tsecret "${secret}";\n};\n`;
  assert.equal(problemOfKey(key("hmac-sha256", "c2VjcmV0c2VjcmV0")), null);
  assert.equal(problemOfKey(key("hmac-sha512", "c2VjcmV0cw==")), null);
  assert.match(problemOfKey(key("hmac-md5", "c2VjcmV0")) ?? "", /algorithm/);
  assert.match(problemOfKey(key("hmac-sha256", "c2VjcmV0c")) ?? "", /base64/);
  assert.match(problemOfKey("") ?? "", /no key/);
  assert.match(problemOfKey(key("hmac-sha256", "c2Vj").repeat(2)) ?? "", /several/);
});
