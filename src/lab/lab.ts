import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { MusterError } from "../model/errors.ts";
import { until } from "./commands.ts";
import type { CutOptions, Drop } from "./cuts.ts";
import { invalid, labExists, switchIsGone } from "./errors.ts";
import { LabHost } from "./host.ts";
import { CLIENT_NAME, DEFAULT_NETWORK_COUNT, checkLabName, checkNetworks, findAddresses, findHost, planHosts, standardNetworks } from "./plan.ts";
import type { HostAddress, NetworkOptions } from "./plan.ts";
import { isAlive, processesOfLab, sendSignal } from "./processes.ts";
import { WHOLE_CABLE, createRecord, labPaths, readCables, readProcess, readRecord, recordedLabs, removeRecord, writeJson } from "./record.ts";
import type { CableState, LabRecord } from "./record.ts";
import { checkRequirements } from "./requirements.ts";
import { startSwitch } from "./start.ts";
import { Switch, checkCable, checkCanDelay } from "./switch.ts";

export interface LabOptions {
  readonly name?: string;
  /** How many (n1, n2, …), or their names. */
  readonly hosts: number | readonly string[];
  readonly networks?: readonly NetworkOptions[];
  /** Each host's state is a tmpfs of this size, so that its disk can be full; null = directories on a disk of the machine. */
  readonly stateBytesMax?: number | null;
  /** Holds the hosts' state instead of /run; must be empty or not be there, and goes with the lab. */
  readonly directory?: string | null;
  /** More directories below /tmp, /run or /dev/shm that hosts see, beside the one of Muster itself. */
  readonly visible?: readonly string[];
}

export interface DelayOptions {
  /** One network; all of the host's when left out. */
  readonly network?: string;
  /** Each way. Needs netem in the kernel. */
  readonly delayMs?: number;
  readonly rateBitsPerSecond?: number;
  readonly lossPercent?: number;
}

export interface CutSelection extends CutOptions {
  /** The host sees the cable out (no carrier); without it, its frames are lost at the switch and it sees nothing. */
  readonly unplug?: boolean;
}

export const DEFAULT_LAB_NAME = "lab";
const DOWN_LIMIT_MS = 15_000;
const GRACE_MS = 500;
/** Smaller ones do not even hold an empty database. */
const STATE_BYTES_MIN = 64 * 1024;

/** Hosts as namespaces of this machine, joined by a switch that nothing leaves. */
export class Lab {
  readonly name: string;
  readonly networks: readonly NetworkOptions[];
  /** In order, without the client. */
  readonly hosts: readonly LabHost[];
  readonly client: LabHost;
  readonly #record: LabRecord;

  private constructor(record: LabRecord) {
    this.#record = record;
    this.name = record.name;
    this.networks = record.networks;
    const all = record.hosts.map((plan) => new LabHost(record, plan));
    this.hosts = all.filter((host) => host.name !== CLIENT_NAME);
    this.client = all.find((host) => host.name === CLIENT_NAME)!;
  }

  /**
   * Makes a lab with all hosts switched on. It stays until `down`, also when this process ends.
   * @throws LabError when the name is taken, when this is not root, when a program is missing; nothing is left then
   */
  static async up(options: LabOptions): Promise<Lab> {
    const { name = DEFAULT_LAB_NAME, hosts, networks = standardNetworks(DEFAULT_NETWORK_COUNT), stateBytesMax = null, directory = null, visible = [] } = options;
    checkLabName(name);
    checkNetworks(networks);
    const plans = planHosts(hosts, networks);
    if (stateBytesMax !== null && !(Number.isInteger(stateBytesMax) && stateBytesMax >= STATE_BYTES_MIN)) throw invalid("--state-size", `at least ${STATE_BYTES_MIN} bytes`);
    checkRequirements();
    if (existsSync(labPaths.record(name))) throw labExists(name);
    const stateRoot = directory === null ? labPaths.state(name) : resolve(directory);
    checkStateRoot(stateRoot, directory);
    const shown = [installation(), ...visible].map((path) => realpathSync(path));
    const record: LabRecord = { name, id: randomBytes(12).toString("hex"), createdAtMs: Date.now(), networks, hosts: plans, stateRoot, stateBytesMax, visible: [...new Set(shown)] };
    createRecord(record);
    const lab = new Lab(record);
    try {
      for (const host of plans) mkdirSync(join(stateRoot, host.name), { recursive: true, mode: 0o700 });
      writeJson(labPaths.switchProcess(name), await startSwitch(record));
      await lab.#all((host) => host.start());
      return lab;
    } catch (error) {
      await lab.down();
      throw error;
    }
  }

