import { normalizeAddress } from "./address-text.ts";
import type { GateState } from "./gate-state.ts";
import { parseGateState } from "./gate-state.ts";
import { armBatch, closeText, clusteredText, installText, ownText, pointBatch, removeText } from "./gate-rules.ts";
import type { Nftables } from "./nftables.ts";
import { NftablesSocket } from "./nftables-batch.ts";

/**
 * The gate in the kernel. It does what `GateModel` of the lease does: an armed slot opens nothing,
 * the slot it points at alone decides, and a slot that ran out stays closed. Nobody needs to be
 * alive for it to close. Every method is one transaction, and blocks until the kernel has it.
 * All throw MusterError MUSTER_PACKET_FILTER, for instance when somebody else removed the tables.
 */
export class KernelGate {
  readonly #nftables: Nftables;
  readonly #table: string;
  /** Opened when a slot is armed for the first time. */
  #socket: NftablesSocket | null = null;
  /** What arms a slot and what points at it is always the same, and is needed several times a second. */
  readonly #armBatches = new Map<number, { readonly timeoutMs: number; readonly batch: Buffer }>();
  readonly #pointBatches = new Map<number, Buffer>();
  #clustered: readonly string[] = [];
  #owned: readonly string[] = [];

  constructor(nftables: Nftables, table: string) {
    this.#nftables = nftables;
    this.#table = table;
  }

  /**
   * Makes the tables anew: closed, nothing owned. Addresses that a predecessor's gate was for stay
   * in it until `setClustered`, because this process may not know all of them yet.
   */
  install(clustered: readonly string[]): void {
    this.#clustered = unite(clustered, this.#state()?.clustered ?? []);
    this.#owned = [];
    this.#nftables.run(installText(this.#table, this.#clustered, []));
  }

  /** After somebody else changed the tables: everything as it was, but closed until the next confirmation. */
  repair(): void {
    this.#nftables.run(installText(this.#table, unite(this.#clustered, this.#owned), this.#owned));
  }

  /** Puts the slot into the gate with a time-out, whatever it held before. */
  arm(slot: number, timeoutMs: number): void {
    let known = this.#armBatches.get(slot);
    if (known?.timeoutMs !== timeoutMs) {
      known = { timeoutMs, batch: armBatch(this.#table, slot, timeoutMs) };
      this.#armBatches.set(slot, known);
    }
    this.#run(known.batch);
  }

  /** From now on this slot alone decides. */
  point(slot: number): void {
    let batch = this.#pointBatches.get(slot);
    if (batch === undefined) {
      batch = pointBatch(this.#table, slot);
      this.#pointBatches.set(slot, batch);
    }
    this.#run(batch);
  }

  close(): void {
    this.#nftables.run(closeText(this.#table));
  }

  /** The addresses that pass while the gate is open. They are clustered ones from then on. */
  own(addresses: readonly string[]): void {
    const owned = unite(addresses, []);
    const missing = owned.some((address) => !this.#clustered.includes(address));
    const clustered = missing ? unite(this.#clustered, owned) : this.#clustered;
    // What the gate does not know passes it: so it must know an address before anybody owns it.
    this.#nftables.run(missing ? `${clusteredText(this.#table, clustered)}\n${ownText(this.#table, owned)}` : ownText(this.#table, owned));
    this.#clustered = clustered;
    this.#owned = owned;
  }

  /** All addresses of the cluster that this node knows. Those it owns stay among them. */
  setClustered(addresses: readonly string[]): void {
    const clustered = unite(addresses, this.#owned);
    this.#nftables.run(clusteredText(this.#table, clustered));
    this.#clustered = clustered;
  }

  /** What the kernel has, read back; null = there are no such tables. */
  state(): GateState | null {
    return this.#state();
  }

  /** Nothing is gated any more. Only when no clustered address is left on this machine. */
  remove(): void {
    this.#nftables.run(removeText(this.#table));
    this.#clustered = [];
    this.#owned = [];
  }

  /** Gives back what this instance holds; the tables stay. It can be used again. */
  release(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  #run(batch: Buffer): void {
    this.#socket ??= new NftablesSocket();
    this.#socket.run(batch);
  }

  #state(): GateState | null {
    const listed = this.#list("inet");
    return listed === null ? null : parseGateState(this.#table, listed, this.#list("arp") ?? "");
  }

  #list(family: string): string | null {
    // The list of tables is asked first: an error for one that is not there cannot be told from others.
    const there = this.#nftables.run("list tables").split("\n").includes(`table ${family} ${this.#table}`);
    return there ? this.#nftables.run(`list table ${family} ${this.#table}`) : null;
  }
}

function unite(left: readonly string[], right: readonly string[]): string[] {
  return [...new Set([...left, ...right].map(normalizeAddress))].sort();
}
