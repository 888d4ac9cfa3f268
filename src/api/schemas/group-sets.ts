import { Type } from "@fastify/type-provider-typebox";
import type { Static } from "@fastify/type-provider-typebox";
import type { GroupSetView } from "../../model/views.ts";
import { NameSchema, PropertyBagSchema, closed } from "../schemas.ts";
import type { Same } from "../schemas.ts";

/** Group sets as they cross the API. */

const Names = Type.Optional(Type.Array(NameSchema, { maxItems: 10_000 }));

export const GroupSetSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  groups: Type.Array(Type.String()),
  startsAfter: Type.Array(Type.String()),
  isReady: Type.Boolean(),
  waiting: Type.Array(Type.String()),
  reason: Type.String(),
  properties: PropertyBagSchema,
});

export const CreateGroupSetSchema = Type.Object({ name: NameSchema, groups: Names, startsAfter: Names, properties: Type.Optional(PropertyBagSchema) }, closed);
export const SetGroupSetSchema = Type.Object({ name: Type.Optional(NameSchema), groups: Names, startsAfter: Names, properties: Type.Optional(PropertyBagSchema) }, closed);

true satisfies Same<GroupSetView, Static<typeof GroupSetSchema>>;
