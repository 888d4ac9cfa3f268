import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { monotonicMs, sleepMs } from "../../../src/monitor/clock.ts";
import { readVariable } from "../../../src/monitor/process-table.ts";
import type { TestHost } from "./helpers.ts";
import { CLEAR_ENVIRONMENT, Workbench, runs, until, untilGone } from "./helpers.ts";

describe("the life of a resource", () => {
  let bench: Workbench;
  let node: TestHost;
  before(async () => {
    bench = new Workbench();
    node = await bench.host().start();
  });
  after(() => bench.close());

  test("online, offline: each order is answered, with its effect and the process", async () => {
    const order = bench.online(bench.application("a1", "sleep 1000"));
    const online = await node.bringOnline(order);
    assert.equal(online.generation, 1);
    assert.ok(online.processId !== null && runs(online.processId));
    assert.deepEqual(node.host.inventory(), [{ resource: "a1", generation: 1, state: "online", effect: order.effect, processId: online.processId }]);
    const effect = bench.effect();
    node.host.send({ kind: "offline", effect, generation: 1, resource: "a1", reason: "test" });
    const offline = await node.reaches("a1", "offline", effect);
    assert.equal(offline.processId, null);
    assert.ok(!runs(online.processId));
    assert.deepEqual(node.host.inventory(), []);
  });

  test("an order that comes twice is carried out once and answered twice", async () => {
    const order = bench.online(bench.application("a2", "sleep 1000"));
    const first = await node.bringOnline(order);
    const before = node.reports.length;
    node.host.send(order);
    const again = await until("a second answer", () => node.reports.slice(before).find((report) => report.resource === "a2"));
    assert.deepEqual(again, first);
    const other = { ...order, effect: bench.effect() };
    const adopted = await node.bringOnline(other);
    assert.equal(adopted.processId, first.processId, "another order for what is online starts nothing");
    const effect = bench.effect();
    node.host.send({ kind: "terminate", effect, generation: 1, resource: "a2", reason: "test" });
    await node.reaches("a2", "offline", effect);
    assert.ok(!runs(first.processId ?? 0));
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "never heard of", reason: "test" });
    await node.reaches("never heard of", "offline");
  });

  test("an order that was overtaken by a later one changes nothing", async () => {
    const late = bench.effect();
    const online = await node.bringOnline(bench.online(bench.application("a2b", "sleep 1000")));
    const before = node.reports.length;
    node.host.send({ kind: "terminate", effect: late, generation: 1, resource: "a2b", reason: "late" });
    const answer = await until("an answer", () => node.reports.slice(before).find((report) => report.resource === "a2b"));
    assert.equal(answer.state, "online");
    assert.ok(runs(online.processId ?? 0));
  });

  test("a program that ends is failed at once, with its exit and its last line", async () => {
    const order = bench.online(bench.application("a3", `sh -c 'sleep 0.3; echo "cannot open the thing" >&2; exit 3'`));
    const online = await node.bringOnline(order);
    const failed = await node.reaches("a3", "failed");
    assert.equal(failed.effect, order.effect, "what became of that order");
    assert.match(failed.reason, new RegExp(`process ${online.processId} exited with code 3; its last line: cannot open the thing$`));
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "a3", reason: "test" });
    await node.reaches("a3", "offline");
  });

  test("a program that is killed is failed with the signal", async () => {
    const online = await node.bringOnline(bench.online(bench.application("a4", "sleep 1000")));
    process.kill(online.processId ?? 0, "SIGKILL");
    assert.match((await node.reaches("a4", "failed")).reason, /was killed by SIGKILL/);
  });

  test("a program that ends at once never comes online", async () => {
    const order = bench.online(bench.application("a5", "false"));
    node.host.send(order);
    assert.match((await node.reaches("a5", "failed", order.effect)).reason, /exited with code 1/);
    assert.ok(!node.reports.some((report) => report.resource === "a5" && report.state === "online"));
  });

  test("what cannot be started says why, and what to do", async () => {
    const cases: [string, Parameters<Workbench["application"]>[2], RegExp][] = [
      ["no-such-program-here --flag", {}, /The program 'no-such-program-here' was not found\. Check its name, or give its whole path\./],
      ["./not-here", {}, /The program '.\/not-here' was not found/],
      ["sleep 'unclosed", {}, /CommandLine: the quote ' at character 7 is not closed/],
      ["", {}, /CommandLine: it names no program/],
      ["sleep 5", { CurrentDirectory: "/no/such/directory" }, /CurrentDirectory: there is no directory \/no\/such\/directory/],
      ["sleep 5", { Environment: ["NAME"] }, /Environment: 'NAME' is not NAME=VALUE/],
      ["sleep 5", { HealthCheckUrl: "ftp://example" }, /HealthCheckUrl: 'ftp:\/\/example' is not http/],
      ["sleep 5", { NoSuchProperty: 1 }, /NoSuchProperty: there is no such property/],
    ];
    for (const [index, [commandLine, properties, reason]] of cases.entries()) {
      const order = bench.online(bench.application(`wrong${index}`, commandLine, properties));
      node.host.send(order);
      assert.match((await node.reaches(`wrong${index}`, "failed", order.effect)).reason, reason);
    }
    const order = bench.online({ ...bench.application("wrong", "sleep 5"), type: "Print Spooler" });
    node.host.send(order);
    assert.match((await node.reaches("wrong", "failed", order.effect)).reason, /There is no resource type named 'Print Spooler'. Types: Generic Application, IP Address/);
    assert.deepEqual(node.deaths, [], "none of it hurt the monitor");
  });

  test("a file that is no program fails with what the system said", async () => {
    writeFileSync(bench.path("garbage"), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 0, 0]), { mode: 0o755 });
    const order = bench.online(bench.application("a6", "./garbage"));
    node.host.send(order);
    assert.match((await node.reaches("a6", "failed", order.effect)).reason, /exited with code 12[67]; its last line: .*garbage/);
  });

  test("directory, environment and output are as one would expect", async () => {
    const resource = bench.application("a7", `sh -c 'pwd; echo "$GREETING"; env | grep ^MUSTER_ | sort; echo to-error >&2; read line || echo no-input; exec sleep 1000'`, { Environment: ["GREETING=a = b", "MUSTER_NODE=forged"] });
    const online = await node.bringOnline(bench.online(resource, 7));
    // The header names the command, and so these words; wanted is the line.
    await until("all output", () => bench.output("a7").split("\n").includes("no-input"));
    const lines = bench.output("a7").split("\n");
    const own = lines.filter((line) => line !== "" && !line.startsWith("[muster "));
    assert.deepEqual(own, [
      bench.directory,
      "a = b",
      "MUSTER_CLUSTER=TEST",
      "MUSTER_GENERATION=7",
      "MUSTER_GROUP=Role",
      "MUSTER_NODE=node1",
      "MUSTER_RESOURCE=Application a7",
      `MUSTER_ROLE_TOKEN=${bench.clusterId}:a7:7`,
      "to-error",
      "no-input",
    ]);
    const header = lines.find((line) => line.includes("started process"));
    assert.match(header ?? "", new RegExp(`^\\[muster \\d{4}-\\d\\d-\\d\\dT[0-9:.]+Z node1\\] started process ${online.processId}, generation 7: sh -c`));
  });

  test("a role gets four descriptors and nothing of the monitor's; the guard gets no lock and no output", async () => {
    const online = await node.bringOnline(bench.online(bench.application("a7a", "sleep 1000")));
    const links = (processId: number): string[] =>
      readdirSync(`/proc/${processId}/fd`)
        .sort()
        .flatMap((name) => {
          try {
            const link = `${name} ${readlinkSync(`/proc/${processId}/fd/${name}`)}`;
            // The runtime reads its certificates for a moment while it starts.
            return link.includes(" /etc/") ? [] : [link];
          } catch {
            // Closed meanwhile: the descriptor the directory was read with.
            return [];
          }
        });
    // What whoever started the tests left open goes to every process.
    const inherited = links(process.pid).filter((link) => Number(link.split(" ")[0]) > 20);
    const own = (processId: number): string[] => links(processId).filter((link) => !inherited.includes(link));
    const output = `${bench.directory}/output/a7a.log`;
    assert.deepEqual(own(online.processId ?? 0), ["0 /dev/null", `1 ${output}`, `2 ${output}`, `3 ${bench.directory}/locks/a7a.lock`]);
    assert.equal(readVariable(online.processId ?? 0, "MUSTER_MONITOR"), null);
    assert.equal(readVariable(online.processId ?? 0, "NODE_CHANNEL_FD"), null);
    const guard = bench.processes().find((processId) => readVariable(processId, "MUSTER_GUARD") !== null) ?? 0;
    assert.deepEqual(own(guard).map((link) => link.replace(/\[\d+\]/, "")), ["0 socket:", "1 /dev/null", "2 /dev/null"]);
    const signals = /^SigIgn:\s+(\S+)$/m.exec(readFileSync(`/proc/${online.processId}/status`, "utf8"))?.[1];
    assert.equal(BigInt(`0x${signals}`), 0n, "no signal is ignored");
  });

  test("a search path of its own decides which program is found", async () => {
    writeFileSync(bench.path("my-program"), "#!/bin/sh\nexec /bin/sleep 1000\n", { mode: 0o755 });
    const resource = bench.application("a7b", "my-program", { Environment: [`PATH=${bench.directory}`] });
    await node.bringOnline(bench.online(resource));
    const order = bench.online({ ...bench.application("a7c", "sleep 1000", { Environment: [`PATH=${bench.directory}`] }) });
    node.host.send(order);
    assert.match((await node.reaches("a7c", "failed", order.effect)).reason, /The program 'sleep' was not found/);
  });

  test("SIGTERM gives a program the time to end by itself", async () => {
    const online = await node.bringOnline(bench.online(bench.application("a8", `sh -c 'trap "echo cleaned >clean.txt; exit 0" TERM; while :; do sleep 0.05; done'`)));
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "a8", reason: "test" });
    await node.reaches("a8", "offline");
    assert.equal(readFileSync(bench.path("clean.txt"), "utf8"), "cleaned\n");
    assert.ok(!runs(online.processId ?? 0));
  });

  test("a program that ignores SIGTERM is killed after StopTimeout, with all of its children", async () => {
    const resource = bench.application("a9", `sh -c 'trap "" TERM; sleep 1000 & echo $! >child.txt; while :; do sleep 0.05; done'`, { StopTimeout: 300 });
    const online = await node.bringOnline(bench.online(resource));
    const child = Number(await until("the child", () => existsSync(bench.path("child.txt")) && readFileSync(bench.path("child.txt"), "utf8")));
    const startedMs = monotonicMs();
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "a9", reason: "test" });
    await node.reaches("a9", "offlinePending");
    await node.reaches("a9", "offline");
    assert.ok(monotonicMs() - startedMs >= 290, "it was given its time");
    assert.ok(!runs(online.processId ?? 0) && !runs(child));
    assert.match(bench.output("a9"), /it did not end within 300 ms after SIGTERM and is killed/);
  });

  test("terminate cuts a graceful end short", async () => {
    const online = await node.bringOnline(bench.online(bench.application("a10", `sh -c 'trap "" TERM; while :; do sleep 0.05; done'`, { StopTimeout: 600_000 })));
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "a10", reason: "test" });
    await node.reaches("a10", "offlinePending");
    const effect = bench.effect();
    node.host.send({ kind: "terminate", effect, generation: 1, resource: "a10", reason: "enough" });
    await node.reaches("a10", "offline", effect);
    assert.ok(!runs(online.processId ?? 0));
  });

  test("a stopped program is taken offline all the same", async () => {
    const online = await node.bringOnline(bench.online(bench.application("a11", "sleep 1000")));
    process.kill(online.processId ?? 0, "SIGSTOP");
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "a11", reason: "test" });
    await node.reaches("a11", "offline");
    assert.ok(!runs(online.processId ?? 0));
  });

  test("daemons of a role end with it: another session, no files, no environment, another parent", async () => {
    const daemon = `setsid ${CLEAR_ENVIRONMENT} sh -c "exec 0<&- 1>&- 2>&- 3>&-; sleep 1000 & echo \\$\\$ \\$! >daemon.txt; wait" &`;
    const online = await node.bringOnline(bench.online(bench.application("a12", `sh -c '${daemon} exec sleep 1000'`)));
    const text = await until("the daemon", () => existsSync(bench.path("daemon.txt")) && /^\d+ \d+\n/.exec(readFileSync(bench.path("daemon.txt"), "utf8"))?.[0]);
    const daemons = text.trim().split(" ").map(Number);
    process.kill(online.processId ?? 0, "SIGKILL");
    await node.reaches("a12", "failed");
    // Reported failed means: proven gone.
    for (const processId of daemons) assert.ok(!runs(processId), `daemon ${processId} is gone`);
  });

  test("an order that is too old starts nothing", async () => {
    const order = bench.online(bench.application("a13", "sh -c 'echo started >>stale.txt; exec sleep 1000'"), 1, { startBeforeMs: monotonicMs() - 1 });
    node.host.send(order);
    assert.match((await node.reaches("a13", "failed", order.effect)).reason, /not started: the order was \d+ ms too old/);
    assert.ok(!existsSync(bench.path("stale.txt")));
  });

  test("orders that chase each other end in what the last one says", async () => {
    const resource = bench.application("a14", "sh -c 'echo $$ >>runs.txt; exec sleep 1000'");
    for (let round = 0; round < 6; round++) {
      node.host.send(bench.online(resource));
      if (round % 2 === 0) await sleepMs(round * 12);
      node.host.send({ kind: round % 3 === 0 ? "terminate" : "offline", effect: bench.effect(), generation: 1, resource: "a14", reason: "test" });
    }
    const last = await node.bringOnline(bench.online(resource));
    const started = readFileSync(bench.path("runs.txt"), "utf8").trim().split("\n").map(Number);
    assert.equal(started.at(-1), last.processId);
    for (const processId of started.slice(0, -1)) assert.ok(!runs(processId));
    const effect = bench.effect();
    node.host.send({ kind: "offline", effect, generation: 1, resource: "a14", reason: "test" });
    await node.reaches("a14", "offline", effect);
    assert.ok(!runs(last.processId ?? 0));
  });

  test("more orders at once than its channel takes are all carried out, and the monitor lives on", async () => {
    const { monitorProcessId } = node;
    const effects = Array.from({ length: 6_000 }, () => bench.effect());
    for (const [number, effect] of effects.entries()) node.host.send({ kind: "offline", effect, generation: 1, resource: `many-${number}`, reason: "test" });
    for (const number of [0, 1_023, 1_024, 3_000, 5_999]) await node.reaches(`many-${number}`, "offline", effects[number]);
    assert.equal(node.monitorProcessId, monitorProcessId);
  });

  test("a failed resource becomes offline when that is ordered, and can be started again", async () => {
    const resource = bench.application("a15", "sh -c 'exit 9'");
    node.host.send(bench.online(resource));
    await node.reaches("a15", "failed");
    assert.equal(node.host.inventory().find((item) => item.resource === "a15")?.state, "failed");
    const effect = bench.effect();
    node.host.send({ kind: "terminate", effect, generation: 1, resource: "a15", reason: "test" });
    await node.reaches("a15", "offline", effect);
    await node.bringOnline(bench.online({ ...resource, privateProperties: { CommandLine: "sleep 1000" } }));
  });
});

