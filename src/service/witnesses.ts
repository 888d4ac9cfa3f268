import { createHmac } from "node:crypto";
import type { WitnessRecord } from "../model/objects.ts";
import type { WitnessKind } from "../model/states.ts";
import type { Witness } from "../quorum/witness.ts";
import { daemonStore } from "../witness/daemon.ts";
import { fileShareStore } from "../witness/file-share.ts";
import { createRecordWitness } from "../witness/record-store.ts";

/** Kinds that a cluster of machines can ask. */
export const CONNECTABLE: readonly WitnessKind[] = ["fileShare", "daemon"];

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
    case "daemon":
      return createRecordWitness(daemonStore({ address: text("Address"), fingerprint: text("Fingerprint"), token: createHmac("sha256", key).update("witness").digest("base64url"), cluster: clusterId, witness: place }));
    default:
      return null;
  }
}
