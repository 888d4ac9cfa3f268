import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { Lab } from "../../src/lab/lab.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { isAlive, identify, processState, processesOfLab } from "../../src/lab/processes.ts";
import { labPaths } from "../../src/lab/record.ts";
import { MusterError } from "../../src/model/errors.ts";
import { uniqueLabName, withLab } from "./support/with-lab.ts";

const LIMIT_MS = 10_000;
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LAB_MODULE = new URL("../../src/lab/lab.ts", import.meta.url).href;

async function until(what: string, ready: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + LIMIT_MS;
  while (!(await ready())) {
    assert.ok(Date.now() < deadline, `not within ${LIMIT_MS} ms: ${what}`);
    await sleep(20);
  }
}

async function ping(from: LabHost, to: string): Promise<boolean> {
  return (await from.run(["ping", "-c", "1", "-W", "0.3", "-q", to])).code === 0;
}

/** A neighbour that was given up is asked for again only after a while: nothing here is expected at once. */
function reaches(from: LabHost, to: string): Promise<void> {
  return until(`${from.name} reaches ${to}`, () => ping(from, to));
}

async function assertCutOff(from: LabHost, to: string): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) assert.equal(await ping(from, to), false, `${from.name} must not reach ${to}`);
}

/** Everything a lab could leave on the machine, as far as it can be told from what others do there. */
function traces(name: string, id: string): readonly string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n").filter((line) => line.includes(name) || line.includes("muster-lab"));
  const namespaces = execFileSync("ip", ["netns", "list"], { encoding: "utf8" }).split("\n").filter((line) => line.includes(name) || line.includes("muster"));
  const links = execFileSync("ip", ["-o", "address"], { encoding: "utf8" }).split("\n").filter((line) => /\bp\d+-\d+\b|10\.7[78]\.0\.|fd7[78]::|\bnet[01]\b/.test(line));
  const processes = processesOfLab(id).map((processId) => `process ${processId}`);
  const files = existsSync(labPaths.root) ? readdirSync(labPaths.root).filter((entry) => entry === name || entry.startsWith(".")) : [];
  return [...mounts, ...namespaces, ...links, ...processes, ...files];
}

function idOf(name: string): string {
  return (JSON.parse(readFileSync(labPaths.record(name), "utf8")) as { readonly id: string }).id;
}

