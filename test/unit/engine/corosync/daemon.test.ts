import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readCorosyncConfiguration } from "../../../../src/engine/corosync/configuration.ts";
import { TestNetwork, whyNot } from "./network.ts";
import type { TestMachine } from "./network.ts";
import { pause, startMember, startSupervisor } from "./process.ts";
import type { ProcessEvent, TestProcess } from "./process.ts";

/** corosync as a child: started, watched, started again, given another configuration. */

const skip = whyNot();
let network: TestNetwork;
let machines: TestMachine[] = [];
let supervisors: TestProcess[] = [];
let members: TestProcess[] = [];

const is = (state: string) => (event: ProcessEvent) => event.event === "state" && event["state"] === state;

before(() => {
  if (skip !== false) return;
  network = new TestNetwork({ machines: 4, listed: 3 });
  machines = network.machines;
});
after(async () => {
  if (skip === false) await network.end();
});

test("files with the right content and rights; three nodes form", { skip }, async () => {
  supervisors = machines.slice(0, 3).map((machine) => startSupervisor(machine));
  await Promise.all(supervisors.map((supervisor) => supervisor.event(is("running"))));
  const { directory } = machines[0]!;
  assert.equal(statSync(join(directory, "key")).mode & 0o777, 0o400);
  assert.equal(network.key.compare(readFileSync(join(directory, "key"))), 0);
  assert.equal(readFileSync(join(directory, "corosync.conf"), "utf8"), network.configuration(machines[0]!));
  assert.deepEqual(supervisors[0]!.events.filter((event) => event.event === "state").map((event) => event["state"]), ["starting", "running"]);
  members = machines.slice(0, 3).map((machine) => startMember(machine));
  await Promise.all(members.map((member) => member.membership([1, 2, 3])));
});

test("corosync is killed: the supervisor says so and starts it again; the engine is alone, then with everybody", { skip }, async () => {
  const [one, , three] = members as [TestProcess, TestProcess, TestProcess];
  const supervisor = supervisors[2] as TestProcess;
  const marks = { one: one.mark, three: three.mark, supervisor: supervisor.mark };
  const killed = machines[2]!.corosyncPid()!;
  process.kill(killed, "SIGKILL");
  const failed = await supervisor.event(is("failed"), marks.supervisor);
  assert.match(String(failed["reason"]), /^It was ended by SIGKILL.* It is started again in 0\.25 s\.$/);
  const running = await supervisor.event(is("running"), marks.supervisor);
  assert.notEqual(running["pid"], killed);
  await three.event((event) => event.event === "members" && event.members?.length === 1, marks.three);
  await three.membership([1, 2, 3], marks.three);
  await one.membership([1, 2, 3], marks.one);
});

test("a fourth node is added at run time, without a change of the membership before it comes", { skip }, async () => {
  const marks = members.map((member) => member.mark);
  for (const [position, supervisor] of supervisors.entries()) {
    const mark = supervisor.mark;
    supervisor.tell({ do: "apply", configuration: network.configuration(machines[position]!, 4) });
    const applied = await supervisor.event((event) => event.event === "applied" || event.event === "notApplied", mark);
    assert.equal(applied.event, "applied", String(applied["message"]));
  }
  await pause(300);
  for (const [position, member] of members.entries()) assert.equal(member.events.slice(marks[position]).some((event) => event.event === "members"), false);
  supervisors.push(startSupervisor(machines[3]!, { configuration: network.configuration(machines[3]!, 4) }));
  members.push(startMember(machines[3]!));
  await Promise.all(members.map((member) => member.membership([1, 2, 3, 4])));
});

test("a configuration that corosync does not accept is not kept", { skip }, async () => {
  const supervisor = supervisors[0] as TestProcess;
  const file = join(machines[0]!.directory, "corosync.conf");
  const good = readFileSync(file, "utf8");
  for (const bad of [good.replace("token: 500", "token: 10"), good.replace("totem {", "totem {\n broken {")]) {
    const mark = supervisor.mark;
    supervisor.tell({ do: "apply", configuration: bad });
    const refused = await supervisor.event((event) => event.event === "notApplied" || event.event === "applied", mark);
    assert.equal(refused.event, "notApplied");
    assert.equal(readFileSync(file, "utf8"), good);
  }
  assert.equal(readCorosyncConfiguration(good).origin, "muster");
  const mark = supervisor.mark;
  supervisor.tell({ do: "apply", configuration: "totem {\n}\n" });
  assert.equal((await supervisor.event((event) => event.event === "notApplied", mark))["code"], "MUSTER_INVALID_ARGUMENT");
});

