import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { corosyncConfiguration } from "../../../../src/engine/corosync/configuration.ts";
import type { ConfigurationInput } from "../../../../src/engine/corosync/configuration.ts";

/**
 * Machines for the tests of the corosync engine: a network namespace each (corosync's sockets are abstract, so they are
 * the namespace's own), with private /run and /dev/shm, joined by one bridge per link.
 */

const PROGRAMS = ["corosync", "ip", "unshare", "setpriv", "openssl"];

/** What keeps these tests from running here, or false. */
export function whyNot(): string | false {
  if (process.getuid?.() !== 0) return "needs root, for network namespaces";
  const directories = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  const missing = PROGRAMS.filter((program) => !directories.some((directory) => directory !== "" && existsSync(join(directory, program))));
  return missing.length > 0 ? `needs ${missing.join(", ")}` : false;
}

const PREFIX = "mustert";

function ip(...words: string[]): void {
  execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"], timeout: 10_000 });
}

/** Those of test processes that were killed before they could clean up. */
function removeStale(): void {
  for (const line of execFileSync("ip", ["netns", "list"], { encoding: "utf8", timeout: 10_000 }).split("\n")) {
    const name = line.split(" ")[0] ?? "";
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) ip("netns", "delete", name);
  }
}

export interface NetworkSettings {
  readonly links?: number;
  /** As many machines, the first `listed` of which are in the configuration at first. */
  readonly machines?: number;
  readonly listed?: number;
  readonly configuration?: Partial<ConfigurationInput>;
}

export class TestNetwork {
  readonly clusterId = `test-${randomBytes(4).toString("hex")}`;
  readonly directory = mkdtempSync(join(tmpdir(), "muster-corosync-"));
  readonly machines: TestMachine[] = [];
  readonly links: number;
  readonly key = randomBytes(256);
  readonly #settings: NetworkSettings;
  readonly #tag = `${PREFIX}${process.pid}-${randomBytes(2).toString("hex")}`;

  constructor(settings: NetworkSettings = {}) {
    this.#settings = settings;
    this.links = settings.links ?? 1;
    removeStale();
    ip("netns", "add", this.bridges);
    for (let link = 0; link < this.links; link++) {
      ip("-n", this.bridges, "link", "add", `br${link}`, "type", "bridge", "stp_state", "0", "forward_delay", "0");
      ip("-n", this.bridges, "link", "set", `br${link}`, "up");
    }
    for (let node = 1; node <= (settings.machines ?? 3); node++) this.machines.push(new TestMachine(this, node, `${this.#tag}-n${node}`));
  }

  get bridges(): string {
    return `${this.#tag}-b`;
  }

  /** The configuration with the first `listed` machines, for one of them. */
  configuration(machine: TestMachine, listed = this.#settings.listed ?? this.machines.length, change: Partial<ConfigurationInput> = {}): string {
    return corosyncConfiguration({
      clusterName: "test",
      clusterId: this.clusterId,
      nodes: this.machines.slice(0, listed).map((one) => ({ id: one.node, name: one.name, addresses: one.addresses })),
      // A token of 200 ms is lost now and then while everything else of the machine is busy.
      profile: "standard",
      keyFile: join(machine.directory, "key"),
      stateDirectory: join(machine.directory, "state"),
      logFile: join(machine.directory, "log"),
      ...this.#settings.configuration,
      ...change,
    });
  }

  /** Takes a machine off a link, or puts it back. */
  cut(machine: TestMachine, link: number): void {
    ip("-n", this.bridges, "link", "set", machine.port(link), "down");
  }

  heal(machine: TestMachine, link: number): void {
    ip("-n", this.bridges, "link", "set", machine.port(link), "up");
  }

  async end(): Promise<void> {
    for (const machine of this.machines) machine.killAll();
    await Promise.all(this.machines.map((machine) => machine.gone()));
    for (const machine of this.machines) ip("netns", "delete", machine.namespace);
    ip("netns", "delete", this.bridges);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export class TestMachine {
  readonly network: TestNetwork;
  readonly node: number;
  readonly name: string;
  readonly namespace: string;
  readonly directory: string;
  readonly addresses: readonly string[];
  readonly #children = new Map<ChildProcess, Promise<void>>();
  corosync: ChildProcess | null = null;

  constructor(network: TestNetwork, node: number, namespace: string) {
    this.network = network;
    this.node = node;
    this.name = `n${node}`;
    this.namespace = namespace;
    this.directory = join(network.directory, this.name);
    // The second link is IPv6, so that both are tried.
    this.addresses = Array.from({ length: network.links }, (_, link) => (link % 2 === 0 ? `10.77.${link}.${node}` : `fd77:${link}::${node}`));
    for (const part of ["run", "shm", "state"]) mkdirSync(join(this.directory, part), { recursive: true });
    ip("netns", "add", namespace);
    ip("-n", namespace, "link", "set", "lo", "up");
    this.addresses.forEach((address, link) => {
      ip("-n", network.bridges, "link", "add", this.port(link), "type", "veth", "peer", "name", `eth${link}`, "netns", namespace);
      ip("-n", network.bridges, "link", "set", this.port(link), "master", `br${link}`, "up");
      ip("-n", namespace, "address", "add", link % 2 === 0 ? `${address}/24` : `${address}/64`, "dev", `eth${link}`, ...(link % 2 === 0 ? [] : ["nodad"]));
      ip("-n", namespace, "link", "set", `eth${link}`, "up");
    });
  }

  port(link: number): string {
    return `p${this.node}l${link}`;
  }

  get sharedMemory(): string {
    return join(this.directory, "shm");
  }

  /** Names in its /dev/shm. */
  leftovers(): string[] {
    return readdirSync(this.sharedMemory);
  }

  log(): string {
    return existsSync(join(this.directory, "log")) ? readFileSync(join(this.directory, "log"), "utf8") : "";
  }

  /** Starts a program on this machine; the process number is the program's own. It does not outlive the test. */
  run(program: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess {
    const inside = 'mount --bind "$1/run" /run && mount --bind "$1/shm" /dev/shm && shift && exec setpriv --pdeathsig KILL "$@"';
    const child = spawn("ip", ["netns", "exec", this.namespace, "unshare", "--mount", "--propagation", "private", "sh", "-c", inside, "sh", this.directory, program, ...words], { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...environment } });
    child.stdin?.on("error", () => {}); // it may be dead
    const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
    this.#children.set(child, gone);
    void gone.then(() => this.#children.delete(child));
    return child;
  }

  /** Starts corosync without a supervisor. */
  startCorosync(configuration = this.network.configuration(this)): ChildProcess {
    writeFileSync(join(this.directory, "key"), this.network.key, { mode: 0o400 });
    writeFileSync(join(this.directory, "corosync.conf"), configuration);
    this.corosync = this.run("corosync", ["-f", "-c", join(this.directory, "corosync.conf")]);
    return this.corosync;
  }

  /** The corosync that runs here, whoever started it. */
  corosyncPid(): number | null {
    try {
      const pid = Number(readFileSync(join(this.directory, "run", "corosync.pid"), "utf8"));
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(this.directory) ? pid : null;
    } catch {
      return null;
    }
  }

  killAll(): void {
    for (const child of this.#children.keys()) child.kill("SIGKILL");
    // One whose supervisor was killed is nobody's child any more.
    const pid = this.corosyncPid();
    if (pid !== null) process.kill(pid, "SIGKILL");
  }

  async gone(): Promise<void> {
    await Promise.all(this.#children.values());
  }
}
