import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ApiClient } from "../../../src/api/client.ts";
import type { NlbStatus } from "../../../src/nlb-host/facade.ts";
import type { BalancerSnapshot } from "../../../src/nlb-host/messages.ts";
import { hostPaths } from "../../../src/nlb-host/files.ts";
import { Lab, PATIENCE_MS, run, until } from "../../unit/network/lab.ts";
import type { Remote } from "../../unit/network/lab.ts";

export interface FormOptions {
  readonly hosts?: number;
  /** Machines that are no hosts yet: they come after the hosts. */
  readonly spare?: number;
  readonly mode?: string;
  readonly profile?: string;
  readonly addresses?: readonly string[];
  readonly rules?: boolean;
  /** Servers listen on these. */
  readonly ports?: readonly number[];
  /** On these they say their names at once, and to whatever comes. */
  readonly talks?: readonly number[];
  /** How long hosts may take to agree: more with slow heartbeats. */
  readonly patienceMs?: number;
}

export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

const MAIN = fileURLToPath(new URL("../../../bin/muster.js", import.meta.url));
const ADDRESSES = ["10.77.0.100/24", "fd77::100/64"];
const SYNACKS = "answers";

/**
 * Hosts of a balancing cluster, formed by the real command on machines that a bridge joins, with a web server on each,
 * and a client behind which there are many addresses. The client's kernel notes which host answers which request.
 */
export class Balanced {
  readonly lab: Lab;
  readonly size: number;
  readonly servers: Remote[] = [];
  readonly client: Remote;
  readonly #directory = mkdtempSync(join(tmpdir(), "muster-nlb-test-"));
  readonly #clientNumber: number;
  readonly #patienceMs: number;

  private constructor({ hosts = 3, spare = 0, patienceMs = PATIENCE_MS }: FormOptions) {
    this.#patienceMs = patienceMs;
    this.size = hosts;
    this.lab = new Lab(hosts + spare + 1);
    this.#clientNumber = hosts + spare + 1;
    this.client = this.lab.remote(this.#clientNumber, new URL("./client.ts", import.meta.url));
  }

  static async form(options: FormOptions = {}): Promise<Balanced> {
    const made = new Balanced(options);
    try {
      await made.#form(options);
      return made;
    } catch (error) {
      await made.close();
      throw error;
    }
  }

  async #form({ spare = 0, mode = "unicast", profile = "default", addresses = ADDRESSES, rules = true, ports = [80], talks = [] }: FormOptions): Promise<void> {
    this.#connectClient(this.size + spare);
    for (let number = 1; number <= this.size + spare; number++) await this.serve(number, ports, talks);
    this.muster(1, "create", "--adapter", "eth0", "--name", "h1", "--address", ...addresses, "--mode", mode, "--profile", profile, ...(rules ? [] : ["--no-rules"]));
    for (let number = 2; number <= this.size; number++) this.join(number);
    await this.settled();
  }

  /** A web server on a machine. */
  async serve(number: number, ports: readonly number[], talks: readonly number[] = []): Promise<void> {
    const server = this.lab.remote(number, new URL("./server.ts", import.meta.url));
    this.servers[number] = server;
    for (const port of ports) await server.ask("listen", port, `h${number}`);
    for (const port of talks) await server.ask("talk", port, `h${number}`);
  }

