import { isIPv6 } from "node:net";
import { readFileSync, writeFileSync } from "node:fs";
import { MusterError } from "../model/errors.ts";
import type { ResourceContext } from "../monitor/resource-type.ts";
import { chooseAdapter } from "../network/adapter-choice.ts";
import type { Wish } from "../network/adapter-choice.ts";
import type { AddressTable, WantedAddress } from "../network/addresses.ts";
import { Announcer } from "../network/announcements.ts";
import { AdvertisementWatch } from "../network/advertisement-watch.ts";
import { findOtherHolder, FIRST_PROBING, HANDOVER_PROBING } from "../network/duplicates.ts";
import { ADDRESS_PROTOCOL, AddressFlag } from "../network/netlink-messages.ts";
import { SharedAddressTable } from "./shared-address-table.ts";

/**
 * An address on an adapter of this node (reference 3.1): seen to be nobody else's, let through the
 * gate, put on the adapter, announced; and watched by what the kernel tells, so that a look at its
 * health costs nothing. Loaded only where nodes have gates: it needs the kernel's own sockets.
 */

/** The kernel's own test of an IPv6 address takes one to two seconds. */
const DUPLICATE_TEST_LIMIT_MS = 10_000;

/** Of this process: which role has what. Two resources of one node cannot have the same address. */
const claimed = new Map<string, string>();

export class NetworkClaim {
  readonly #context: ResourceContext;
  readonly #table: AddressTable;
  readonly #wanted: WantedAddress;
  /** The kernel was asked to put it there: what is found of it is this claim's. */
  #isAdded = false;
  #announcer: Announcer | null = null;
  #unsubscribe: (() => void) | null = null;
  #released: Promise<void> | null = null;

  /**
   * @throws MusterError MUSTER_ADDRESS_NO_ADAPTER, MUSTER_ADDRESS_IN_USE with the hardware address of the holder,
   *   MUSTER_NEEDS_CAPABILITY, MUSTER_ADDRESS_LOST
   */
  static async take(context: ResourceContext, wish: Wish): Promise<NetworkClaim> {
    const { address } = wish;
    const holder = claimed.get(address);
    if (holder !== undefined) throw new MusterError("MUSTER_ADDRESS_IN_USE", { address, holder });
    claimed.set(address, `the role '${context.groupName}' on this node`);
    let claim: NetworkClaim | null = null;
    try {
      const table = await SharedAddressTable.acquire();
      const { adapter, prefixLength } = await chosen(wish, table);
      // The kernel's own test takes one to two seconds, which clients would wait at every move.
      claim = new NetworkClaim(context, table, { address, adapter, prefixLength, ...(context.isHandover ? { untested: true } : {}) });
      await claim.#take();
      return claim;
    } catch (error) {
      if (claim === null) forget(address);
      else await claim.release();
      throw error;
    }
  }

  private constructor(context: ResourceContext, table: AddressTable, wanted: WantedAddress) {
    this.#context = context;
    this.#table = table;
    this.#wanted = wanted;
  }

  async #take(): Promise<void> {
    const { address, adapter } = this.#wanted;
    const { signal } = this.#context;
    const hardwareAddress = this.#table.link(adapter)?.hardwareAddress ?? "";
    // An adapter without hardware addresses (a tunnel) has nobody to ask, or to tell.
    const isEthernet = hardwareAddress !== "";
    if (!isIPv6(address) && isEthernet) {
      const holder = await findOtherHolder(adapter, hardwareAddress, address, signal, this.#context.isHandover ? HANDOVER_PROBING : FIRST_PROBING);
      if (holder !== null) throw inUse(address, holder, adapter);
    }
    this.#throwIfEnded();
    // Before it is there: what the gate does not know passes it.
    await this.#context.ownAddress(address);
    this.#throwIfEnded();
    const watch = isIPv6(address) && this.#wanted.untested !== true ? new AdvertisementWatch(address) : null;
    try {
      if (watch === null) keepOtherAddresses(adapter);
      await this.#table.add(this.#wanted);
      this.#isAdded = true;
      if (watch !== null) await this.#untilTested(watch);
    } finally {
      watch?.close();
    }
    this.#throwIfEnded();
    if (isEthernet) this.#announcer = new Announcer({ adapter, hardwareAddress, address }, (problem) => this.#context.log(`${address} could not be announced: ${problem}`));
    this.#unsubscribe = this.#table.subscribe(() => this.#look());
    this.#context.log(`${address}/${this.#wanted.prefixLength} is on ${adapter} (${hardwareAddress})`);
  }

