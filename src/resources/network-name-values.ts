import { MusterError } from "../model/errors.ts";
import type { ProviderRecord } from "../model/objects.ts";
import type { PrivateValues } from "../monitor/resource-type.ts";
import { normalizeAddress } from "../network/address-text.ts";
import { markerName } from "../network/dns-marker.ts";
import { isDomainName, isHostLabel, parseServer } from "../network/dns-text.ts";
import type { ServerName } from "../network/dns-text.ts";

/** What the properties of a Network Name mean: pure. Nothing that passes here can be more than a name in a script. */

/** NetBIOS allows no more, and clients and scripts from Windows count on it (reference 10.3). */
const NAME_CHARACTERS_MAX = 15;
const ADDRESS_TYPES: readonly string[] = ["IP Address", "IPv6 Address"];

export interface NameConfiguration {
  /** In lower case, with the zone, without a dot at the end. */
  readonly name: string;
  readonly zone: string;
  /** null = the zone's primary. */
  readonly server: ServerName | null;
  readonly keyFile: string;
  readonly ttlS: number;
  readonly publishesPointers: boolean;
  readonly registersAll: boolean;
  readonly isRequired: boolean;
}

export function fullName(values: PrivateValues): string {
  const label = String(values["DnsName"] || values["Name"]);
  return `${label}.${String(values["DnsZone"])}`.toLowerCase();
}

/** Of values that {@link checkNameValues} let pass. */
export function readConfiguration(values: PrivateValues): NameConfiguration {
  const server = String(values["DnsServer"]);
  return {
    name: fullName(values),
    zone: String(values["DnsZone"]).toLowerCase(),
    server: server === "" ? null : parseServer(server),
    keyFile: String(values["TsigKeyFile"]),
    ttlS: Number(values["HostRecordTTL"]),
    publishesPointers: values["PublishPTRRecords"] === 1,
    registersAll: values["RegisterAllProvidersIP"] === 1,
    isRequired: values["RequireDNS"] === 1,
  };
}

/** @throws MusterError MUSTER_INVALID_ARGUMENT naming the property */
export function checkNameValues(values: PrivateValues): void {
  const name = String(values["Name"]);
  if (!isHostLabel(name) || name.length > NAME_CHARACTERS_MAX) throw wrong("Name", `'${name}' is no name of at most ${NAME_CHARACTERS_MAX} letters, digits and hyphens; DnsName may be longer`);
  const label = String(values["DnsName"]);
  if (label !== "" && !isHostLabel(label)) throw wrong("DnsName", `'${label}' is no single label of letters, digits and hyphens; the rest belongs in DnsZone`);
  const zone = String(values["DnsZone"]);
  if (!isDomainName(zone)) throw wrong("DnsZone", `'${zone}' is no zone, for example cluster.example.org`);
  if (!isDomainName(markerName(fullName(values)))) throw wrong("DnsZone", `the name '${fullName(values)}' is too long`);
  const server = String(values["DnsServer"]);
  if (server !== "" && parseServer(server) === null) throw wrong("DnsServer", `'${server}' is no server, for example 192.0.2.53, [2001:db8::53]:5353 or ns1.example.org`);
  const keyFile = String(values["TsigKeyFile"]);
  // eslint-disable-next-line no-control-regex
  if (!keyFile.startsWith("/") || /[\u0000-\u001f]/.test(keyFile)) throw wrong("TsigKeyFile", "it is the path of a file on each node, from / on; the key itself does not belong into the database");
}

function wrong(field: string, problem: string): MusterError {
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}

/**
 * The addresses a name stands for, sorted.
 * @param all also of those that are not online
 */
export function addressesOf(providers: readonly ProviderRecord[], all: boolean): string[] {
  const addresses = providers.filter(({ resource, isOnline }) => isAddress(resource.type) && (all || isOnline)).map(({ resource }) => normalizeAddress(String(resource.privateProperties["Address"])));
  return [...new Set(addresses)].sort();
}

/** @throws MusterError MUSTER_DNS_NO_ADDRESS */
export function requireAddresses(resource: string, providers: readonly ProviderRecord[], all: boolean): string[] {
  if (!providers.some((provider) => isAddress(provider.resource.type))) throw new MusterError("MUSTER_DNS_NO_ADDRESS", { resource, problem: "" });
  const addresses = addressesOf(providers, all);
  if (addresses.length === 0) throw new MusterError("MUSTER_DNS_NO_ADDRESS", { resource, problem: " that is online" });
  return addresses;
}

function isAddress(type: string): boolean {
  return ADDRESS_TYPES.includes(type);
}
