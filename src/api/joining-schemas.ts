import { Type } from "@fastify/type-provider-typebox";
import { LINKS_MAX } from "../core/index.ts";
import { closed } from "./schemas.ts";

/** What crosses the API when a machine becomes a node. */

const MINUTE_MS = 60_000;
const WEEK_MS = 7 * 24 * 60 * MINUTE_MS;

export const ReadySchema = Type.Object({ node: Type.String(), epoch: Type.Number() });
export const IssueTokenSchema = Type.Object({ validMs: Type.Optional(Type.Integer({ minimum: MINUTE_MS, maximum: WEEK_MS, description: "How long it counts; default one hour." })) }, closed);
export const JoinTokenSchema = Type.Object({ token: Type.String({ description: "For one machine, once." }), expiresAtWallMs: Type.Number() });
export const JoinRequestSchema = Type.Object(
  {
    id: Type.String({ maxLength: 32 }),
    secret: Type.String({ maxLength: 64 }),
    node: Type.String({ minLength: 1, maxLength: 63 }),
    addresses: Type.Array(Type.String({ maxLength: 45 }), { minItems: 1, maxItems: LINKS_MAX }),
    request: Type.String({ maxLength: 8_192, description: "PEM: the request to certify the machine's key." }),
    protocolVersion: Type.Integer(),
    wallTimeMs: Type.Number(),
  },
  closed,
);
const MemberSchema = Type.Object({ id: Type.Number(), name: Type.String(), addresses: Type.Array(Type.String()) });
export const JoinAnswerSchema = Type.Object({
  clusterId: Type.String(),
  clusterName: Type.String(),
  founders: Type.Array(Type.Object({ id: Type.Number(), name: Type.String(), store: Type.String(), addresses: Type.Optional(Type.Array(Type.String())) })),
  members: Type.Object({ tokenMs: Type.Number(), nodes: Type.Array(MemberSchema) }),
  host: Type.Object({ node: Type.String(), id: Type.Number(), tokenMs: Type.Number(), apiPort: Type.Number(), transferPort: Type.Number() }),
  key: Type.String(),
  token: Type.String(),
  engineKey: Type.String({ description: "Base64." }),
  authority: Type.String(),
  authorityKey: Type.String(),
  certificate: Type.String(),
});
