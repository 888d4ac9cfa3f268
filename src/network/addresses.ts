import { MusterError } from "../model/errors.ts";
import { isInSubnet, normalizeAddress } from "./address-text.ts";
import { ADDRESS_PROTOCOL, AddressFlag, WATCHED_GROUPS, addAddressRequest, decodeMessages, dumpAddresses, dumpLinks, removeAddressRequest } from "./netlink-messages.ts";
import type { Link, LinkAddress, NetlinkMessage } from "./netlink-messages.ts";
import { putU16, putU32 } from "./native-numbers.ts";
import { Family, KernelSocket, SocketType, SystemCallError } from "./sockets.ts";

export type { Link, LinkAddress } from "./netlink-messages.ts";

/** An address as it is wanted on an adapter. */
export interface WantedAddress {
  readonly address: string;
  readonly adapter: string;
  readonly prefixLength: number;
  /** An IPv6 address that nobody else can have: the kernel does not ask for another holder. */
  readonly untested?: boolean;
}

const NETLINK_ROUTE = 0;
const ANSWER_LIMIT_MS = 5_000;
const REQUESTS_MAX = 256;

interface Request {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * The links and addresses of this machine (more exactly: of the network name space), as the
 * kernel tells them: read once, and kept up to date by its own messages. So looking costs nothing,
 * and who waits for a change is told. Changes are made over the same socket.
 */
export class AddressTable {
  readonly #socket: KernelSocket;
  readonly #links = new Map<number, Link>();
  readonly #addresses = new Map<string, LinkAddress>();
  readonly #listeners = new Set<() => void>();
  readonly #requests = new Map<number, Request>();
  /** While all is read: what there is. */
  #seen: Set<string> | null = null;
  readonly #protocol: number;
  #sequence = 0;
  #problem: string | null = null;

  private constructor(protocol: number) {
    this.#protocol = protocol;
    this.#socket = new KernelSocket(Family.netlink, SocketType.raw, NETLINK_ROUTE);
    const address = Buffer.alloc(12);
    putU16(address, Family.netlink, 0);
    putU32(address, WATCHED_GROUPS, 8);
    this.#socket.bind(address);
    this.#socket.listen((bytes) => this.#onMessages(decodeMessages(bytes)), (error) => this.#onError(error));
  }

  /** @param protocol marks the addresses that are put on adapters @throws MusterError when the kernel does not answer */
  static async open(protocol = ADDRESS_PROTOCOL): Promise<AddressTable> {
    const table = new AddressTable(protocol);
    try {
      await table.#readAll();
      return table;
    } catch (error) {
      table.close();
      throw error;
    }
  }

  close(): void {
    this.#socket.close();
    for (const { reject, timer } of this.#requests.values()) {
      clearTimeout(timer);
      reject(new MusterError("MUSTER_INTERNAL", { problem: "the table of addresses was closed" }));
    }
    this.#requests.clear();
    this.#listeners.clear();
  }

  // ---- looking -----------------------------------------------------------------

