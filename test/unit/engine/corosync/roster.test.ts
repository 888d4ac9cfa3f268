import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHello, encodeHello, HELLO_BYTES } from "../../../../src/engine/corosync/hello.ts";
import type { Hello } from "../../../../src/engine/corosync/hello.ts";
import { LogFile } from "../../../../src/engine/corosync/log-file.ts";
import { Roster } from "../../../../src/engine/corosync/roster.ts";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Who is a member, without corosync. */

const SELF = { node: 1, incarnation: 5 };
const ME = { nodeid: 1, pid: 100 };
const TWO = { nodeid: 2, pid: 200 };
const THREE = { nodeid: 3, pid: 300 };

function hello(node: number, incarnation: number, change: Partial<Hello> = {}): Hello {
  return { member: { node, incarnation }, protocolVersion: 1, connection: `00000000000000${String(node).padStart(2, "0")}`, isWelcome: true, wantsAnswer: false, ...change };
}

const MINE = hello(1, 5, { connection: "ffffffffffffffff" });

/** Joined with the given processes already there, and heard. */
function joined(...others: { nodeid: number; pid: number }[]): Roster {
  const roster = new Roster(SELF, 1, "ffffffffffffffff");
  roster.change([...others, ME], [], [ME]);
  assert.equal(roster.isHeard, false);
  assert.deepEqual(roster.hear(1, 100, MINE), { kind: "members" });
  return roster;
}

test("only who has said who it is is a member, and only after this process has heard itself", () => {
  const roster = new Roster(SELF, 1, "ffffffffffffffff");
  assert.deepEqual(roster.change([TWO, ME], [], [ME]), { isChanged: false, hasNew: true });
  assert.deepEqual(roster.hear(2, 200, hello(2, 7)), { kind: "nothing" });
  assert.deepEqual(roster.members, []);
  assert.equal(roster.unknown, 1);
  assert.deepEqual(roster.hear(1, 100, MINE), { kind: "members" });
  assert.deepEqual(roster.members, [SELF, { node: 2, incarnation: 7 }]);
  assert.deepEqual(roster.memberOf(2, 200), { node: 2, incarnation: 7 });
  assert.equal(roster.memberOf(3, 300), null);
  assert.deepEqual(roster.hear(3, 300, hello(3, 1)), { kind: "nothing" }, "not in the group");
});

test("who leaves and joins in one change must say who it is again", () => {
  const roster = joined(TWO);
  roster.hear(2, 200, hello(2, 7));
  assert.deepEqual(roster.change([ME, TWO], [TWO], [TWO]), { isChanged: true, hasNew: true });
  assert.equal(roster.memberOf(2, 200), null);
  assert.deepEqual(roster.hear(2, 200, hello(2, 7)), { kind: "members" });
  // The same when corosync tells the joining only.
  assert.deepEqual(roster.change([ME, TWO], [], [TWO]), { isChanged: true, hasNew: true });
  // Saying it twice changes nothing.
  roster.hear(2, 200, hello(2, 7));
  assert.deepEqual(roster.hear(2, 200, hello(2, 7)), { kind: "nothing" });
});

test("who is not listed any more is gone, even if nobody said that it left", () => {
  const roster = joined(TWO);
  roster.hear(2, 200, hello(2, 7));
  assert.deepEqual(roster.change([ME, THREE], [], [THREE]), { isChanged: true, hasNew: true });
  assert.deepEqual(roster.members, [SELF]);
});