/** Another process that makes a lab and does not end. */
function creator(name: string): ChildProcess {
  const script = `const { Lab } = await import(${JSON.stringify(LAB_MODULE)}); await Lab.up({ name: ${JSON.stringify(name)}, hosts: 3 }); console.log("made"); setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", script], { stdio: ["ignore", "pipe", "inherit"] });
}

async function killed(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

/** Sends a datagram from one host to another. @returns true when it arrives */
async function datagramArrives(from: LabHost, to: LabHost): Promise<boolean> {
  const receiver = 'const s = require("dgram").createSocket("udp4"); s.on("message", () => { console.log("got"); process.exit(0); }); s.bind(9000, () => console.log("bound"));';
  const child = to.spawn(["node", "-e", receiver]);
  let said = "";
  child.stdout!.on("data", (piece: Buffer) => (said += piece.toString()));
  try {
    await until("the receiver is bound", () => said.includes("bound"));
    for (let attempt = 0; attempt < 5 && !said.includes("got"); attempt++) {
      await from.run(["bash", "-c", `echo hello > /dev/udp/${to.addresses[0]!.ipv4}/9000`]);
      await sleep(20);
    }
    return said.includes("got");
  } finally {
    child.kill("SIGKILL");
  }
}

describe("lab", { skip: process.getuid?.() === 0 ? false : "needs root" }, () => {
  it("joins the hosts and the client, and the machine sees nothing of it", async () => {
    await withLab({ hosts: 3 }, async (lab) => {
      const [n1, n2] = lab.hosts as readonly [LabHost, LabHost, LabHost];
      for (const address of ["10.77.0.2", "fd77::2", "10.78.0.3", "fd78::3", "10.77.0.250", "fd77::250", "n3", "n2-net1", "client", "n1"]) await reaches(n1, address);
      await reaches(lab.client, "n2");
      await assertCutOff(lab.client, "10.78.0.2");
      assert.deepEqual(n2.addresses.map(({ device, ipv4, ipv6 }) => [device, ipv4, ipv6]), [["eth0", "10.77.0.2", "fd77::2"], ["eth1", "10.78.0.2", "fd78::2"]]);
      assert.equal((await n2.run(["cat", "/proc/sys/kernel/hostname"])).stdout, "n2\n");
      assert.deepEqual((await n2.run(["ls", "/sys/class/net"])).stdout.split("\n").filter((name) => /^(eth|lo)/.test(name)), ["eth0", "eth1", "lo"]);
      const seen = traces(lab.name, idOf(lab.name)).filter((line) => !line.startsWith("process ") && line !== lab.name);
      assert.deepEqual(seen, []);
      // Nor do the hosts see the machine: there is no way out.
      assert.equal((await n1.run(["ip", "route", "show", "default"])).stdout, "");
    });
  });

  it("runs programs with their input, output, exit and environment", async () => {
    await withLab({ hosts: 1 }, async (lab) => {
      const n1 = lab.host("n1");
      assert.deepEqual(await n1.run(["sh", "-c", "cat; echo no >&2; exit 7"], { input: "yes" }), { code: 7, signal: null, stdout: "yes", stderr: "no\n" });
      assert.equal((await n1.run(["sh", "-c", "kill -9 $$"])).signal, "SIGKILL");
      assert.equal((await n1.run(["there-is-no-such-program"])).code, 127);
      assert.equal((await n1.run(["sh", "-c", "echo $WHAT; pwd"], { environment: { WHAT: "this" }, workingDirectory: "/tmp" })).stdout, "this\n/tmp\n");
      assert.equal((await n1.run(["node", "--version"])).stdout.trim(), process.version);
      await assert.rejects(n1.run(["sleep", "60"], { timeoutMs: 100 }), (error) => error instanceof MusterError && error.code === "MUSTER_TIMEOUT");
      await until("nothing is left of it", () => n1.processes().length === 0);
      // An orphan is reaped by the host's first process.
      await n1.run(["sh", "-c", "(sleep 0.1 &)"]);
      await until("the orphan is gone", () => n1.processes().length === 0);
    });
  });

  it("keeps what hosts write to themselves", async () => {
    await withLab({ hosts: 2 }, async (lab) => {
      const [n1, n2] = lab.hosts as readonly [LabHost, LabHost];
      const places = ["/run", "/tmp", "/dev/shm", "/var/lib/muster", "/etc/muster", "/etc", "/var/lib", "/var/log"].map((directory) => `${directory}/lab-test-${lab.name}`);
      for (const place of places) assert.deepEqual(await n1.run(["sh", "-c", `echo n1 > ${place}`]), { code: 0, signal: null, stdout: "", stderr: "" });
      for (const place of places) {
        assert.equal(existsSync(place), false, place);
        assert.notEqual((await n2.run(["cat", place])).code, 0, place);
      }
      assert.equal(readFileSync(join(n1.stateDirectory, `lab-test-${lab.name}`), "utf8"), "n1\n");
      assert.equal(readFileSync(join(n1.configurationDirectory, `lab-test-${lab.name}`), "utf8"), "n1\n");
    });
  });

  it("cuts and heals a host, a network, a pair", async () => {
    await withLab({ hosts: 3 }, async (lab) => {
      const [n1, n2] = lab.hosts as readonly [LabHost, LabHost, LabHost];
      for (const address of ["10.77.0.2", "fd77::2", "10.78.0.2", "10.77.0.3"]) await reaches(n1, address);

      await lab.cut("n1");
      await lab.cut("n1");
      assert.equal((await lab.damage()).cuts.length, 4);
      for (const address of ["10.77.0.2", "fd77::2", "10.78.0.2", "client"]) await assertCutOff(n1, address);
      await reaches(n2, "n3");
      await lab.heal("n1");
      assert.deepEqual((await lab.damage()).cuts, []);
      await reaches(n1, "10.77.0.2");
      await reaches(n1, "10.78.0.2");

      await lab.cut("n1", { network: "net1" });
      await assertCutOff(n1, "10.78.0.2");
      await reaches(n1, "10.77.0.2");
      await lab.heal();
      await reaches(n1, "10.78.0.2");

      await lab.cut("n1", { from: "n2" });
      await assertCutOff(n1, "10.77.0.2");
      await assertCutOff(n2, "10.78.0.1");
      await reaches(n1, "10.77.0.3");
      await lab.heal("n2", { from: "n1", network: "net0" });
      await reaches(n1, "10.77.0.2");
      await assertCutOff(n1, "10.78.0.2");
    });
  });

  it("cuts one way", async () => {
    await withLab({ hosts: 2 }, async (lab) => {
      const [n1, n2] = lab.hosts as readonly [LabHost, LabHost];
      await reaches(n1, "10.77.0.2");
      await reaches(n2, "10.77.0.1");
      // Finding the neighbour needs both ways; here only what is sent afterwards is looked at.
      for (const [host, other] of [[n1, n2], [n2, n1]] as const) {
        await host.run(["ip", "neighbour", "replace", other.addresses[0]!.ipv4, "lladdr", other.addresses[0]!.mac, "dev", "eth0", "nud", "permanent"]);
      }
      await lab.cut("n1", { direction: "out", network: "net0" });
      assert.equal(await datagramArrives(n2, n1), true);
      assert.equal(await datagramArrives(n1, n2), false);
      await lab.heal("n1", { direction: "in" });
      assert.equal(await datagramArrives(n1, n2), false);
      await lab.heal("n1", { direction: "out" });
      assert.equal(await datagramArrives(n1, n2), true);
      await lab.cut("n1", { direction: "in", from: "n2" });
      assert.equal(await datagramArrives(n1, n2), true);
      assert.equal(await datagramArrives(n2, n1), false);
    });
  });

  it("takes cables out, makes them slow and lossy, and keeps that over a power-off", async () => {
    await withLab({ hosts: 2 }, async (lab) => {
      const n1 = lab.host("n1");
      const carrier = async (): Promise<string> => (await n1.run(["cat", "/sys/class/net/eth1/carrier"])).stdout.trim();
      await lab.cut("n1", { network: "net1", unplug: true });
      assert.equal(await carrier(), "0");
      await lab.powerOff("n1");
      await lab.powerOn("n1");
      assert.equal(await carrier(), "0");
      await lab.heal("n1");
      await until("the carrier is back", async () => (await carrier()) === "1");

      await reaches(n1, "10.77.0.2");
      await lab.delay("n1", { network: "net0", lossPercent: 100 });
      await assertCutOff(n1, "10.77.0.2");
      await lab.heal();
      await reaches(n1, "10.77.0.2");

      // Twenty full packets at once fill the bucket of a slow cable, and the last ones wait; without a limit it is less than a millisecond.
      const transfer = ["ping", "-c", "20", "-i", "0.002", "-s", "1400", "-W", "5", "-q", "10.77.0.2"];
      await lab.delay("n1", { rateBitsPerSecond: 400_000 });
      assert.match((await n1.run(["tc", "qdisc", "show", "dev", "eth0"])).stdout, /tbf .*rate 400Kbit/);
      await lab.powerOff("n1");
      await lab.powerOn("n1");
      assert.match((await n1.run(["tc", "qdisc", "show", "dev", "eth0"])).stdout, /tbf .*rate 400Kbit/);
      await reaches(n1, "10.77.0.2");
      const slow = roundTripMaxMs((await n1.run(transfer)).stdout);
      assert.ok(slow > 50, `the slowest answer took ${slow} ms`);
      await lab.heal("n1");
      assert.doesNotMatch((await n1.run(["tc", "qdisc", "show"])).stdout, /tbf/);
      assert.deepEqual(await lab.damage(), { cuts: [], cables: [] });
    });
  });

  it("delays, or says that this kernel cannot", async () => {
    await withLab({ hosts: 2 }, async (lab) => {
      await reaches(lab.host("n1"), "10.77.0.2");
      const refused = await lab.delay("n1", { delayMs: 30, network: "net0" }).then(() => null, (error: unknown) => error);
      if (refused === null) {
        const result = await lab.host("n1").run(["ping", "-c", "3", "-i", "0.1", "-W", "2", "-q", "10.77.0.2"]);
        assert.ok(roundTripMaxMs(result.stdout) >= 60, result.stdout);
      } else {
        assert.match(MusterError.from(refused).message, /netem/);
        assert.deepEqual((await lab.damage()).cables, []);
      }
    });
  });

  it("pauses every process, also those that come meanwhile, and resumes them", async () => {
    await withLab({ hosts: 2 }, async (lab) => {
      const [n1, n2] = lab.hosts as readonly [LabHost, LabHost];
      const tick = "while :; do echo x >> /run/ticks; (sleep 0.01 &); sleep 0.01; done";
      n1.spawn(["sh", "-c", tick], { stdio: "ignore" });
      n2.spawn(["sh", "-c", tick], { stdio: "ignore" });
      const ticks = (host: LabHost): number => {
        const file = `/proc/${host.initProcessId}/root/run/ticks`;
        return existsSync(file) ? readFileSync(file, "utf8").length : 0;
      };
      await until("both run", () => ticks(n1) > 5 && ticks(n2) > 5);
      await lab.pause("n1");
      assert.equal(n1.isPaused, true);
      const before = ticks(n1);
      const other = ticks(n2);
      const late = n1.spawn(["sh", "-c", "echo late > /run/late"], { stdio: "ignore" });
      await until("the other goes on", () => ticks(n2) > other + 10);
      assert.equal(ticks(n1), before);
      assert.equal(processState(late.pid!), "T");
      assert.equal(existsSync(`/proc/${n1.initProcessId}/root/run/late`), false);
      await lab.resume("n1");
      await until("it goes on", () => ticks(n1) > before + 5);
      await until("the late one, too", () => existsSync(`/proc/${n1.initProcessId}/root/run/late`));
      assert.equal(n1.isPaused, false);
    });
  });

  it("kills by name, and says when nothing has it", async () => {
    await withLab({ hosts: 2 }, async (lab) => {
      const [n1, n2] = lab.hosts as readonly [LabHost, LabHost];
      const child = n1.spawn(["sleep", "1234"], { stdio: "ignore" });
      n2.spawn(["sleep", "1234"], { stdio: "ignore" });
      const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once("exit", (_, signal) => resolve(signal)));
      await until("it runs", () => n1.processId(/^sleep 1234$/) === child.pid && n2.processId("sleep 1234") !== null);
      assert.deepEqual(await lab.kill("n1", "sleep 1234", "SIGTERM"), [child.pid]);
      assert.equal(await ended, "SIGTERM");
      assert.notEqual(n2.processId("sleep 1234"), null);
      await assert.rejects(lab.kill("n1", "sleep 1234"), /No process of the host 'n1'/);
    });
  });

  it("switches hosts off and on: processes die unheard, the state stays", async () => {
    await withLab({ hosts: 3 }, async (lab) => {
      const [n1, n2, n3] = lab.hosts as readonly [LabHost, LabHost, LabHost];
      await n1.run(["sh", "-c", "echo kept > /var/lib/muster/file; echo kept > /etc/muster/file; echo kept > /etc/file; echo lost > /run/file"]);
      const server = n1.spawn(["node", "-e", 'require("net").createServer((s) => s.on("error", () => {})).listen(7000, "0.0.0.0", () => console.log("listening"))']);
      await new Promise((resolve) => server.stdout!.once("data", resolve));
      const client = n2.spawn(["node", "-e", 'const s = require("net").connect(7000, "10.77.0.1", () => console.log("connected")); for (const e of ["error", "end", "close"]) s.on(e, () => console.log("heard"))']);
      let heard = "";
      client.stdout!.on("data", (piece: Buffer) => (heard += piece.toString()));
      await until("the connection is there", () => heard.includes("connected"));
      const processes = n1.processes().map((processId) => identify(processId)!);
      assert.ok(processes.length >= 1);

      await lab.powerOff("n1");
      assert.equal(n1.isOn, false);
      assert.deepEqual(processes.filter(isAlive), []);
      await lab.powerOff("n1");
      await assertCutOff(n2, "10.77.0.1");
      assert.equal(heard.includes("heard"), false);
      assert.throws(() => n1.spawn(["true"]), /'n1' is off/);
      assert.equal(readFileSync(join(n1.stateDirectory, "file"), "utf8"), "kept\n");

      await lab.cut("n1", { from: "n3" });
      await lab.powerOn("n1");
      await assert.rejects(lab.powerOn("n1"), /'n1' is on already/);
      assert.equal((await n1.run(["cat", "/var/lib/muster/file", "/etc/muster/file", "/etc/file"])).stdout, "kept\nkept\nkept\n");
      assert.notEqual((await n1.run(["cat", "/run/file"])).code, 0);
      await reaches(n2, "10.77.0.1");
      await assertCutOff(n3, "10.77.0.1");

      await lab.powerOffAll();
      assert.deepEqual([...lab.hosts, lab.client].map((host) => host.isOn), [false, false, false, false]);
      await lab.powerOnAll();
      await reaches(n2, "n3");
      await reaches(lab.client, "n1");
    });
  });

  it("notices a host that resets itself, and does not let it reset the machine", async () => {
    await withLab({ hosts: 2 }, async (lab) => {
      const n1 = lab.host("n1");
      // Not tried but looked at: if it were not the host's own file, the machine would be gone.
      const masked = "[ ! -e /proc/sysrq-trigger ] || grep -q ' /proc/sysrq-trigger ' /proc/self/mountinfo";
      assert.equal((await n1.run(["sh", "-c", masked])).code, 0);
      // The kernel kills the first process of the caller's namespace, as long as that is not the machine's.
      const script = `if (fs.readlinkSync("/proc/self/ns/pid") !== process.argv[1]) require("koffi").load("libc.so.6").func("int reboot(int)")(0x01234567);`;
      const reset = n1.spawn(["node", "-e", script, readlinkSync("/proc/self/ns/pid")], { stdio: "ignore", workingDirectory: ROOT });
      await new Promise((resolve) => reset.once("exit", resolve));
      await until("it is off", () => !n1.isOn);
      await lab.powerOff("n1");
      await lab.powerOn("n1");
      await reaches(n1, "n2");
    });
  });

  it("limits the state of a host, and keeps it over a power-off", async () => {
    const sizeBytes = 1024 * 1024;
    await withLab({ hosts: 1, stateBytesMax: sizeBytes }, async (lab) => {
      const n1 = lab.host("n1");
      const full = await n1.run(["dd", "if=/dev/zero", "of=/var/lib/muster/fill", "bs=64k"]);
      assert.match(full.stderr, /No space left on device/);
      assert.notEqual((await n1.run(["sh", "-c", "echo more > /etc/muster/more"])).code, 0);
      assert.equal(readFileSync(join(n1.stateDirectory, "fill")).length <= sizeBytes, true);
      await lab.powerOff("n1");
      await lab.powerOn("n1");
      assert.match((await n1.run(["ls", "-s", "/var/lib/muster"])).stdout, /fill/);
      rmSync(join(n1.stateDirectory, "fill"));
      assert.equal((await n1.run(["sh", "-c", "echo more > /var/lib/muster/more"])).code, 0);
    });
  });

  it("keeps the state where it is told, and refuses a directory that is not empty", async () => {
    const parent = mkdtempSync(join(tmpdir(), "muster-lab-test-"));
    const directory = join(parent, "state");
    const name = uniqueLabName();
    try {
      const lab = await Lab.up({ name, hosts: 1, directory });
      try {
        await lab.host("n1").run(["sh", "-c", "echo here > /var/lib/muster/file"]);
        assert.equal(readFileSync(join(directory, "n1", "var", "file"), "utf8"), "here\n");
      } finally {
        await lab.down();
      }
      assert.deepEqual(readdirSync(parent), []);
      writeFileSync(join(parent, "mine"), "");
      await assert.rejects(Lab.up({ name, hosts: 1, directory: parent }), /is not empty/);
      assert.deepEqual(readdirSync(parent), ["mine"]);
    } finally {
      rmSync(parent, { recursive: true, force: true });
    }
  });

  it("leaves nothing when it is taken down, also twice", async () => {
    const name = uniqueLabName();
    const lab = await Lab.up({ name, hosts: 3, stateBytesMax: 1024 * 1024 });
    const id = idOf(name);
    try {
      for (const host of lab.hosts) host.spawn(["sh", "-c", "sleep 1000 & sleep 1000"], { stdio: "ignore" });
      await lab.cut("n1");
      await lab.pause("n2");
      await lab.powerOff("n3");
      assert.ok((await Lab.list()).some((found) => found.name === name));
      await assert.rejects(Lab.up({ name, hosts: 1 }), (error) => error instanceof MusterError && error.code === "MUSTER_NAME_IN_USE" && error.next.includes(`muster lab down --name ${name}`));
    } finally {
      await lab.down();
    }
    assert.deepEqual(traces(name, id), []);
    await lab.down();
    await assert.rejects(Lab.open(name), /There is no lab named/);
    assert.deepEqual((await Lab.list()).filter((found) => found.name === name), []);
  });

  it("goes on without the process that made it, and can be taken down by another", async () => {
    const name = uniqueLabName();
    const child = creator(name);
    await new Promise((resolve) => child.stdout!.once("data", resolve));
    const id = idOf(name);
    await killed(child);
    const lab = await Lab.open(name);
    try {
      await reaches(lab.host("n1"), "n3");
      await lab.powerOff("n2");
      await lab.powerOn("n2");
      await reaches(lab.host("n2"), "n3");
    } finally {
      await lab.down();
    }
    assert.deepEqual(traces(name, id), []);
  });

  it("can be taken down half-made and half-dead", async () => {
    const name = uniqueLabName();
    const child = creator(name);
    await until("it was begun", () => existsSync(labPaths.record(name)) && processesOfLab(idOf(name)).length > 0);
    const id = idOf(name);
    await killed(child);
    await (await Lab.open(name)).down();
    assert.deepEqual(traces(name, id), []);

    const lab = await Lab.up({ name, hosts: 2 });
    const second = idOf(name);
    const { processId } = JSON.parse(readFileSync(labPaths.switchProcess(name), "utf8")) as { readonly processId: number };
    process.kill(processId, "SIGKILL");
    await until("the switch is gone", () => !lab.isWhole);
    await assert.rejects(lab.cut("n1"), (error) => error instanceof MusterError && error.next.includes("muster lab down"));
    await lab.down();
    assert.deepEqual(traces(name, second), []);
  });

  it("has room for two labs at once, with the same addresses", async () => {
    await withLab({ hosts: 2 }, async (first) => {
      await withLab({ hosts: ["alpha", "beta"] }, async (second) => {
        await first.cut("n1");
        await assertCutOff(first.host("n1"), "10.77.0.2");
        await reaches(second.host("alpha"), "10.77.0.2");
        await reaches(second.host("alpha"), "beta");
        assert.deepEqual((await second.damage()).cuts, []);
      });
      await first.heal();
      await reaches(first.host("n1"), "n2");
    });
  });

  it("is used from the command line", async () => {
    const name = uniqueLabName();
    const muster = (...words: readonly string[]): { readonly code: number | null; readonly stdout: string; readonly stderr: string } => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "bin/muster.js"), "lab", ...words], { encoding: "utf8", timeout: 30_000 });
      return { code: status, stdout, stderr };
    };
    try {
      const made = muster("up", "--no-cluster", "--nodes", "2", "--networks", "1", "--state-size", "1M", "--name", name, "--json");
      assert.equal(made.code, 0, made.stderr);
      const view = JSON.parse(made.stdout) as { readonly hosts: readonly { readonly name: string; readonly state: string }[] };
      assert.deepEqual(view.hosts.map((host) => [host.name, host.state]), [["n1", "on"], ["n2", "on"], ["client", "on"]]);
      assert.equal(muster("up", "--name", name).code, 65);
      assert.deepEqual(muster("run", "n1", "--name", name, "--", "sh", "-c", "hostname; exit 9"), { code: 9, stdout: "n1\n", stderr: "" });
      assert.equal(muster("run", "n1", "--name", name, "--", "sh", "-c", "kill -TERM $$").code, 143);
      assert.equal(muster("cut", "n1", "--from", "n2", "--name", name).code, 0);
      assert.match(muster("status", "--name", name).stdout, /net0 +n1 +n2\nnet0 +n2 +n1/);
      assert.equal(muster("delay", "n1", "--rate", "1mbit", "--name", name).code, 0);
      assert.match(muster("heal", "--json", "--name", name).stdout, /"cuts": \[\],\n +"cables": \[\]/);
      assert.equal(muster("pause", "n1", "n2", "--name", name).code, 0);
      assert.match(muster("status", "--name", name).stdout, /^n2 +paused/m);
      assert.equal(muster("resume", "--all", "--name", name).code, 0);
      assert.equal(muster("power-off", "n1", "--name", name).code, 0);
      assert.equal(muster("run", "n1", "--name", name, "--", "true").code, 113);
      assert.equal(muster("power-on", "--all", "--name", name).code, 0);
      assert.equal(muster("kill", "n1", "nothing", "--name", name).code, 105);
      assert.equal(muster("pause", "--name", name).code, 2);
      assert.ok((JSON.parse(muster("list", "--json").stdout) as readonly { readonly name: string; readonly on: number }[]).some((found) => found.name === name && found.on === 2));
    } finally {
      assert.equal(muster("down", "--name", name).code, 0);
    }
    assert.equal(muster("down", "--name", name).code, 105);
  });

  it("needs root, and says so", async () => {
    const { getuid } = process;
    try {
      process.getuid = () => 1000;
      await assert.rejects(Lab.up({ hosts: 1 }), (error) => error instanceof MusterError && error.exitCode === 77 && error.next.includes("sudo"));
    } finally {
      process.getuid = getuid;
    }
  });

  it("tells how the hosts were when a test fails", async () => {
    const said: string[] = [];
    const write = process.stderr.write.bind(process.stderr);
    process.stderr.write = ((text: string | Uint8Array) => said.push(String(text)) > 0) as typeof process.stderr.write;
    const problem = new Error("as wanted");
    try {
      const failed = withLab({ hosts: 2, logs: ["/var/lib/muster/*.log", "/run/*.log"] }, async (lab) => {
        await lab.host("n1").run(["sh", "-c", "echo kept words > /var/lib/muster/a.log; echo lost words > /run/b.log"]);
        await lab.host("n2").run(["sh", "-c", "echo paused words > /run/b.log"]);
        await lab.pause("n2");
        await lab.powerOff("n1");
        throw problem;
      });
      await assert.rejects(failed, problem);
    } finally {
      process.stderr.write = write;
    }
    const text = said.join("");
    for (const wanted of [/host n1: off/, /kept words/, /host n2: paused/, /paused words/]) assert.match(text, wanted);
  });

  it("refuses nonsense and changes nothing", async () => {
    const before = (await Lab.list()).map((lab) => lab.name);
    for (const options of [{ hosts: 0 }, { hosts: 1000 }, { hosts: ["a", "a"] }, { hosts: ["client"] }, { hosts: ["A b"] }, { hosts: 1, name: "../x" }, { hosts: 1, networks: [] }, { hosts: 1, stateBytesMax: 1 }, { hosts: 1, directory: "/etc/x" }]) {
      await assert.rejects(Lab.up({ name: uniqueLabName(), ...options }), (error) => error instanceof MusterError && error.code === "MUSTER_INVALID_ARGUMENT", JSON.stringify(options));
    }
    assert.deepEqual((await Lab.list()).map((lab) => lab.name), before);
    await withLab({ hosts: 2 }, async (lab) => {
      await assert.rejects(lab.cut("n9"), /no host named 'n9'/);
      await assert.rejects(lab.cut("n1", { network: "net9" }), /no network named 'net9'/);
      await assert.rejects(lab.cut("client", { network: "net1" }), /no network named 'net1'/);
      await assert.rejects(lab.cut("n1", { from: "n1" }), MusterError);
      await assert.rejects(lab.delay("n1", {}), MusterError);
      await assert.rejects(lab.delay("n1", { lossPercent: 101 }), MusterError);
      assert.deepEqual(await lab.damage(), { cuts: [], cables: [] });
    });
  });
});

function roundTripMaxMs(text: string): number {
  return Number(/= [\d.]+\/[\d.]+\/([\d.]+)/.exec(text)?.[1] ?? Number.NaN);
}