test("a reload that corosync does not answer ends in time", { skip }, async () => {
  // SIGSTOP of a corosync that somebody else watches: reload of a node whose corosync stands still.
  const supervisor = supervisors[3] as TestProcess;
  const pid = machines[3]!.corosyncPid()!;
  const mark = supervisor.mark;
  process.kill(pid, "SIGSTOP");
  try {
    supervisor.tell({ do: "apply", configuration: network.configuration(machines[3]!, 4, { profile: "fast" }) });
    const refused = await supervisor.event((event) => event.event === "notApplied", mark, 30_000);
    assert.equal(refused["code"], "MUSTER_TIMEOUT");
    assert.equal(readFileSync(join(machines[3]!.directory, "corosync.conf"), "utf8"), network.configuration(machines[3]!, 4));
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await Promise.all(members.map((member) => member.membership([1, 2, 3, 4])));
});

test("a supervisor was killed: its successor ends the old corosync first, and removes what it left", { skip }, async () => {
  const supervisor = supervisors[3] as TestProcess;
  const old = machines[3]!.corosyncPid()!;
  supervisor.signal("SIGKILL");
  await supervisor.exited;
  assert.equal(machines[3]!.corosyncPid(), old, "it outlives its supervisor");
  const next = startSupervisor(machines[3]!, { configuration: network.configuration(machines[3]!, 4) });
  supervisors[3] = next;
  await next.event((event) => event.event === "notice" && String(event["text"]).includes(`(process ${old})`));
  const running = await next.event(is("running"));
  assert.notEqual(running["pid"], old);
  await members[3]!.membership([1, 2, 3, 4]);
});

test("leftovers of corosyncs that are gone are removed, those of other programs are not", { skip }, async () => {
  const machine = machines[3]!;
  const supervisor = supervisors[3]!;
  const dead = 4_194_303;
  const make = (name: string, files: readonly string[]): void => {
    const path = join(machine.sharedMemory, name);
    mkdirSync(path);
    for (const file of files) writeFileSync(join(path, file), "x");
    utimesSync(path, 1_000, 1_000);
  };
  make(`qb-${dead}-77-30-AbCdEf`, ["qb-request-cpg-header", "qb-request-cpg-data", "qb-event-cpg-header"]);
  make(`qb-${dead}-78-31-AbCdEf`, ["qb-request-cib_rw-header"]);
  make(`qb-${process.pid}-78-31-AbCdEf`, ["qb-request-cmap-header"]);
  make("something", []);
  writeFileSync(join(machine.sharedMemory, `qb-corosync-${dead}-blackbox-data`), "x");
  utimesSync(join(machine.sharedMemory, `qb-corosync-${dead}-blackbox-data`), 1_000, 1_000);
  const mark = supervisor.mark;
  const killed = machine.corosyncPid()!;
  process.kill(killed, "SIGKILL");
  await supervisor.event(is("running"), mark);
  const left = machine.leftovers();
  assert.deepEqual(left.filter((name) => name.includes(String(dead)) || name === "something" || name.includes(`-${process.pid}-`)).toSorted(), [`qb-${dead}-78-31-AbCdEf`, "something"]);
  assert.equal(left.some((name) => name.includes(`-${killed}-`) && statSync(join(machine.sharedMemory, name)).mtimeMs < Date.now() - 10_000), false);
  await Promise.all(members.map((member) => member.membership([1, 2, 3, 4])));
});

test("a held UDP port is waited for and named; afterwards all is well", { skip }, async () => {
  const machine = machines[3]!;
  const supervisor = supervisors[3]!;
  await supervisor.ask({ do: "stop" }, "stopped");
  await members[0]!.membership([1, 2, 3]);
  assert.equal(machine.corosyncPid(), null);
  const holder = machine.run(process.execPath, ["-e", `require("node:dgram").createSocket("udp4").bind(5405, "${machine.addresses[0]}", () => console.log("held"))`]);
  await new Promise((resolve) => holder.stdout?.once("data", resolve));
  const next = startSupervisor(machine, { configuration: network.configuration(machine, 4) });
  supervisors[3] = next;
  const waiting = await next.event((event) => is("starting")(event) && String(event["reason"]).includes("UDP port"));
  assert.match(String(waiting["reason"]), /UDP port 5405 of 10\.77\.0\.4, which another program holds/);
  holder.kill("SIGKILL");
  await next.event(is("running"));
  await Promise.all(members.map((member) => member.membership([1, 2, 3, 4])));
});

test("another corosync on the machine is not touched, and named", { skip }, async () => {
  const machine = machines[3]!;
  await supervisors[3]!.ask({ do: "stop" }, "stopped");
  writeFileSync(join(machine.directory, "other.conf"), network.configuration(machine, 4));
  const other = machine.run("corosync", ["-f", "-c", join(machine.directory, "other.conf")]);
  await members[3]!.membership([1, 2, 3, 4]);
  const refused = startSupervisor(machine, { configuration: network.configuration(machine, 4) });
  const failed = await refused.event(is("failed"));
  assert.match(String(failed["reason"]), new RegExp(`^Another corosync runs on this machine \\(process ${other.pid}, .*other\\.conf\\), and two cannot\\..*systemctl disable --now corosync`));
  await refused.ask({ do: "stop" }, "stopped");

  // Attached to, it is only watched.
  const attached = startSupervisor(machine, { configuration: network.configuration(machine, 4), mode: "attach" });
  await attached.event(is("running"));
  other.kill("SIGKILL");
  await attached.event(is("failed"));
  await attached.ask({ do: "stop" }, "stopped");
});

test("a program that is missing, and a configuration that corosync refuses, are told with their reasons", { skip }, async () => {
  const machine = machines[3]!;
  const configuration = network.configuration(machine, 4).replace("token: 500", "token: 10");
  const refused = startSupervisor(machine, { configuration });
  const failed = await refused.event(is("failed"));
  assert.match(String(failed["reason"]), /^It ended with code 8: .*token timeout parameter \(10 ms\) may not be less than \(30 ms\)/);
  await refused.ask({ do: "stop" }, "stopped");
  const absent = startSupervisor(machine, { configuration: network.configuration(machine, 4), program: "/nowhere/corosync" });
  assert.match(String((await absent.event(is("failed")))["reason"]), /^It could not be started: .*ENOENT/);
  await absent.ask({ do: "stop" }, "stopped");
});
