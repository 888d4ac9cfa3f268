import { createHmac } from "node:crypto";
import { MusterError } from "../model/errors.ts";
import type { Command } from "../model/inputs.ts";
import type { PropertyBag, WitnessRecord } from "../model/objects.ts";
import { witnessProperties } from "../model/properties/witness.ts";
import type { WitnessKind } from "../model/states.ts";
import type { Witness } from "../quorum/witness.ts";
import { cloudStore, proveCloud } from "../witness/cloud.ts";
import { daemonStore } from "../witness/daemon.ts";
import { fileShareStore } from "../witness/file-share.ts";
import { createRecordWitness } from "../witness/record-store.ts";
import type { BucketAddress } from "../witness/s3.ts";

/** Kinds that a cluster of machines can ask. */
export const CONNECTABLE: readonly WitnessKind[] = ["fileShare", "cloud", "daemon"];

/**
 * Ways to the witness: one for each configuration of it, and the same one each time, because it takes one question at a
 * time.
 * @param key the cluster's secret, from which it derives what the witness daemon knows it by
 */
export function witnessConnections(clusterId: string, key: Buffer): (record: WitnessRecord) => Witness | null {
  let known: { readonly id: string; readonly witness: Witness | null } | null = null;
  return (record) => {
    if (known?.id !== record.id) known = { id: record.id, witness: connect(record, clusterId, key) };
    return known.witness;
  };
}

function connect({ id, kind, properties }: WitnessRecord, clusterId: string, key: Buffer): Witness | null {
  const text = (name: string): string => String(properties[name] ?? "");
  // The id of a configuration is a place in the log, "8.68": a new one begins with new records.
  const place = `witness-${id}`;
  switch (kind) {
    case "fileShare":
      return createRecordWitness(fileShareStore(text("SharePath"), `muster-${clusterId}/${place}`));
    case "cloud":
      return createRecordWitness(cloudStore(bucketOf(properties), `muster-${clusterId}/${place}`));
    case "daemon":
      return createRecordWitness(daemonStore({ address: text("Address"), fingerprint: text("Fingerprint"), token: createHmac("sha256", key).update("witness").digest("base64url"), cluster: clusterId, witness: place }));
    default:
      return null;
  }
}

/** Values as they stand in a witness of the kind `cloud`. */
export function bucketOf(properties: PropertyBag): BucketAddress {
  const text = (name: string): string => String(properties[name] ?? witnessProperties.cloud.find((property) => property.name === name)?.default ?? "");
  return { endpoint: text("EndpointInfo"), bucket: text("ContainerName"), region: text("Region"), account: text("AccountName"), key: text("PrimaryKey") };
}

/**
 * Before a witness is configured: whether it can be one. A store that lets a name be written twice would give its vote to
 * both halves of a cluster, and nobody would notice before they are cut off from each other.
 * @throws MusterError MUSTER_NO_WITNESS_CLIENT with what is wrong
 */
export async function proveWitness(command: Command, clusterId: string): Promise<void> {
  if (command.verb !== "quorum.set" || command.witness?.kind !== "cloud") return;
  try {
    await proveCloud(bucketOf(command.witness.properties ?? {}), `muster-${clusterId}`);
  } catch (error) {
    throw new MusterError("MUSTER_NO_WITNESS_CLIENT", { kind: "cloud", reason: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
}
