import { Type } from "@fastify/type-provider-typebox";
import type { Static } from "@fastify/type-provider-typebox";
import type { HistoryLine } from "../../history/contract.ts";
import type { PastView } from "../../service/history.ts";
import { ClusterSchema, EventSchema, ExplanationSchema, GroupSchema, NodeSchema, orNull } from "../schemas.ts";
import type { Same } from "../schemas.ts";

/** History as it crosses the API. */

export const HistoryLineSchema = Type.Object({
  id: Type.String(),
  wallTimeMs: Type.Number(),
  kind: Type.String(),
  text: Type.String(),
  events: Type.Number(),
  orders: Type.Number(),
  moves: Type.Number(),
});

export const HistoryEntrySchema = Type.Object({
  id: Type.String(),
  stamp: Type.Object({ epoch: Type.Number(), index: Type.Number(), clusterTimeMs: Type.Number(), wallTimeMs: Type.Number() }),
  kind: Type.String(),
  input: Type.String({ description: "JSON of what came in; empty when it was too large to keep." }),
  decision: Type.Object({
    events: Type.Array(EventSchema),
    orders: Type.Array(Type.Object({ node: Type.Number(), action: Type.String(), group: Type.String(), resource: Type.String(), reason: Type.String() })),
    moves: Type.Array(Type.Object({ group: Type.String(), from: orNull(Type.Number()), to: orNull(Type.Number()) })),
    request: orNull(Type.Object({ node: Type.Number(), incarnation: Type.Number(), number: Type.Number() })),
    refusal: orNull(Type.String()),
  }),
});

export const PastSchema = Type.Object({
  atMs: Type.Number(),
  entryMs: Type.Number({ description: "Wall time of the last entry before that moment." }),
  cluster: ClusterSchema,
  nodes: Type.Array(NodeSchema),
  groups: Type.Array(GroupSchema),
  why: orNull(ExplanationSchema),
});

true satisfies Same<HistoryLine, Static<typeof HistoryLineSchema>>;
true satisfies Same<PastView, Static<typeof PastSchema>>;