describe("permits", () => {
  let bench: Workbench;
  before(() => {
    bench = new Workbench();
  });
  after(() => bench.close());

  test("without a newer permit everything ends, and nothing starts until there is one", async () => {
    const node = await bench.host().start();
    const online = await node.bringOnline(bench.online(bench.application("p1", "sleep 1000")));
    node.host.send({ kind: "permit", untilMs: monotonicMs() + 400 });
    await sleepMs(200);
    assert.ok(runs(online.processId ?? 0));
    node.host.send({ kind: "permit", untilMs: monotonicMs() + 600 });
    await sleepMs(350);
    assert.ok(runs(online.processId ?? 0), "the newer permit counts");
    await untilGone(online.processId ?? 0);
    const ended = await node.reaches("p1", "offline");
    assert.match(ended.reason, /permit of the node ran out/);
    assert.equal(ended.effect, online.effect, "the answer to its start may have been lost: then this is the answer");
    const order = bench.online(bench.application("p1", "sleep 1000"));
    node.host.send(order);
    assert.match((await node.reaches("p1", "failed", order.effect)).reason, /no valid permit/);
    node.host.send({ kind: "permit", untilMs: monotonicMs() + 60_000 });
    await node.bringOnline(bench.online(bench.application("p1", "sleep 1000")));
  });

  test("the permit counts while things are being ended with grace, and can be renewed", async () => {
    const node = await bench.host(3).start();
    const online = await node.bringOnline(bench.online(bench.application("p3", `sh -c 'trap "" TERM; while :; do sleep 0.05; done'`, { StopTimeout: 600_000 })));
    node.host.send({ kind: "permit", untilMs: monotonicMs() + 500 });
    const stopping = node.host.stop({ graceful: true, reason: "test" });
    node.host.send({ kind: "permit", untilMs: monotonicMs() + 1000 });
    await sleepMs(700);
    assert.ok(runs(online.processId ?? 0));
    await stopping;
    assert.ok(!runs(online.processId ?? 0));
    assert.match((await node.reaches("p3", "offline")).reason, /permit of the node ran out/);
  });

  test("stop with grace lets programs clean up; everything is gone afterwards", async () => {
    const node = await bench.host(2).start();
    const monitor = node.monitorProcessId;
    await node.bringOnline(bench.online(bench.application("p2", `sh -c 'trap "echo bye >bye.txt; exit" TERM; while :; do sleep 0.05; done'`)));
    await node.host.stop({ graceful: true, reason: "test" });
    assert.equal(readFileSync(bench.path("bye.txt"), "utf8"), "bye\n");
    assert.ok(!runs(monitor));
    assert.deepEqual(node.deaths, []);
    assert.deepEqual(node.host.processIds(), []);
  });
});