  links(): readonly Link[] {
    return [...this.#links.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  link(name: string): Link | null {
    return this.links().find((link) => link.name === name) ?? null;
  }

  addresses(): readonly LinkAddress[] {
    return [...this.#addresses.values()];
  }

  find(address: string): LinkAddress | null {
    const wanted = normalizeAddress(address);
    return this.addresses().find((one) => one.address === wanted) ?? null;
  }

  /** Why the address does not serve now; null = it is there, on a link that is up. */
  problemOf({ address, adapter }: WantedAddress): string | null {
    if (this.#problem !== null) return this.#problem;
    const link = this.link(adapter);
    if (link === null) return `the adapter ${adapter} is gone`;
    const found = this.find(address);
    if (found === null || found.link !== link.index) return `it is not on the adapter ${adapter} any more`;
    if ((found.flags & AddressFlag.duplicate) !== 0) return "the kernel found another holder of it";
    return link.isUp ? null : `the adapter ${adapter} has no link`;
  }

  /** @returns what ends it */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves with the first value that is not null; with null after `limitMs`, or when `signal` is aborted. */
  waitFor<Value>(probe: () => Value | null, limitMs: number, signal: AbortSignal): Promise<Value | null> {
    const first = probe();
    if (first !== null || signal.aborted) return Promise.resolve(first);
    return new Promise((resolve) => {
      const finish = (value: Value | null): void => {
        clearTimeout(timer);
        unsubscribe();
        signal.removeEventListener("abort", onAbort);
        resolve(value);
      };
      const onAbort = (): void => finish(null);
      const timer = setTimeout(() => finish(null), limitMs);
      const unsubscribe = this.subscribe(() => {
        const value = probe();
        if (value !== null) finish(value);
      });
      signal.addEventListener("abort", onAbort);
    });
  }

  // ---- changing ----------------------------------------------------------------

  /**
   * Puts an address on an adapter. It makes no route to the subnet when the adapter has one by another address (the
   * route would go with this address), and an IPv6 address is never chosen as the source of what the node begins.
   * @throws MusterError MUSTER_NEEDS_CAPABILITY, MUSTER_ADDRESS_IN_USE (it is on this machine already), MUSTER_ADDRESS_LOST
   */
  async add({ address, adapter, prefixLength, untested }: WantedAddress): Promise<void> {
    const link = this.link(adapter);
    if (link === null) throw new MusterError("MUSTER_ADDRESS_LOST", { address, problem: `the adapter ${adapter} is gone` });
    const noPrefixRoute = this.addresses().some((one) => one.link === link.index && one.prefixLength === prefixLength && isInSubnet(address, one.address, prefixLength));
    const wanted = { link: link.index, address, prefixLength, noPrefixRoute, preferred: !address.includes(":"), protocol: this.#protocol, ...(untested === undefined ? {} : { untested }) };
    await this.#change(address, (sequence) => addAddressRequest(sequence, wanted));
  }

  /** Nothing happens when it is gone already. @throws MusterError MUSTER_NEEDS_CAPABILITY, MUSTER_ADDRESS_LOST */
  async remove(found: Pick<LinkAddress, "link" | "address" | "prefixLength">): Promise<void> {
    await this.#change(found.address, (sequence) => removeAddressRequest(sequence, found), ["EADDRNOTAVAIL", "ENODEV"]);
  }

  /**
   * Takes away what a dead monitor left: addresses that Muster put on an adapter. The kernel shows who did since 5.18;
   * before, they stay until somebody removes them.
   * @returns the addresses that were removed
   */
  async removeStale(): Promise<string[]> {
    const stale = this.addresses().filter((one) => one.protocol === this.#protocol);
    for (const one of stale) await this.remove(one);
    return stale.map((one) => one.address);
  }

  async #change(address: string, request: (sequence: number) => Buffer, allowed: readonly string[] = []): Promise<void> {
    try {
      await this.#ask(request);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      if (allowed.includes(error.code)) return;
      if (error.code === "EPERM") throw new MusterError("MUSTER_NEEDS_CAPABILITY", { what: "Changing the addresses of an adapter", capability: "CAP_NET_ADMIN" });
      if (error.code === "EEXIST") throw new MusterError("MUSTER_ADDRESS_IN_USE", { address, holder: "this node itself: the address is on one of its adapters" });
      throw new MusterError("MUSTER_ADDRESS_LOST", { address, problem: `the kernel refused it (${error.code})` });
    }
  }

  // ---- the socket --------------------------------------------------------------

  async #readAll(): Promise<void> {
    const seen = new Set<string>();
    this.#seen = seen;
    try {
      await this.#ask(dumpLinks);
      await this.#ask(dumpAddresses);
    } finally {
      this.#seen = null;
    }
    // What went while nobody heard of it. Until here it stays: nobody must take it for gone in between.
    for (const index of this.#links.keys()) if (!seen.has(String(index))) this.#links.delete(index);
    for (const key of this.#addresses.keys()) if (!seen.has(key)) this.#addresses.delete(key);
    this.#tell();
  }

  /** @throws SystemCallError with what the kernel answered */
  #ask(request: (sequence: number) => Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#requests.size >= REQUESTS_MAX) return reject(new MusterError("MUSTER_BUSY", { what: "The queue of changes of addresses", limit: REQUESTS_MAX }));
      const sequence = ++this.#sequence;
      const timer = setTimeout(() => {
        this.#requests.delete(sequence);
        reject(new MusterError("MUSTER_TIMEOUT", { timeoutMs: ANSWER_LIMIT_MS }));
      }, ANSWER_LIMIT_MS);
      this.#requests.set(sequence, { resolve, reject, timer });
      try {
        this.#socket.send(request(sequence));
      } catch (error) {
        this.#finish(sequence, error as Error);
      }
    });
  }

  #finish(sequence: number, error: Error | null): void {
    const request = this.#requests.get(sequence);
    if (request === undefined) return;
    this.#requests.delete(sequence);
    clearTimeout(request.timer);
    if (error === null) request.resolve();
    else request.reject(error);
  }

  #onMessages(messages: readonly NetlinkMessage[]): void {
    for (const message of messages) {
      if (message.kind === "link") {
        if (message.gone) this.#links.delete(message.link.index);
        else this.#links.set(message.link.index, message.link);
        this.#seen?.add(String(message.link.index));
      } else if (message.kind === "address") {
        const key = `${message.address.link} ${message.address.address}`;
        if (message.gone) this.#addresses.delete(key);
        else this.#addresses.set(key, message.address);
        this.#seen?.add(key);
      } else this.#finish(message.sequence, message.errno === 0 ? null : new SystemCallError("netlink", message.errno));
    }
    if (messages.some((message) => message.kind !== "end")) this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #onError(error: SystemCallError): void {
    // Messages were lost: what is known may be wrong, so all is read again.
    const again = error.code === "ENOBUFS" ? this.#readAll() : Promise.reject(error);
    again.catch((problem: Error) => {
      this.#problem = `the kernel does not tell about addresses any more: ${problem.message}`;
      this.#tell();
    });
  }
}

