import { readFileSync, statSync } from "node:fs";
import { MusterError } from "../model/errors.ts";
import { markerName, parseMarker, printMarker } from "../network/dns-marker.ts";
import type { Marker } from "../network/dns-marker.ts";
import { runUpdate } from "../network/dns-nsupdate.ts";
import { DnsServer } from "../network/dns-query.ts";
import { problemOfKey, printServer, reverseName, sameName } from "../network/dns-text.ts";
import { deregister, pointAgain, pointNew, registerAgain, registerNew, unpoint } from "../network/dns-update.ts";
import type { Registration } from "../network/dns-update.ts";
import type { NameConfiguration } from "./network-name-values.ts";

/**
 * The records of one name: read, decided, and changed under the condition that they are as they were read. Every
 * method throws MUSTER_DNS_* or MUSTER_PROGRAM_MISSING, and an Error when its signal was aborted.
 */

/** Somebody else may change the zone between a look and an update; more often than that is not believed. */
const ATTEMPTS_MAX = 3;
const KEY_FILE_BYTES_MAX = 64 * 1024;
const GROUP_AND_OTHERS = 0o077;

export class NameRecords {
  readonly #configuration: NameConfiguration;
  readonly #owner: Marker;
  readonly #signal: AbortSignal;
  readonly #dns: DnsServer;

  static async open(configuration: NameConfiguration, owner: Marker, signal: AbortSignal): Promise<NameRecords> {
    checkKeyFile(configuration.keyFile);
    return new NameRecords(configuration, owner, signal, await DnsServer.find(configuration.server, configuration.zone, signal));
  }

  private constructor(configuration: NameConfiguration, owner: Marker, signal: AbortSignal, dns: DnsServer) {
    this.#configuration = configuration;
    this.#owner = owner;
    this.#signal = signal;
    this.#dns = dns;
  }