  #connectClient(machines: number): void {
    const { namespace, address, address6 } = this.lab.machine(this.#clientNumber);
    for (let number = 1; number <= machines; number++) {
      this.lab.on(number, ["ip", "route", "add", "10.78.0.0/16", "via", address]);
      this.lab.on(number, ["ip", "-6", "route", "add", "fd78::/16", "via", address6]);
    }
    // Any address of these networks is the client's own.
    run(["ip", "-n", namespace, "route", "add", "local", "10.78.0.0/16", "dev", "lo"]);
    run(["ip", "-n", namespace, "-6", "route", "add", "local", "fd78::/16", "dev", "lo"]);
    this.lab.on(this.#clientNumber, ["sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1", "net.ipv6.ip_nonlocal_bind=1"]);
    // Servers of datagrams are there before the virtual address is.
    for (let number = 1; number <= machines; number++) this.lab.on(number, ["sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1", "net.ipv6.ip_nonlocal_bind=1"]);
    const set = (family: "ip" | "ip6"): string => `set ${SYNACKS}_${family} { typeof ${family} daddr . tcp dport . tcp ackseq . ether saddr; size 65535; flags dynamic; }`;
    const rule = (family: "ip" | "ip6"): string => `tcp flags & (syn | ack) == syn | ack add @${SYNACKS}_${family} { ${family} daddr . tcp dport . tcp ackseq . ether saddr }`;
    const rules = `table inet seen { ${set("ip")}\n ${set("ip6")}\n chain in { type filter hook input priority 0; meta nfproto ipv4 ${rule("ip")}\n meta nfproto ipv6 ${rule("ip6")}\n }\n }\n`;
    const { status, stderr } = spawnSync("ip", ["netns", "exec", namespace, "nft", "-f", "-"], { input: rules, encoding: "utf8", timeout: PATIENCE_MS });
    if (status !== 0) throw new Error(`the client's counters: ${stderr}`);
  }

  /** Requests for a connection that more than one host answered, by the hardware addresses of the answers. */
  doubleAnswers(): readonly string[] {
    const { namespace } = this.lab.machine(this.#clientNumber);
    const found = new Map<string, Set<string>>();
    for (const family of ["ip", "ip6"]) {
      const text = run(["ip", "netns", "exec", namespace, "nft", "-j", "list", "set", "inet", "seen", `${SYNACKS}_${family}`]);
      const { nftables } = JSON.parse(text) as { nftables: { set?: { elem?: unknown[] } }[] };
      for (const element of nftables.flatMap(({ set }) => set?.elem ?? [])) {
        const { concat } = (typeof element === "object" && element !== null && "elem" in element ? (element.elem as { val: unknown }).val : element) as { concat: (string | number)[] };
        const key = concat.slice(0, 3).join(" ");
        found.set(key, (found.get(key) ?? new Set()).add(String(concat[3])));
      }
    }
    if (found.size === 0) throw new Error("the client's kernel has seen no answer at all");
    return [...found].filter(([, hosts]) => hosts.size > 1).map(([key, hosts]) => `${key}: ${[...hosts].join(" and ")}`);
  }

  /** The set would be full after some tens of thousands of connections. */
  forgetAnswers(): void {
    for (const family of ["ip", "ip6"]) run(["ip", "netns", "exec", this.lab.machine(this.#clientNumber).namespace, "nft", "flush", "set", "inet", "seen", `${SYNACKS}_${family}`]);
  }

  directory(number: number): string {
    return join(this.#directory, `h${number}`);
  }

  /** `muster nlb` on a machine. @throws Error with what it said */
  muster(number: number, ...words: readonly string[]): string {
    const { code, out, error } = this.tries(number, ...words);
    if (code !== 0) throw new Error(`host ${number}: muster nlb ${words.join(" ")}: code ${code}: ${error}${out}`);
    return out;
  }

  tries(number: number, ...words: readonly string[]): CommandResult {
    const line = ["netns", "exec", this.lab.machine(number).namespace, process.execPath, "--disable-warning=ExperimentalWarning", MAIN, "nlb", ...words, "--directory", this.directory(number)];
    const { status, stdout, stderr } = spawnSync("ip", line, { encoding: "utf8", timeout: PATIENCE_MS * 2, killSignal: "SIGKILL" });
    return { code: status, out: stdout, error: stderr };
  }

  join(number: number, ...words: readonly string[]): void {
    const token = this.muster(1, "token").trim();
    this.muster(number, "join", token, "--adapter", "eth0", "--name", `h${number}`, ...words);
  }

  /** The API of a host, by its socket: quicker than the command. */
  api(number: number): ApiClient {
    return new ApiClient({ socket: hostPaths.socket(this.directory(number)) });
  }

  status(number = 1): Promise<NlbStatus> {
    return this.api(number).get<NlbStatus>("/v1/nlb/status");
  }

  snapshot(number = 1): Promise<BalancerSnapshot> {
    return this.api(number).get<BalancerSnapshot>("/v1/nlb/snapshot");
  }

  /** Until these hosts, and no others, are in one map, and have taken what it gives them. */
  settled(hosts: readonly number[] = Array.from({ length: this.size }, (_, position) => position + 1)): Promise<unknown> {
    return until(`the hosts ${hosts.join(", ")} agree`, async () => {
      const seen = await Promise.all(hosts.map((number) => this.snapshot(number).catch(() => null)));
      const maps = new Set(seen.map((one) => one?.map?.id.hash ?? "none"));
      const members = seen[0]?.map?.members.map(({ host }) => host).join() ?? "";
      const areIn = seen.every((one) => (one?.state === "converged" || one?.state === "default") && one.lease.isOpen);
      // What each says of itself is in the heartbeats that the others have.
      return maps.size === 1 && members === hosts.join() && areIn && seen.every((one) => one!.peers.filter(({ host }) => hosts.includes(host)).every(({ heartbeat }) => heartbeat.isTaken && maps.has(heartbeat.map.hash))) ? true : null;
    }, this.#patienceMs);
  }

  state(number: number, host: number, wanted: string): Promise<unknown> {
    return until(`host ${number} sees host ${host} ${wanted}`, async () => ((await this.status(number).catch(() => null))?.hosts.find(({ id }) => id === host)?.state === wanted ? true : null));
  }

  /** Processes of the balancing host on a machine. */
  processes(number: number): readonly number[] {
    return run(["ip", "netns", "pids", this.lab.machine(number).namespace], () => true)
      .split(/\s+/)
      .map(Number)
      .filter((id) => id > 0 && id !== this.servers[number]?.child.pid && id !== process.pid);
  }

  /** Of everything on a machine but its web server. */
  signal(number: number, signal: NodeJS.Signals): void {
    for (const id of this.processes(number)) {
      try {
        process.kill(id, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  /** The switch loses every frame to and from a machine, which sees nothing of it. */
  cut(number: number): void {
    const port = `p${number}`;
    this.onSwitch(["nft", `add table bridge cut; add chain bridge cut f { type filter hook forward priority 0; }; add rule bridge cut f iifname ${port} drop; add rule bridge cut f oifname ${port} drop`]);
  }

  heal(): void {
    this.onSwitch(["nft", "delete table bridge cut"]);
  }

  onSwitch(words: readonly string[]): string {
    return run(["ip", "netns", "exec", this.lab.machine(1).namespace.replace(/n1$/, "sw"), ...words]);
  }

  get clientNumber(): number {
    return this.#clientNumber;
  }

  async close(): Promise<void> {
    for (let number = 1; number < this.#clientNumber; number++) this.signal(number, "SIGKILL");
    await this.lab.close();
    // Files that processes were still writing.
    await sleep(10);
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
