import { addressType, printServer, reverseName } from "./dns-text.ts";
import type { ServerName } from "./dns-text.ts";
import { markerName } from "./dns-marker.ts";

/**
 * Dynamic updates (RFC 2136) as scripts of nsupdate, and what nsupdate says of them: pure. Each script is one update,
 * which the server carries out as a whole or not at all; its first lines say what must hold for that.
 */

export interface Registration {
  readonly name: string;
  readonly zone: string;
  readonly addresses: readonly string[];
  readonly ttlS: number;
  /** Text of the marker. */
  readonly marker: string;
}

/** Nothing stands at the name yet, and nobody has marked it. */
export function registerNew(server: ServerName, registration: Registration): string {
  const { name, zone } = registration;
  return script(server, zone, [`prereq nxdomain ${name}.`, `prereq nxrrset ${markerName(name)}. TXT`, ...adding(registration)]);
}

/**
 * The marker is still the one that was read: the addresses and the marker become these.
 * @param before text of the marker that was read
 */
export function registerAgain(server: ServerName, registration: Registration, before: string): string {
  const { name, zone } = registration;
  return script(server, zone, [
    `prereq yxrrset ${markerName(name)}. TXT "${before}"`,
    // A server silently leaves out addresses at a name that is an alias.
    `prereq nxrrset ${name}. CNAME`,
    ...removing(name),
    ...adding(registration),
  ]);
}

export function deregister(server: ServerName, name: string, zone: string, before: string): string {
  return script(server, zone, [`prereq yxrrset ${markerName(name)}. TXT "${before}"`, ...removing(name)]);
}

/** The address stands for nothing yet. */
export function pointNew(server: ServerName, zone: string, address: string, name: string, ttlS: number): string {
  const reverse = reverseName(address);
  return script(server, zone, [`prereq nxrrset ${reverse}. PTR`, `update add ${reverse}. ${ttlS} PTR ${name}.`]);
}

/** The address stands for the name already: with this TTL from now on. */
export function pointAgain(server: ServerName, zone: string, address: string, name: string, ttlS: number): string {
  const reverse = reverseName(address);
  return script(server, zone, [`prereq yxrrset ${reverse}. PTR ${name}.`, `update delete ${reverse}. PTR`, `update add ${reverse}. ${ttlS} PTR ${name}.`]);
}

/** The address does not stand for the name any more, if it did. */
export function unpoint(server: ServerName, zone: string, address: string, name: string): string {
  const reverse = reverseName(address);
  return script(server, zone, [`prereq yxrrset ${reverse}. PTR ${name}.`, `update delete ${reverse}. PTR`]);
}

function adding({ name, addresses, ttlS, marker }: Registration): string[] {
  return [...addresses.map((address) => `update add ${name}. ${ttlS} ${addressType(address)} ${address}`), `update add ${markerName(name)}. ${ttlS} TXT "${marker}"`];
}

function removing(name: string): string[] {
  return [`update delete ${name}. A`, `update delete ${name}. AAAA`, `update delete ${markerName(name)}. TXT`];
}

function script({ host, port }: ServerName, zone: string, lines: readonly string[]): string {
  return [`server ${host} ${port}`, `zone ${zone}.`, ...lines, "send", ""].join("\n");
}

export type Outcome =
  | { readonly kind: "done" }
  /** What had to hold did not: nothing was changed. */
  | { readonly kind: "conflict" }
  | { readonly kind: "refused"; readonly problem: string }
  | { readonly kind: "unreachable"; readonly problem: string }
  | { readonly kind: "badKeyFile"; readonly problem: string };

const CONFLICTS = ["YXDOMAIN", "YXRRSET", "NXRRSET", "NXDOMAIN"];

/**
 * What became of an update. Of nsupdate's words only those about the server's answer are handed on: of a key file that
 * it does not understand it quotes parts.
 * @param code exit code; null = it was ended because it took too long
 */
export function readOutcome(code: number | null, errors: string, server: ServerName): Outcome {
  // First of all: without a key it goes on, and sends the update unsigned.
  if (/^could not read key from/m.test(errors)) return { kind: "badKeyFile", problem: "nsupdate finds no key in it" };
  if (code === 0) return { kind: "done" };
  const [, answer] = /^update failed: ([A-Z0-9()]+)/m.exec(errors) ?? [];
  if (answer !== undefined) return CONFLICTS.includes(answer) ? { kind: "conflict" } : answer === "SERVFAIL" ? { kind: "unreachable", problem: "it answers that it cannot do it now (SERVFAIL)" } : { kind: "refused", problem: explain(answer) };
  const [, communication] = /^; Communication with \S+ failed: ([a-z ]+)$/m.exec(errors) ?? [];
  if (code === null || communication === "timed out") return { kind: "unreachable", problem: "no answer in time" };
  if (communication !== undefined) return { kind: "unreachable", problem: communication };
  if (/tsig|TSIG/.test(errors)) return { kind: "refused", problem: "its answer is not signed as it should be" };
  return { kind: "unreachable", problem: `nsupdate ended with code ${code} at ${printServer(server)}` };
}

function explain(answer: string): string {
  switch (answer) {
    case "NOTAUTH(BADKEY)":
      return "it does not know the key (BADKEY)";
    case "NOTAUTH(BADSIG)":
      return "the key has another secret or algorithm there (BADSIG)";
    case "NOTAUTH(BADTIME)":
      return "its clock and this node's differ too much (BADTIME)";
    case "NOTAUTH":
      return "it is not the zone's primary server (NOTAUTH)";
    case "NOTZONE":
      return "the name is not in the zone (NOTZONE)";
    case "REFUSED":
      return "the key may not change this name (REFUSED)";
    default:
      return answer;
  }
}
