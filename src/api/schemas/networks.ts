import { Type } from "@fastify/type-provider-typebox";
import type { Static } from "@fastify/type-provider-typebox";
import { NetworkInterfaceState, NetworkState } from "../../model/states.ts";
import type { NetworkInterfaceView, NetworkView } from "../../model/views.ts";
import { NameSchema, PropertyBagSchema, ReasonSchema, closed, names } from "../schemas.ts";
import type { Same } from "../schemas.ts";

/** Networks and network interfaces as they cross the API. */

export const NetworkSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  state: names(NetworkState),
  prefixes: Type.Array(Type.String()),
  interfaces: Type.Array(Type.String()),
  reason: ReasonSchema,
  properties: PropertyBagSchema,
});

export const NetworkInterfaceSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  node: Type.String(),
  network: Type.String(),
  adapter: Type.String(),
  addresses: Type.Array(Type.String()),
  state: names(NetworkInterfaceState),
  reason: ReasonSchema,
  properties: PropertyBagSchema,
});

export const SetNetworkSchema = Type.Object({ name: Type.Optional(NameSchema), properties: Type.Optional(PropertyBagSchema) }, closed);

true satisfies Same<NetworkView, Static<typeof NetworkSchema>>;
true satisfies Same<NetworkInterfaceView, Static<typeof NetworkInterfaceSchema>>;
