import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { MusterError } from "../model/errors.ts";
import { AddressTable } from "../network/addresses.ts";
import type { Link, WantedAddress } from "../network/addresses.ts";
import { BALANCED_ADDRESS_PROTOCOL } from "../network/netlink-messages.ts";
import type { FilterAddress, FilterPlan } from "../nlb/filter-contract.ts";

const COMMAND_LIMIT_MS = 10_000;
/** After something about the adapter could not be done. */
const RETRY_MS = 1_000;
/** Requests of ARP never come from a virtual address, whatever a program binds to. */
const ANNOUNCE_BEST = "2";

/** What of a plan is for the adapter. */
export type AdapterPlan = Pick<FilterPlan, "virtualAddresses" | "operationMode" | "hardwareAddress" | "multicastGroup">;

/**
 * The adapter of a balanced host: it holds all virtual addresses all the time, takes frames for the cluster's hardware
 * address, and is in its group. A link that goes down and comes up again takes IPv6 addresses with it: they are put
 * back. What a host accepts is the filter's business, so the filter must have a plan before this is asked for anything.
 */
export class ClusterAdapter {
  readonly name: string;
  readonly #table: AddressTable;
  readonly #log: (line: string) => void;
  readonly #ownHardwareAddress: string;
  #plan: AdapterPlan | null = null;
  #group: { readonly socket: Socket; readonly address: string } | null = null;
  #accepted: string | null = null;
  #announceBefore: string | null = null;
  #changing: Promise<void> = Promise.resolve();
  #unsubscribe: () => void = () => undefined;
  /** Hardware addresses that the adapter was given here, and has until it has its own again. */
  readonly #given = new Set<string>();
  #hasUsedFour = false;
  #retry: NodeJS.Timeout | null = null;
  #problem = "";
  #groupProblem = "";
  #isClosed = false;

  private constructor(name: string, table: AddressTable, ownHardwareAddress: string, log: (line: string) => void) {
    this.name = name;
    this.#table = table;
    this.#ownHardwareAddress = ownHardwareAddress;
    this.#log = log;
  }

