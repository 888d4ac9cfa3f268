import { isIP, isIPv6 } from "node:net";
import { addressBytes } from "./address-text.ts";

/** Names and addresses as DNS writes them: pure. What passes these tests may stand in a script of nsupdate. */

const LABEL_BYTES_MAX = 63;
/** RFC 1035: 255 bytes, of which two are the lengths at both ends. */
const NAME_BYTES_MAX = 253;
export const DNS_PORT = 53;

/** A label that a host may have: letters, digits and hyphens (RFC 1123). */
export function isHostLabel(label: string): boolean {
  return label.length <= LABEL_BYTES_MAX && /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/.test(label);
}

/** A zone or a host: labels with dots between, none at the end. Zones may have underscores. */
export function isDomainName(name: string): boolean {
  return name.length <= NAME_BYTES_MAX && name.split(".").every((label) => label.length <= LABEL_BYTES_MAX && /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/.test(label));
}

/** The name under which an address is looked up: `1.2.0.192.in-addr.arpa`. */
export function reverseName(address: string): string {
  const bytes = addressBytes(address);
  if (bytes.length === 4) return `${[...bytes].reverse().join(".")}.in-addr.arpa`;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}

/** The name and all above it but the root, nearest first: where its zone may begin. */
export function zoneCandidates(name: string): string[] {
  const labels = name.split(".");
  return labels.map((_, position) => labels.slice(position).join("."));
}

export function addressType(address: string): "A" | "AAAA" {
  return isIPv6(address) ? "AAAA" : "A";
}

export interface ServerName {
  /** An address, or a name that is still to be looked up. */
  readonly host: string;
  readonly port: number;
}

/** `ADDRESS`, `NAME`, either with `:PORT`, an IPv6 address then in brackets; null = it is none of them. */
export function parseServer(text: string): ServerName | null {
  if (isIP(text) !== 0) return text.includes("%") ? null : { host: text, port: DNS_PORT };
  const [, bracketed, plain = bracketed ?? "", digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = digits === undefined ? DNS_PORT : Number(digits);
  if (port < 1 || port > 65_535) return null;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : null;
  return isIP(plain) !== 0 || isDomainName(plain) ? { host: plain, port } : null;
}

/** As {@link parseServer} reads it. */
export function printServer({ host, port }: ServerName): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Both in one case and without a dot at the end. */
export function sameName(left: string, right: string): boolean {
  const plain = (name: string): string => name.toLowerCase().replace(/\.$/, "");
  return plain(left) === plain(right);
}

/** What is wrong with the content of a key file, never with a part of it; null = there is one key as tsig-keygen writes it. */
export function problemOfKey(content: string): string | null {
  const keys = [...content.matchAll(/\bkey\s+"?[\w.-]+"?\s*\{([^{}]*)\}\s*;/g)];
  if (keys.length !== 1) return keys.length === 0 ? "there is no key in it" : "there are several keys in it";
  const [, body = ""] = keys[0] ?? [];
  if (!/\balgorithm\s+"?hmac-sha(1|224|256|384|512)"?\s*;/.test(body)) return "its algorithm is none of hmac-sha256, hmac-sha512 and their kin";
  return /\bsecret\s+"?(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"?\s*;/.test(body) ? null : "its secret is not written in base64";
}