test("a newer incarnation replaces an older one, which does not return when the newer one dies", () => {
  const roster = joined(TWO);
  roster.hear(2, 200, hello(2, 7));
  const newer = { nodeid: 2, pid: 201 };
  roster.change([ME, TWO, newer], [], [newer]);
  assert.deepEqual(roster.members, [SELF, { node: 2, incarnation: 7 }]);
  assert.deepEqual(roster.hear(2, 201, hello(2, 8, { connection: "0000000000000021" })), { kind: "members" });
  assert.deepEqual(roster.members, [SELF, { node: 2, incarnation: 8 }]);
  assert.equal(roster.memberOf(2, 200), null);
  roster.change([ME, TWO], [newer], []);
  assert.deepEqual(roster.members, [SELF]);
  assert.deepEqual(roster.hear(2, 200, hello(2, 7)), { kind: "nothing" });
  // An older one that comes after a newer one is not heard either.
  const again = { nodeid: 2, pid: 202 };
  roster.change([ME, TWO, again], [], [again]);
  assert.deepEqual(roster.hear(2, 202, hello(2, 9)), { kind: "members" });
  const late = { nodeid: 2, pid: 203 };
  roster.change([ME, TWO, again, late], [], [late]);
  assert.deepEqual(roster.hear(2, 203, hello(2, 8)), { kind: "nothing" });
  assert.deepEqual(roster.members, [SELF, { node: 2, incarnation: 9 }]);
});

test("this process gives way to a newer incarnation of its node, and to an equal one that was there before", () => {
  const other = { nodeid: 1, pid: 101 };
  const roster = joined();
  roster.change([ME, other], [], [other]);
  assert.equal(roster.hear(1, 101, hello(1, 4)).kind, "nothing");
  assert.equal(roster.hear(1, 101, hello(1, 5)).kind, "nothing", "it came later: it goes");
  assert.equal(roster.hear(1, 101, hello(1, 6)).kind, "replaced");
  assert.equal(joined(other).hear(1, 101, hello(1, 5)).kind, "replaced");
});

test("another version: whoever comes second goes, and only a member sends somebody away", () => {
  const roster = joined(TWO);
  assert.equal(roster.hear(2, 200, hello(2, 7, { protocolVersion: 2, isWelcome: false })).kind, "refused");
  assert.deepEqual(roster.members, [SELF]);
  assert.deepEqual(roster.hear(2, 200, hello(2, 7, { protocolVersion: 2 })), { kind: "version", node: 2, theirs: 2 });
  roster.change([ME, TWO, THREE], [], [THREE]);
  assert.equal(roster.hear(3, 300, hello(3, 7, { protocolVersion: 2 })).kind, "refused");
  assert.equal(roster.hear(3, 300, hello(3, 7, { protocolVersion: 2 })).kind, "nothing", "told once");
  assert.deepEqual(roster.members, [SELF]);
});

test("a process that claims to be another node is not a member", () => {
  const roster = joined(TWO);
  assert.equal(roster.hear(2, 200, hello(3, 7)).kind, "refused");
  assert.deepEqual(roster.members, [SELF]);
});

test("a hello as bytes, and nonsense", () => {
  const message = encodeHello(MINE);
  assert.deepEqual(decodeHello(message), MINE);
  assert.deepEqual(decodeHello(Buffer.concat([message, Buffer.from("of a later version")])), MINE);
  assert.equal(decodeHello(message.subarray(0, HELLO_BYTES - 1)), null);
  assert.equal(decodeHello(Buffer.alloc(HELLO_BYTES)), null);
  assert.equal(decodeHello(encodeHello(hello(65, 1))), null);
  assert.equal(decodeHello(encodeHello(hello(2, 1.5))), null);
});

test("corosync's log: only what came since, also when the file was rotated", () => {
  const directory = mkdtempSync(join(tmpdir(), "muster-log-"));
  try {
    const path = join(directory, "log");
    const log = new LogFile(path);
    log.mark();
    assert.equal(log.isPortHeld, false);
    writeFileSync(path, "Nov 21 06:46:24.730 [1] vm corosync error   [TOTEM ] knet_link_set_config failed: Address already in use (98)\n");
    assert.equal(log.isPortHeld, true);
    assert.equal(log.lastProblem, "knet_link_set_config failed: Address already in use (98)");
    log.mark();
    assert.equal(log.isPortHeld, false);
    assert.equal(log.lastProblem, "");
    writeFileSync(path, "x corosync error   [MAIN  ] one\n");
    assert.equal(log.lastProblem, "one", "shorter than before: another file");
    writeFileSync(path, "x corosync error   [MAIN  ] one\nx corosync error   [MAIN  ] Corosync Cluster Engine exiting with status 8 at main.c:1445.\n");
    new LogFile(path).mark();
    assert.equal(new LogFile(path).lastProblem, "one", "that it ends is not why");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