  get server(): string {
    return printServer(this.#dns.server);
  }

  /**
   * The name stands for these addresses and no others from now on.
   * @returns what is wrong with the reverse records, which is never a reason to do without the name
   */
  async register(addresses: readonly string[]): Promise<string[]> {
    const { name, zone, ttlS, publishesPointers } = this.#configuration;
    const before = publishesPointers ? (await this.#dns.lookUp(name)).addresses : [];
    const registration: Registration = { name, zone, addresses, ttlS, marker: printMarker(this.#owner) };
    await this.#untilDone(async () => {
      const marker = await this.#ownMarker();
      return marker === null ? registerNew(this.#dns.server, registration) : registerAgain(this.#dns.server, registration, marker);
    });
    if (!publishesPointers) return [];
    const problems: string[] = [];
    for (const address of addresses) problems.push(...(await this.#pointerProblem(() => this.#point(address), address)));
    for (const address of before.filter((old) => !addresses.includes(old))) problems.push(...(await this.#pointerProblem(() => this.#unpoint(address), address)));
    return problems;
  }

  /** Takes out what is this cluster's of the name; where nothing is, nothing happens. @returns true when something was */
  async deregister(): Promise<boolean> {
    const { name, zone, publishesPointers } = this.#configuration;
    const { addresses } = await this.#dns.lookUp(name);
    let found = true;
    await this.#untilDone(async () => {
      const marker = await this.#ownMarker();
      found = marker !== null;
      return marker === null ? null : deregister(this.#dns.server, name, zone, marker);
    });
    if (found && publishesPointers) for (const address of addresses) await this.#unpoint(address);
    return found;
  }

  /** Which of the addresses the server does not answer with; an error in words for people. null = it answers with all. */
  async problemOf(addresses: readonly string[], resource: string): Promise<MusterError | null> {
    const { name } = this.#configuration;
    const found = await this.#dns.lookUp(name);
    if (addresses.every((address) => found.addresses.includes(address))) return null;
    return new MusterError("MUSTER_DNS_WRONG_ANSWER", { name, found: found.addresses.join(", ") || "nothing", server: this.server, wanted: addresses.join(", "), resource });
  }

  /** Text of the marker when it is this cluster's; null = there is none. @throws MusterError when it is somebody else's */
  async #ownMarker(): Promise<string | null> {
    const { name } = this.#configuration;
    const [text, ...more] = await this.#dns.texts(markerName(name));
    if (text === undefined) return null;
    const marker = more.length === 0 ? parseMarker(text) : null;
    if (marker === null) throw this.#held(`at ${markerName(name)} stands a text that is not Muster's`);
    if (marker.clusterId !== this.#owner.clusterId) throw this.#held(`it is registered by the cluster '${marker.clusterName}' (${marker.clusterId})`);
    if (marker.generation > this.#owner.generation) throw new MusterError("MUSTER_DNS_SUPERSEDED", { name, marker: markerName(name) });
    return text;
  }

  /** Carries out an update; where the zone was changed meanwhile, what to do is decided anew. */
  async #untilDone(decide: () => Promise<string | null>): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const script = await decide();
      if (script === null || (await this.#update(script, this.#configuration.name))) return;
    }
    throw this.#held(await this.#describeHolder());
  }

  async #describeHolder(): Promise<string> {
    const { addresses, alias } = await this.#dns.lookUp(this.#configuration.name);
    if (alias !== null) return `it is an alias of ${alias}`;
    return addresses.length === 0 ? "other records stand there, or it is being changed by somebody else" : `it stands for ${addresses.join(", ")}, which this cluster did not register`;
  }

  /** @returns false when what had to hold did not */
  async #update(script: string, name: string): Promise<boolean> {
    const outcome = await runUpdate(this.#dns.server, script, this.#configuration.keyFile, this.#signal);
    switch (outcome.kind) {
      case "done":
        return true;
      case "conflict":
        return false;
      case "refused":
        throw new MusterError("MUSTER_DNS_REFUSED", { server: this.server, name, problem: outcome.problem });
      case "unreachable":
        throw new MusterError("MUSTER_DNS_UNREACHABLE", { server: this.server, problem: outcome.problem });
      case "badKeyFile":
        throw new MusterError("MUSTER_DNS_KEY_FILE", { path: this.#configuration.keyFile, problem: outcome.problem });
    }
  }

  async #point(address: string): Promise<void> {
    const { name, ttlS } = this.#configuration;
    const zone = await this.#reverseZone(address);
    const [pointer, ...more] = await this.#dns.pointers(reverseName(address));
    const isOurs = pointer !== undefined && more.length === 0 && sameName(pointer, name);
    if (pointer !== undefined && !isOurs) throw new Error(`it stands for ${[pointer, ...more].join(", ")}, which is left as it is`);
    const script = isOurs ? pointAgain(this.#dns.server, zone, address, name, ttlS) : pointNew(this.#dns.server, zone, address, name, ttlS);
    if (!(await this.#update(script, reverseName(address)))) throw new Error("it was changed by somebody else at the same time");
  }

  /** What stands for another name is not ours, and stays. */
  async #unpoint(address: string): Promise<void> {
    const { name } = this.#configuration;
    await this.#update(unpoint(this.#dns.server, await this.#reverseZone(address), address, name), reverseName(address));
  }

  async #reverseZone(address: string): Promise<string> {
    const zone = await this.#dns.zoneOf(reverseName(address));
    if (zone === null) throw new Error(`${this.server} serves no zone for it`);
    return zone;
  }

  async #pointerProblem(change: () => Promise<void>, address: string): Promise<string[]> {
    try {
      await change();
      return [];
    } catch (error) {
      if (this.#signal.aborted) throw error;
      return [`reverse record of ${address}: ${error instanceof Error ? error.message : String(error)}`];
    }
  }

  #held(holder: string): MusterError {
    const { name } = this.#configuration;
    return new MusterError("MUSTER_DNS_NAME_HELD", { name, holder, marker: markerName(name) });
  }
}

/**
 * nsupdate would send its update unsigned where it finds no key, and its words may quote the file: so whether there is
 * one is seen here. Nothing of the file is kept.
 * @throws MusterError MUSTER_DNS_KEY_FILE
 */
function checkKeyFile(path: string): void {
  let problem: string | null;
  try {
    problem = problemOfKey(statSync(path).size > KEY_FILE_BYTES_MAX ? "" : readFileSync(path, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    problem = code === "ENOENT" ? "there is no such file on this node" : code === "EACCES" ? "the service may not read it" : `it cannot be read (${code ?? "unknown"})`;
  }
  if (problem !== null) throw new MusterError("MUSTER_DNS_KEY_FILE", { path, problem });
}

/** Whether more than its owner may read it. */
export function isReadByOthers(path: string): boolean {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & GROUP_AND_OTHERS) !== 0;
}
