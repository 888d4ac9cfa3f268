import { command } from "./commands.ts";
import { dropRule, dropsOf, isHealed, readRules } from "./cuts.ts";
import type { CutOptions, Drop, Rule } from "./cuts.ts";
import { LabError, invalid } from "./errors.ts";
import type { HostAddress, HostPlan } from "./plan.ts";
import type { CableState } from "./record.ts";

/** The switch of a lab: its rules and its ports, reached through the process that keeps its namespace. */
export class Switch {
  readonly #processId: number;
  readonly #hosts: readonly HostPlan[];

  constructor(processId: number, hosts: readonly HostPlan[]) {
    this.#processId = processId;
    this.#hosts = hosts;
  }

  /** @throws LabError when a program fails */
  run(argv: readonly string[], input?: string): Promise<string> {
    return command(["nsenter", `--net=/proc/${this.#processId}/ns/net`, ...argv], input);
  }

  async rules(): Promise<readonly Rule[]> {
    return readRules(await this.run(["nft", "--json", "--handle", "list", "chain", "bridge", "lab", "cuts"]));
  }

  /** One transaction: all of a cut or nothing. A cut that is there already is left as it is. */
  async cut(name: string, options: CutOptions): Promise<void> {
    const wanted = dropsOf(this.#hosts, name, options);
    const present = (await this.rules()).filter((rule) => rule.kind === "cut").map((rule) => key(rule.drop));
    await this.#addRules(wanted.filter((drop) => !present.includes(key(drop))).map((drop) => dropRule(this.#hosts, drop, null)));
  }

  async heal(name: string | null, options: CutOptions): Promise<void> {
    await this.#deleteRules((await this.rules()).filter((rule) => rule.kind === "cut" && isHealed(rule.drop, name, options)));
  }

  /** Loses frames of one cable by chance, each way; null = none. */
  async setLoss(name: string, network: string, lossPercent: number | null): Promise<void> {
    const old = (await this.rules()).filter((rule) => rule.kind === "loss" && isHealed(rule.drop, name, { network }));
    const drops: readonly Drop[] = [
      { network, sender: name, receiver: null },
      { network, sender: null, receiver: name },
    ];
    if (lossPercent !== null) await this.#addRules(drops.map((drop) => dropRule(this.#hosts, drop, lossPercent)));
    await this.#deleteRules(old);
  }

  /** The host sees that its cable is out; unlike a cut, of which it sees nothing. */
  async setPlugged(port: string, plugged: boolean): Promise<void> {
    await this.run(["ip", "link", "set", port, plugged ? "up" : "down"]);
  }

  /** Takes the cables of hosts out at once and for good: nothing that a host says while it dies gets out. */
  async removePorts(ports: readonly string[]): Promise<void> {
    const present = (JSON.parse(await this.run(["ip", "-json", "link", "show"])) as readonly { readonly ifname: string }[]).map((link) => link.ifname);
    const commands = ports.filter((port) => present.includes(port)).map((port) => `link del ${port}`);
    if (commands.length > 0) await this.run(["ip", "-force", "-batch", "-"], `${commands.join("\n")}\n`);
  }

  /**
   * Delay and rate of one cable, each way: on the switch's port for what the host receives, on the host's interface for
   * what it sends.
   * @throws LabError when the kernel cannot delay
   */
  async setQueue(address: HostAddress, hostProcessId: number, state: CableState): Promise<void> {
    const ends = [
      { processId: this.#processId, device: address.port },
      { processId: hostProcessId, device: address.device },
    ];
    const queue = queueOf(state);
    for (const { processId, device } of ends) {
      const traffic = ["nsenter", `--net=/proc/${processId}/ns/net`, "tc", "qdisc"];
      if (queue === null) {
        const shown = JSON.parse(await command([...traffic, "show", "dev", device, "root"].toSpliced(3, 0, "-json"))) as readonly { readonly kind: string }[];
        if (shown.some(({ kind }) => kind === "tbf" || kind === "netem")) await command([...traffic, "del", "dev", device, "root"]);
      } else await command([...traffic, "replace", "dev", device, "root", ...queue]);
    }
  }

  /** True when the kernel has the one queue that delays. */
  async canDelay(): Promise<boolean> {
    const probe = `probe${process.pid}`;
    try {
      await this.run(["ip", "link", "add", probe, "type", "bridge"]);
      await this.run(["tc", "qdisc", "add", "dev", probe, "root", "netem", "delay", "1ms"]);
      return true;
    } catch {
      return false;
    } finally {
      await this.run(["ip", "link", "del", probe]).catch(() => {});
    }
  }

  async #addRules(rules: readonly string[]): Promise<void> {
    if (rules.length > 0) await this.run(["nft", "-f", "-"], rules.map((rule) => `add rule bridge lab cuts ${rule}\n`).join(""));
  }

  async #deleteRules(rules: readonly Rule[]): Promise<void> {
    if (rules.length > 0) await this.run(["nft", "-f", "-"], rules.map((rule) => `delete rule bridge lab cuts handle ${rule.handle}\n`).join(""));
  }
}

/** @throws LabError */
export function checkCanDelay(can: boolean): void {
  if (can) return;
  throw new LabError("MUSTER_INVALID_ARGUMENT", "--delay: this kernel cannot delay packets: it has no netem.", "Load it (modprobe sch_netem); without it, --rate and --loss still work.", { field: "--delay" });
}

/** @throws MusterError MUSTER_INVALID_ARGUMENT */
export function checkCable({ delayMs, rateBitsPerSecond, lossPercent }: CableState): void {
  if (delayMs !== null && !(delayMs > 0 && delayMs <= 60_000)) throw invalid("--delay", "more than 0 and at most 60000 milliseconds");
  if (rateBitsPerSecond !== null && !(rateBitsPerSecond >= RATE_MIN && rateBitsPerSecond <= RATE_MAX)) throw invalid("--rate", "from 8kbit to 10gbit a second");
  if (lossPercent !== null && !(lossPercent >= LOSS_PERCENT_MIN && lossPercent <= 100)) throw invalid("--loss", `from ${LOSS_PERCENT_MIN} to 100 per cent`);
}

const LOSS_PERCENT_MIN = 0.001;
const RATE_MIN = 8_000;
const RATE_MAX = 10_000_000_000;
/** Ten full frames, or what passes between two ticks of a slow clock: less would never reach the rate. */
const BURST_BYTES_MIN = 15_140;
const BURST_SECONDS = 0.01;
/** How long a packet waits at most before it is dropped, as in a switch with a small buffer. */
const QUEUE_MS = 200;
const NETEM_PACKETS_MAX = 100_000;

function queueOf({ delayMs, rateBitsPerSecond }: CableState): readonly string[] | null {
  if (delayMs !== null) {
    const rate = rateBitsPerSecond === null ? [] : ["rate", `${rateBitsPerSecond}bit`];
    return ["netem", "limit", String(NETEM_PACKETS_MAX), "delay", `${delayMs}ms`, ...rate];
  }
  if (rateBitsPerSecond === null) return null;
  const burst = Math.max(BURST_BYTES_MIN, Math.ceil((rateBitsPerSecond / 8) * BURST_SECONDS));
  return ["tbf", "rate", `${rateBitsPerSecond}bit`, "burst", String(burst), "latency", `${QUEUE_MS}ms`];
}

function key({ network, sender, receiver }: Drop): string {
  return `${network} ${sender ?? "*"} ${receiver ?? "*"}`;
}