  /** A lab that another process has made, also one of which not everything is left. @throws LabError when there is no such lab */
  static async open(name: string = DEFAULT_LAB_NAME): Promise<Lab> {
    checkRequirements();
    return new Lab(readRecord(name));
  }

  /** All labs of this machine, sorted by name. */
  static async list(): Promise<readonly Lab[]> {
    return recordedLabs().map((name) => new Lab(readRecord(name)));
  }

  get createdAtMs(): number {
    return this.#record.createdAtMs;
  }

  get stateBytesMax(): number | null {
    return this.#record.stateBytesMax;
  }

  /** False when the switch is gone: then the lab can only be taken down. */
  get isWhole(): boolean {
    return readProcess(labPaths.switchProcess(this.name)) !== null;
  }

  /** A host by its name, the client included. @throws LabError when there is none */
  host(name: string): LabHost {
    const plan = findHost(this.#record.hosts, name);
    return [...this.hosts, this.client].find((host) => host.name === plan.name)!;
  }

  /** Lets the switch drop what goes to or from a host. Cuts add up until they are healed, and outlast a power-off. */
  async cut(name: string, options: CutSelection = {}): Promise<void> {
    if (options.unplug !== true) return this.#switch().cut(name, options);
    if (options.from !== undefined || options.direction !== undefined) throw invalid("--unplug", "a cable is out for everybody and both ways: leave out --from and --direction");
    await this.#setCables(name, options.network, (state) => ({ ...state, unplugged: true }));
  }

  /**
   * Ends cuts. Without a name all of them, and delays, loss and cables that are out as well; with a host alone, everything
   * that keeps it apart; with `from` or `direction`, only the cuts that were made with the same words.
   */
  async heal(name?: string, options: CutOptions = {}): Promise<void> {
    if (name !== undefined) findHost(this.#record.hosts, name);
    await this.#switch().heal(name ?? null, options);
    if (options.from !== undefined || options.direction !== undefined) return;
    const names = name === undefined ? this.#record.hosts.map((host) => host.name) : [name];
    for (const host of names) {
      const networks = Object.keys(readCables(this.name, host)).filter((network) => options.network === undefined || network === options.network);
      for (const network of networks) await this.#setCables(host, network, () => WHOLE_CABLE);
    }
  }

  /**
   * Makes cables of a host slow or lossy, each way; what is left out stays as it was.
   * @throws LabError when the kernel cannot delay; nothing was changed then
   */
  async delay(name: string, options: DelayOptions): Promise<void> {
    const { network, ...wanted } = options;
    const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
    if (Object.keys(given).length === 0) throw invalid("--delay", "say what: a delay, a rate or a loss");
    checkCable({ ...WHOLE_CABLE, ...given });
    if (wanted.delayMs !== undefined) checkCanDelay(await this.#switch().canDelay());
    await this.#setCables(name, network, (state) => ({ ...state, ...given }));
  }

  async #setCables(name: string, network: string | undefined, change: (state: CableState) => CableState): Promise<void> {
    const host = this.host(name);
    for (const address of findAddresses(findHost(this.#record.hosts, name), network)) {
      const states = readCables(this.name, name);
      const state = change(states[address.network] ?? WHOLE_CABLE);
      await this.#applyCable(host, address, state);
      const others = Object.entries(states).filter(([other]) => other !== address.network);
      const isWhole = JSON.stringify(state) === JSON.stringify(WHOLE_CABLE);
      writeJson(labPaths.cables(this.name, name), Object.fromEntries([...others, ...(isWhole ? [] : [[address.network, state]])]));
    }
  }

  async #applyCable(host: LabHost, address: HostAddress, state: CableState): Promise<void> {
    const lan = this.#switch();
    await lan.setLoss(host.name, address.network, state.lossPercent);
    // A host that is off gets the rest when it is switched on.
    if (!host.isOn) return;
    await lan.setQueue(address, host.initProcessId, state);
    await lan.setPlugged(address.port, !state.unplugged);
  }

  /** What the switch drops now, and what was done to cables. */
  async damage(): Promise<{ readonly cuts: readonly Drop[]; readonly cables: readonly ({ readonly host: string; readonly network: string } & CableState)[] }> {
    const rules = await this.#switch().rules();
    const cables = this.#record.hosts.flatMap((host) => Object.entries(readCables(this.name, host.name)).map(([network, state]) => ({ host: host.name, network, ...state })));
    return { cuts: rules.filter((rule) => rule.kind === "cut").map((rule) => rule.drop), cables };
  }

  async pause(name: string): Promise<void> {
    await this.host(name).pause();
  }

  async resume(name: string): Promise<void> {
    await this.host(name).resume();
  }

  /** Sends a signal to the host's processes whose command line contains the text or matches. @returns their numbers */
  async kill(name: string, pattern: string | RegExp, signal: NodeJS.Signals = "SIGKILL"): Promise<readonly number[]> {
    return this.host(name).kill(pattern, signal);
  }

  /** The cables go first, so that nobody hears the hosts die, all at once. Nothing happens to one that is off. */
  async powerOff(...names: readonly string[]): Promise<void> {
    await this.#powerOff(names.map((name) => this.host(name)));
  }

  /** Every host at once, the client too: as when the whole site is without current. */
  async powerOffAll(): Promise<void> {
    await this.#powerOff([...this.hosts, this.client]);
  }

  async #powerOff(hosts: readonly LabHost[]): Promise<void> {
    const lan = this.#switch();
    await lan.removePorts(hosts.flatMap((host) => host.addresses.map((address) => address.port)));
    await settleAll(hosts.map((host) => host.end()));
  }

  /** The same host with the same addresses and what it had written to its state. @throws LabError when it is on */
  async powerOn(name: string): Promise<void> {
    await this.host(name).start();
  }

  /** Switches on what is off. */
  async powerOnAll(): Promise<void> {
    await this.#all((host) => (host.isOn ? Promise.resolve() : host.start()));
  }

  #all(action: (host: LabHost) => Promise<void>): Promise<void> {
    return settleAll([...this.hosts, this.client].map(action));
  }

  /**
   * Ends everything of the lab and leaves nothing, whatever state it is in and whoever has made it. May be repeated.
   * @throws MusterError MUSTER_TIMEOUT when a process does not end
   */
  async down(): Promise<void> {
    const known = [labPaths.switchProcess(this.name), ...this.#record.hosts.map((host) => labPaths.init(this.name, host.name))].map(readProcess).filter((identity) => identity !== null);
    for (const identity of known) sendSignal(identity.processId, "SIGKILL");
    await until(() => known.every((identity) => !isAlive(identity)), DOWN_LIMIT_MS);
    // What waits for those ends by itself and takes them off the process table; only of a half-made lab more may be here.
    await until(() => processesOfLab(this.#record.id).length === 0, GRACE_MS).catch(() => {});
    await until(() => {
      const left = processesOfLab(this.#record.id);
      for (const processId of left) sendSignal(processId, "SIGKILL");
      return left.length === 0;
    }, DOWN_LIMIT_MS);
    // Another lab may have the name by now, when this one was taken down before.
    if (readId(this.name) !== this.#record.id) return;
    rmSync(this.#record.stateRoot, { recursive: true, force: true });
    removeRecord(this.name);
  }

  #switch(): Switch {
    const identity = readProcess(labPaths.switchProcess(this.name));
    if (identity === null) throw switchIsGone(this.name);
    return new Switch(identity.processId, this.#record.hosts);
  }
}

function readId(name: string): string | null {
  return existsSync(labPaths.record(name)) ? readRecord(name).id : null;
}

/** All of them to their end, then the first failure: nothing goes on behind the caller's back. */
async function settleAll(actions: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(actions)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Where this very code lies, which hosts must see to run it. */
function installation(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  // What is built lies in a directory of its own below it.
  while (!existsSync(join(directory, "bin", "muster.js")) && directory !== "/") directory = dirname(directory);
  return directory;
}

/** Every host has these for itself: what lies below is not what the machine sees there. */
const PRIVATE = ["/etc", "/var/lib", "/var/log"];

function checkStateRoot(stateRoot: string, directory: string | null): void {
  if (directory === null) return;
  if (PRIVATE.some((path) => stateRoot === path || stateRoot.startsWith(`${path}/`))) throw invalid("--directory", `not below ${PRIVATE.join(", ")}: every host has these for itself`);
  if (existsSync(stateRoot) && readdirSync(stateRoot).length > 0) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--directory", problem: `${stateRoot} is not empty, and goes with the lab` });
}

export type { HostAddress, HostPlan, NetworkOptions } from "./plan.ts";
export type { LabHost } from "./host.ts";
export type { CommandResult } from "./commands.ts";
export type { CutOptions, Drop } from "./cuts.ts";
export type { CableState } from "./record.ts";