  /**
   * Takes away the virtual addresses that a former life left.
   * @param onLink told of each change of the link, and once at the start
   * @param onReplaced told once why this cannot go on: another adapter has the name, or it has another hardware address. What was set on the first one, its filter too, is not there
   * @throws MusterError MUSTER_INVALID_ARGUMENT when there is no such adapter, MUSTER_NEEDS_CAPABILITY
   */
  static async open(name: string, onLink: (isUp: boolean) => void, onReplaced: (problem: string) => void, log: (line: string) => void): Promise<ClusterAdapter> {
    const table = await AddressTable.open(BALANCED_ADDRESS_PROTOCOL);
    try {
      const link = table.link(name);
      if (link === null || link.hardwareAddress === "") throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "adapter", problem: `there is no adapter ${name} with a hardware address; there are: ${table.links().map((one) => one.name).join(", ")}` });
      const adapter = new ClusterAdapter(name, table, link.hardwareAddress, log);
      // Of this adapter only: another one may belong to another cluster.
      for (const left of table.addresses()) if (left.protocol === BALANCED_ADDRESS_PROTOCOL && left.link === link.index) await table.remove(left);
      let isUp = link.isUp;
      onLink(isUp);
      adapter.#unsubscribe = table.subscribe(() => {
        const problem = adapter.#replacement(link);
        if (problem !== null) {
          adapter.#unsubscribe();
          return onReplaced(problem);
        }
        const now = table.link(name)?.isUp ?? false;
        if (now !== isUp) onLink((isUp = now));
        adapter.#look();
      });
      return adapter;
    } catch (error) {
      table.close();
      throw error;
    }
  }

  /** @returns what is not as it was at the start; null = it is the same adapter, or there is none now */
  #replacement(first: Link): string | null {
    const now = this.#table.link(this.name);
    if (now === null) return null;
    if (now.index !== first.index) return "another adapter has this name now";
    const isOurs = now.hardwareAddress === first.hardwareAddress || this.#given.has(now.hardwareAddress) || this.#plan?.operationMode === "windowsUnicast";
    return isOurs || now.hardwareAddress === "" ? null : `its hardware address is ${now.hardwareAddress} now, and was ${first.hardwareAddress}`;
  }

  /** The adapter's own, whatever it tells others. */
  get hardwareAddress(): string {
    return this.#ownHardwareAddress;
  }

  /**
   * Where heartbeats leave from: an address of the adapter that is not virtual. Hosts of one cluster hear each other in one
   * family only, so a host that lost its addresses of it has none: by the other one it would seem to be alone.
   * @param wanted as configured @param virtual the primary one first
   */
  dedicatedAddress(wanted: readonly string[], virtual: readonly string[]): string | null {
    const link = this.#table.link(this.name);
    const own = this.#table.addresses().filter((one) => one.link === link?.index && one.protocol !== BALANCED_ADDRESS_PROTOCOL && !virtual.includes(one.address)).map((one) => one.address);
    const chosen = chooseDedicated(own, wanted, this.#hasUsedFour || virtual[0]?.includes(":") === false);
    if (chosen?.includes(":") === false) this.#hasUsedFour = true;
    return chosen;
  }

  /** From now on as the plan says; comes to its end in the background, and is mended when the adapter loses something. */
  apply(plan: AdapterPlan): void {
    if (this.#plan !== null && JSON.stringify(this.#plan) === JSON.stringify(plan)) return;
    this.#plan = plan;
    this.#look();
  }

  /** Virtual addresses that the adapter has now. */
  held(): readonly FilterAddress[] {
    return this.#ownAddresses().map(({ address }) => ({ address, family: address.includes(":") ? 6 : 4 }));
  }

  /** What was asked for has been tried. */
  settled(): Promise<void> {
    return this.#changing;
  }

  /** Everything that the plans put there goes. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    await this.#changing;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#setGroup(null, null);
    await this.#accept(null);
    this.#restoreAnnouncing();
    for (const one of this.#ownAddresses()) await this.#table.remove(one).catch((error: Error) => this.#log(`${one.address}: ${error.message}`));
    this.#table.close();
  }

  /** One change after the other; asked while one is on its way, it looks again afterwards. */
  #look(): void {
    if (this.#isClosed || this.#plan === null) return;
    this.#changing = this.#changing.then(async () => {
      const problems: string[] = [];
      await this.#repair(problems).catch((error: Error) => problems.push(error.message));
      this.#settle(problems.join("; "));
    });
  }

  /** What failed may succeed later without anybody telling. */
  #settle(problem: string): void {
    if (problem !== "" && problem !== this.#problem) this.#log(`the adapter ${this.name}: ${problem}`);
    this.#problem = problem;
    if (problem !== "") this.#lookAgain();
  }

  #lookAgain(): void {
    if (this.#isClosed) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      this.#look();
    }, RETRY_MS);
  }

  /** @param problems what could not be done; the rest is */
  async #repair(problems: string[]): Promise<void> {
    const plan = this.#plan;
    const link = this.#table.link(this.name);
    if (this.#isClosed || plan === null || link === null || !link.isUp) return;
    this.#announceBest();
    await this.#accept(plan);
    this.#setGroup(plan.multicastGroup, this.dedicatedAddress([], plan.virtualAddresses.map(({ address }) => address)));
    const wanted = new Set(plan.virtualAddresses.map(({ address }) => address));
    const trying = (address: string, change: Promise<void>): Promise<unknown> => change.catch((error: Error) => problems.push(`${address}: ${error.message}`));
    for (const one of this.#ownAddresses()) if (!wanted.has(one.address)) await trying(one.address, this.#table.remove(one));
    for (const { address, family } of plan.virtualAddresses) {
      if (this.#table.find(address) === null) await trying(address, this.#add({ address, adapter: this.name, prefixLength: family === 4 ? 32 : 128, untested: true }));
    }
  }

  async #add(wanted: WantedAddress): Promise<void> {
    try {
      await this.#table.add(wanted);
    } catch (error) {
      // The kernel tells of an IPv6 address a moment after it has taken it.
      const holder = this.#table.find(wanted.address)?.protocol ?? BALANCED_ADDRESS_PROTOCOL;
      if (MusterError.from(error).code !== "MUSTER_ADDRESS_IN_USE" || holder !== BALANCED_ADDRESS_PROTOCOL) throw error;
    }
  }

  #ownAddresses(): ReturnType<AddressTable["addresses"]> {
    const link = this.#table.link(this.name);
    return this.#table.addresses().filter((one) => one.protocol === BALANCED_ADDRESS_PROTOCOL && one.link === link?.index);
  }

  /** Network adapters drop frames for addresses they were not told of. */
  async #accept(plan: AdapterPlan | null): Promise<void> {
    const wanted = plan === null ? null : `${plan.operationMode} ${plan.hardwareAddress}`;
    if (wanted === this.#accepted) return;
    if (this.#accepted !== null) {
      const [mode, address] = this.#accepted.split(" ") as [string, string];
      if (mode === "windowsUnicast") await this.#command("ip", ["link", "set", "dev", this.name, "address", this.#ownHardwareAddress]);
      else if (mode === "unicast") await this.#command("bridge", ["fdb", "del", address, "dev", this.name, "self"]);
      else await this.#command("ip", ["maddress", "del", address, "dev", this.name]);
    }
    this.#accepted = wanted;
    if (plan === null) return;
    if (plan.operationMode === "windowsUnicast") this.#given.add(plan.hardwareAddress);
    if (plan.operationMode === "windowsUnicast") await this.#command("ip", ["link", "set", "dev", this.name, "address", plan.hardwareAddress]);
    else if (plan.operationMode === "unicast") await this.#command("bridge", ["fdb", "add", plan.hardwareAddress, "dev", this.name, "self"]);
    else await this.#command("ip", ["maddress", "add", plan.hardwareAddress, "dev", this.name]);
  }

  /** A few times in the life of a host: not worth a dialect of netlink. What goes wrong is logged. */
  #command(program: string, words: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      // Its thread goes on answering the other hosts meanwhile.
      execFile(program, words, { timeout: COMMAND_LIMIT_MS, killSignal: "SIGKILL" }, (error, _stdout, stderr) => {
        if (error !== null && !/File exists|No such/.test(stderr)) this.#log(`${program} ${words.join(" ")}: ${stderr.trim() || error.message}`);
        resolve();
      });
    });
  }

  #setGroup(group: string | null, interfaceAddress: string | null): void {
    // It is a group of IPv4, which no address of IPv6 can join.
    const wanted = group === null || interfaceAddress === null || interfaceAddress.includes(":") ? null : `${group} ${interfaceAddress}`;
    if ((this.#group?.address ?? null) === wanted) return;
    this.#group?.socket.close();
    this.#group = null;
    if (wanted === null) return;
    // Nothing is sent to it: switches look at who is in the group.
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    socket.on("error", (error) => this.#loseGroup(socket, `the group ${group}: ${error.message}`));
    socket.bind(0, () => {
      if (this.#group?.socket !== socket) return;
      try {
        socket.addMembership(group!, interfaceAddress!);
        this.#groupProblem = "";
      } catch (error) {
        this.#loseGroup(socket, `the group ${group}: ${(error as Error).message}`);
      }
    });
    this.#group = { socket, address: wanted };
  }

  /** The address may just have gone; whether it is there again is looked at later. */
  #loseGroup(socket: Socket, problem: string): void {
    if (this.#group?.socket !== socket) return;
    socket.close();
    this.#group = null;
    if (problem !== this.#groupProblem) this.#log(problem);
    this.#groupProblem = problem;
    this.#lookAgain();
  }

  get #announcePath(): string {
    return `/proc/sys/net/ipv4/conf/${this.name}/arp_announce`;
  }

  #announceBest(): void {
    if (this.#announceBefore !== null || !existsSync(this.#announcePath)) return;
    this.#announceBefore = readFileSync(this.#announcePath, "utf8").trim();
    try {
      writeFileSync(this.#announcePath, ANNOUNCE_BEST);
    } catch {
      // In some containers it cannot be written: requests are told the cluster's hardware address all the same.
    }
  }

  #restoreAnnouncing(): void {
    try {
      if (this.#announceBefore !== null) writeFileSync(this.#announcePath, this.#announceBefore);
    } catch {
      // As above.
    }
    this.#announceBefore = null;
  }
}

/** Pure. @param wanted as configured: their families count @param isFour where none is configured, only IPv4 will do: the cluster's primary address is one, or this host used one before */
export function chooseDedicated(own: readonly string[], wanted: readonly string[], isFour: boolean): string | null {
  const isSix = (address: string): boolean => address.includes(":");
  const mayUse = (address: string): boolean => (wanted.length > 0 ? wanted.some((one) => isSix(one) === isSix(address)) : !isFour || !isSix(address));
  return wanted.find((address) => own.includes(address)) ?? own.find((address) => mayUse(address) && !isSix(address)) ?? own.find(mayUse) ?? null;
}
