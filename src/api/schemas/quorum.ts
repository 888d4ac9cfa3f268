import { Type } from "@fastify/type-provider-typebox";
import type { Static } from "@fastify/type-provider-typebox";
import { WitnessKinds } from "../../model/states.ts";
import type { WitnessKind } from "../../model/states.ts";
import type { QuorumExplanation, QuorumView } from "../../model/views.ts";
import { PropertyBagSchema, closed } from "../schemas.ts";
import type { Same } from "../schemas.ts";

/** Quorum as it crosses the API. */

const Kind = Type.Unsafe<WitnessKind>({ type: "string", enum: [...WitnessKinds] });
const Names = Type.Array(Type.String());

const QuorumNode = Type.Object({
  node: Type.String(),
  present: Type.Boolean(),
  weight: Type.Number({ description: "NodeWeight: what the administrator allows." }),
  vote: Type.Number({ description: "DynamicWeight: the vote it has now." }),
  reason: Type.String(),
});

const QuorumWitness = Type.Object({
  kind: Kind,
  state: Type.Unsafe<"Online" | "Failed" | "Unknown">({ type: "string", enum: ["Online", "Failed", "Unknown"] }),
  vote: Type.Number(),
  reason: Type.String(),
  sinceMs: Type.Number(),
  properties: PropertyBagSchema,
});

const Witness = Type.Union([QuorumWitness, Type.Null()]);

export const QuorumSchema = Type.Object({
  type: Type.Unsafe<"NodeMajority" | "NodeAndWitnessMajority">({ type: "string", enum: ["NodeMajority", "NodeAndWitnessMajority"] }),
  typeNumber: Type.Number(),
  dynamicQuorum: Type.Boolean(),
  votes: Type.Number({ description: "The sum of all votes." }),
  needed: Type.Number(),
  held: Type.Number(),
  nodes: Type.Array(QuorumNode),
  witness: Witness,
  claimed: Type.Boolean({ description: "The view stands on the vote of the witness." }),
  forced: Type.Boolean({ description: "The cluster was started by force, and no majority has been there since." }),
  change: Type.Number({ description: "Counts the changes of the votes." }),
  sinceMs: Type.Number(),
  forMs: Type.Number(),
  survives: Type.Union([
    Type.Object({
      nodes: Names,
      notNodes: Names,
      witness: Type.Union([Type.Boolean(), Type.Null()]),
      pairs: Type.Number(),
      pairsTotal: Type.Number(),
      oneByOneAtLeast: Type.Number(),
      oneByOneAtMost: Type.Number(),
    }),
    Type.Null(),
  ]),
  sentences: Type.Array(Type.String({ description: "What can be lost next." })),
});

export const QuorumExplanationSchema = Type.Object({
  summary: Type.String(),
  rule: Type.String(),
  sinceMs: Type.Number(),
  forMs: Type.Number(),
  nodes: Type.Array(QuorumNode),
  witness: Witness,
  canBeLost: Type.Array(Type.String()),
  whatWouldChangeIt: Type.Array(Type.String()),
  command: Type.Union([Type.String(), Type.Null()]),
});

export const SetQuorumSchema = Type.Object({ witness: Type.Union([Type.Object({ kind: Kind, properties: PropertyBagSchema }, closed), Type.Null()]) }, closed);

const agreements: readonly true[] = [true satisfies Same<QuorumView, Static<typeof QuorumSchema>>, true satisfies Same<QuorumExplanation, Static<typeof QuorumExplanationSchema>>];
void agreements;
