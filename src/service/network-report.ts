import { ADDRESSES_PER_INTERFACE_MAX, INTERFACES_PER_NODE_MAX, allInterfaces, connectivityOf, discoveryChanges } from "../core/index.ts";
import type { ClusterState } from "../core/index.ts";
import type { LogStatus } from "../log/types.ts";
import type { Member, NodeId } from "../model/identifiers.ts";
import type { Command, ConnectivityInput } from "../model/inputs.ts";
import type { NetworkInterfaceRecord } from "../model/objects.ts";
import type { Adapter, AdapterReader } from "./adapters.ts";

/** The machine is asked this often; at once when a view begins. */
const READ_MS = 30_000;
/** A level that the state does not show is told again after that long. */
const TELL_MS = 500;

type Discovery = Extract<Command, { readonly verb: "network.discover" }>;

export interface NetworkReportOptions {
  readonly self: Member;
  readonly reader: AdapterReader;
  readonly status: () => LogStatus;
  readonly state: () => ClusterState;
  readonly send: (command: Discovery) => void;
  readonly say: (input: ConnectivityInput) => void;
  /** Nodes that the engine hears through the adapter with these addresses (`address/length`); null = it does not use it. */
  readonly heardThrough?: (addresses: readonly string[]) => readonly NodeId[] | null;
}

/**
 * Tells the cluster which adapters this node has, and whom it hears through each (reference 1.6, 2.7). Both are
 * compared with what the state shows: where nothing has changed, nothing is sent.
 *
 * On one machine all nodes share its adapters, and whoever is in the view is heard through each of them. An engine
 * that spans machines says what its heartbeats find on its links; of adapters beside them nobody can say more.
 */
export class NetworkReport {
  readonly #options: NetworkReportOptions;
  #epoch: number | null = null;
  #readAtMs = 0;
  #tellAtMs = 0;
  /** Names of the adapters that had a link when the machine was asked last. */
  #linked = new Set<string>();

  constructor(options: NetworkReportOptions) {
    this.#options = options;
  }

  tick(nowMs: number): void {
    const status = this.#options.status();
    if (status.phase !== "active") return void (this.#epoch = null);
    if (status.epoch !== this.#epoch || nowMs >= this.#readAtMs) {
      this.#epoch = status.epoch;
      this.#readAtMs = nowMs + READ_MS;
      this.#tellAtMs = nowMs;
      this.#look();
    }
    if (nowMs < this.#tellAtMs) return;
    this.#tellAtMs = nowMs + TELL_MS;
    this.#tell(status.members);
  }

  #own(): readonly NetworkInterfaceRecord[] {
    return allInterfaces(this.#options.state()).filter((one) => one.node === this.#options.self.node);
  }

  #look(): void {
    const { self, state, send } = this.#options;
    const name = state().tables.nodes.get(String(self.node))?.name;
    if (name === undefined) return;
    const found = this.#read();
    if (found === null) return;
    this.#linked = new Set(found.map((one) => one.adapter));
    const interfaces = this.#withUnplugged(found)
      .slice(0, INTERFACES_PER_NODE_MAX)
      .map(({ adapter, hardwareAddress, addresses, defaultGateway }) => ({ adapter, hardwareAddress, addresses: addresses.slice(0, ADDRESSES_PER_INTERFACE_MAX), defaultGateway }));
    if (discoveryChanges(state(), self.node, interfaces)) send({ verb: "network.discover", node: name, interfaces });
  }

  /** null = the machine does not say (a sandbox may forbid it): then what is known stays. */
  #read(): readonly Adapter[] | null {
    try {
      return this.#options.reader.adapters();
    } catch {
      return null;
    }
  }

  /** One that has lost its link still is an interface, and a failed one. Loopback counts where there is nothing else. */
  #withUnplugged(found: readonly Adapter[]): Adapter[] {
    const outside = found.filter((one) => !one.loopback);
    const unplugged = this.#own()
      .filter((one) => !found.some(({ adapter }) => adapter === one.adapter) && this.#options.reader.isLinkDown(one.adapter))
      .map(({ adapter, hardwareAddress, addresses }) => ({ adapter, hardwareAddress, addresses, defaultGateway: false, loopback: false }));
    const real = [...outside, ...unplugged];
    return real.length > 0 ? real : [...found];
  }

  #tell(members: readonly Member[]): void {
    const { self, state, say } = this.#options;
    const hears = members.map((member) => member.node).filter((node) => node !== self.node).sort((left, right) => left - right);
    const interfaces = this.#own().map((one) => {
      const linkUp = this.#linked.has(one.adapter);
      const through = this.#options.heardThrough?.(one.addresses) ?? null;
      return { interface: one.id, linkUp, hears: !linkUp ? [] : through === null ? hears : hears.filter((node) => through.includes(node)) };
    });
    const shown = connectivityOf(state(), self.node);
    if (shown === null ? interfaces.length === 0 : shown.incarnation === self.incarnation && JSON.stringify(shown.interfaces) === JSON.stringify(interfaces)) return;
    say({ kind: "connectivity", from: self, interfaces });
  }
}