  /** Until the kernel has asked the network whether somebody else has the IPv6 address. */
  async #untilTested(watch: AdvertisementWatch): Promise<void> {
    const { address, adapter } = this.#wanted;
    const outcome = await this.#table.waitFor(() => {
      const flags = this.#table.find(address)?.flags;
      // The kernel may tell of it only when the test is done.
      if (flags === undefined) return null;
      if ((flags & AddressFlag.duplicate) !== 0) return "duplicate";
      return (flags & AddressFlag.tentative) === 0 ? "free" : null;
    }, DUPLICATE_TEST_LIMIT_MS, this.#context.signal);
    if (outcome === "duplicate") throw inUse(address, await watch.holder(), adapter);
    if (outcome === null && !this.#context.signal.aborted) throw new MusterError("MUSTER_ADDRESS_LOST", { address, problem: `the kernel did not finish its test for duplicates within ${DUPLICATE_TEST_LIMIT_MS} ms` });
  }

  #look(): void {
    const problem = this.problem();
    if (problem !== null) this.#context.signalFailure(problem);
  }

  /** Why it does not serve; null = it does. */
  problem(): string | null {
    const problem = this.#table.problemOf(this.#wanted);
    return problem === null ? null : `${this.#wanted.address}: ${problem}`;
  }

  /** Out of the gate first, then off the adapter. Called again it waits for the same end. */
  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    const { address } = this.#wanted;
    this.#unsubscribe?.();
    this.#announcer?.stop();
    try {
      await this.#context.disownAddress(address).catch((error: unknown) => this.#context.log(`the gate was not told that ${address} is given up: ${String(error)}`));
      const found = this.#table.find(address);
      if (found !== null && (this.#isAdded || found.protocol === ADDRESS_PROTOCOL)) await this.#table.remove(found);
    } finally {
      forget(address);
      SharedAddressTable.release();
    }
  }

  #throwIfEnded(): void {
    if (this.#context.signal.aborted) throw new Error("it was ended while it was being started");
  }
}

/** What is left of an earlier start here is taken away; what is not Muster's is not touched. */
async function chosen(wish: Wish, table: AddressTable): Promise<{ adapter: string; prefixLength: number }> {
  try {
    const left = table.find(wish.address);
    if (left !== null && left.protocol !== ADDRESS_PROTOCOL) throw new MusterError("MUSTER_ADDRESS_IN_USE", { address: wish.address, holder: "this node itself: somebody else put the address on one of its adapters" });
    if (left !== null) await table.remove(left);
    return chooseAdapter(wish, table.links(), table.addresses());
  } catch (error) {
    SharedAddressTable.release();
    throw error;
  }
}

function inUse(address: string, holder: string | null, adapter: string): MusterError {
  return new MusterError("MUSTER_ADDRESS_IN_USE", { address, holder: holder === null ? `another host on the network of ${adapter}` : `the host with the hardware address ${holder} on the network of ${adapter}` });
}

function forget(address: string): void {
  claimed.delete(address);
}

/**
 * Of several IPv4 addresses in one subnet the first is the primary one, and the others go with it unless this says
 * that the next one takes its place. Best effort: without it the watch notices what happened.
 */
function keepOtherAddresses(adapter: string): void {
  const path = `/proc/sys/net/ipv4/conf/${adapter}/promote_secondaries`;
  try {
    if (readFileSync(path, "utf8").trim() !== "1") writeFileSync(path, "1");
  } catch {
    // A container without the right to it.
  }
}
