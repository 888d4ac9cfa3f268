import { describeResources, describeResourceTypes } from "../core/index.ts";
import { MusterError } from "../model/errors.ts";
import type { ClusterState } from "../core/index.ts";
import type { Command } from "../model/inputs.ts";
import { endpointOf } from "../witness/s3.ts";
import type { BucketAddress } from "../witness/s3.ts";
import { bucketOf, CONNECTABLE } from "./witnesses.ts";
import type { PropertyBag } from "../model/objects.ts";
import { requireProperties, validateProperties } from "../model/properties.ts";
import { ResourceStatus } from "../model/states.ts";
import type { Surroundings } from "../monitor/resource-type.ts";
import { builtInTypes } from "../resources/index.ts";
import { fullName } from "../resources/network-name-values.ts";

/**
 * What a table of properties cannot say, a built-in type's own `validate` can: whether an address is a loopback
 * address, whether a command line has its quotes. Asked before a command is sent, so that nobody has to bring a
 * resource online to learn it. Users' types are asked by their monitor: a service runs no code it did not come with.
 * @throws MusterError of the type
 */
export function checkCommand(state: ClusterState, command: Command, surroundings: Surroundings): void {
  if (command.verb === "quorum.set" && command.witness !== null) checkWitness(command.witness, !surroundings.isGated);
  if (command.verb === "resource.create") checkValues(state, command.type, {}, command.privateProperties ?? {}, surroundings, null);
  if ((command.verb === "group.offline" || command.verb === "resource.offline") && command.ignoreLocked !== true) refuseLocked(state, command.verb === "group.offline" ? command.group : null, command.verb === "resource.offline" ? command.resource : null);
  if (command.verb !== "resource.set" || command.privateProperties === undefined) return;
  const wanted = String(command.resource).toLowerCase();
  const resource = describeResources(state).find((known) => known.id === command.resource || known.name.toLowerCase() === wanted);
  if (resource !== undefined) checkValues(state, resource.type, resource.privateProperties, command.privateProperties, surroundings, resource.id);
}

/** A witness that nobody can ask would be a vote that is always missing. */
function checkWitness({ kind, properties }: NonNullable<Extract<Command, { readonly verb: "quorum.set" }>["witness"]>, isEmbedded: boolean): void {
  if (isEmbedded) throw new MusterError("MUSTER_NO_WITNESS_CLIENT", { kind: String(kind), reason: "it runs on one machine, with the embedded engine, and its nodes alone decide" });
  if (!CONNECTABLE.includes(kind)) throw new MusterError("MUSTER_NO_WITNESS_CLIENT", { kind: String(kind), reason: `this release asks ${CONNECTABLE.join(" and ")} only` });
  if (kind === "cloud") checkBucket(bucketOf(properties ?? {}));
  if (kind !== "daemon") return;
  const fingerprint = String(properties?.["Fingerprint"] ?? "").replaceAll(":", "");
  if (!/^[0-9a-fA-F]{64}$/.test(fingerprint)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "Fingerprint", problem: "the SHA-256 fingerprint that the witness daemon prints when it starts is needed: 64 hexadecimal digits" });
  if (!/^.+:\d+$/.test(String(properties?.["Address"] ?? ""))) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "Address", problem: "it is written HOST:PORT" });
}

function checkBucket({ endpoint, bucket, account, key }: BucketAddress): void {
  const refuse = (field: string, problem: string): MusterError => new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
  try {
    endpointOf(endpoint);
  } catch (error) {
    throw refuse("EndpointInfo", (error as Error).message);
  }
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) throw refuse("ContainerName", "the name of a bucket: 3 to 63 small letters, digits, - and .");
  if (account === "" || key === "") throw refuse(account === "" ? "AccountName" : "PrimaryKey", "the store signs nobody in without it");
}

/**
 * The core cannot refuse it: what is locked is run-time state, and what a role shall be is written before that is
 * looked at. There a locked resource goes on until it is not locked any more; here whoever asks is told at once.
 */
function refuseLocked(state: ClusterState, group: string | null, resource: string | null): void {
  const same = (name: string, wanted: string | null): boolean => wanted !== null && name.toLowerCase() === String(wanted).toLowerCase();
  const locked = describeResources(state).find((one) => (Number(one.properties["StatusInformation"]) & ResourceStatus.LockedMode) !== 0 && (same(one.group, group) || same(one.name, resource)));
  if (locked !== undefined) throw new MusterError("MUSTER_RESOURCE_LOCKED", { name: locked.name });
}

function checkValues(state: ClusterState, typeName: string, before: PropertyBag, change: PropertyBag, surroundings: Surroundings, self: string | null): void {
  const wanted = String(typeName).toLowerCase();
  const name = describeResourceTypes(state).find((known) => known.builtIn && known.name.toLowerCase() === wanted)?.name;
  const type = builtInTypes.find((known) => known.name === name);
  if (type?.validate === undefined) return;
  try {
    // What is there already may be of properties that nobody may write.
    validateProperties(type.privateProperties, change, type.name);
    requireProperties(type.privateProperties, { ...before, ...change }, type.name);
  } catch {
    // The core says the same, after it has looked at the rest of the command.
    return;
  }
  const values = { ...Object.fromEntries(type.privateProperties.map((property) => [property.name, property.default])), ...before, ...change };
  type.validate(values, surroundings);
  if (type.name === NETWORK_NAME) refuseSameName(state, fullName(values), self);
}

const NETWORK_NAME = "Network Name";

/** In DNS all names of a cluster have one owner, the cluster: two roles would take the name from each other. */
function refuseSameName(state: ClusterState, name: string, self: string | null): void {
  const other = describeResources(state).find((one) => one.type === NETWORK_NAME && one.id !== self && fullName(one.privateProperties) === name);
  if (other !== undefined) throw new MusterError("MUSTER_NAME_IN_USE", { field: "DnsName", name });
}
