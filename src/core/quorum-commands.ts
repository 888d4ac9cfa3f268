import { MusterError } from "../model/errors.ts";
import type { WitnessRecord } from "../model/objects.ts";
import { requireProperties } from "../model/properties.ts";
import { witnessProperties } from "../model/properties/witness.ts";
import { WitnessKinds } from "../model/states.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { sayChanged } from "./group-commands.ts";
import { mergeProperties } from "./resolve.ts";
import { ONLY } from "./state.ts";

/** What breaks a tie (reference 4.1): its vote follows once it works (quorum-step.ts). */

export function setQuorum({ state, stamp }: Configuring, { witness }: CommandOf<"quorum.set">): Reaction {
  const before = state.tables.cluster.get(ONLY);
  if (before === undefined) throw new MusterError("MUSTER_INTERNAL", { problem: "the state has no cluster" });
  const { witness: old, ...cluster } = before;
  if (witness === null || witness === undefined) {
    if (old === undefined || old === null) return () => "There is no witness: nothing to do.";
    state.tables.cluster.put(ONLY, cluster);
    return (context) => {
      sayChanged(context, null, "The cluster has no witness any more: its nodes alone decide.");
      return null;
    };
  }
  // A new name each time: what an earlier witness of the same place once said must not count for this one.
  const record: WitnessRecord = { id: `${stamp.epoch}.${stamp.index}`, ...checkedWitness(witness) };
  state.tables.cluster.put(ONLY, { ...cluster, witness: record });
  return (context) => {
    sayChanged(context, null, `The witness of the cluster is now of the kind ${record.kind}.`);
    return "It gets its vote once it was seen to work: muster quorum show";
  };
}

function checkedWitness(witness: NonNullable<CommandOf<"quorum.set">["witness"]>): Pick<WitnessRecord, "kind" | "properties"> {
  const kind = WitnessKinds.find((known) => known === witness.kind);
  if (kind === undefined) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "kind", problem: `'${String(witness.kind)}' is no kind of witness; there are ${WitnessKinds.join(", ")}` });
  const table = witnessProperties[kind];
  const properties = mergeProperties(table, {}, witness.properties, "properties", `a witness of the kind ${kind}`);
  requireProperties(table, properties, kind);
  return { kind, properties };
}
