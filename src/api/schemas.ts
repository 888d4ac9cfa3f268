import { Type } from "@fastify/type-provider-typebox";
import type { Static, TSchema } from "@fastify/type-provider-typebox";
import { LINKS_MAX } from "../core/index.ts";
import { AffinityRuleType, FaultDomainType, GroupState, NodeDrainStatus, NodeState, ResourceState, ResumeFailback } from "../model/states.ts";
import type { ClusterEvent } from "../model/events.ts";
import type { DatabaseOperation } from "../model/inputs.ts";
import type { DatabaseValue } from "../model/objects.ts";
import type { Command } from "../model/inputs.ts";
import type { AffinityRuleView, ClusterView, Explanation, FaultDomainView, GroupView, Hypothesis, NodeExplanation, NodeView, Plan, ResourceExplanation, ResourceTypeView, ResourceView } from "../model/views.ts";
import type { NodeInformation } from "../service/facade.ts";

/** What crosses the API, as schemas: validated on the way in, described in /openapi.json. */

const text = (description: string) => Type.String({ description });
const number = (description: string) => Type.Number({ description });
export const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
export const names = <Key extends string>(states: Readonly<Record<Key, number>>) => Type.Unsafe<Key>({ type: "string", enum: Object.keys(states) });
export const closed = { additionalProperties: false };

export const NameSchema = Type.String({ minLength: 1, maxLength: 64, description: "Name or id." });
export const PropertyValueSchema = Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Array(Type.String(), { maxItems: 256 })]);
export const PropertyBagSchema = Type.Record(Type.String({ maxLength: 64 }), PropertyValueSchema, { description: "Property names and values; see docs/reference.md." });

export const ReasonSchema = Type.Object({
  text: text("Why it is as it is, in a sentence."),
  rule: text("Short name of the rule that decided."),
  sinceMs: number("Cluster time."),
  forMs: number("How long it has been so."),
  command: orNull(text("The one command that helps.")),
});

export const HeartbeatSchema = Type.Object(
  {
    tokenMs: number("The engine's token as the heartbeat properties ask for it."),
    detectionMs: number("Worst case from the moment a node falls silent until the others have a membership without it."),
    boundedFromMs: orNull(number("The token that the properties would ask for if it were not outside of what is possible.")),
    spansSubnets: Type.Boolean({ description: "Nodes are in different subnets: CrossSubnetDelay and CrossSubnetThreshold count too." }),
    spansSites: Type.Boolean({ description: "Nodes are in different sites: CrossSiteDelay and CrossSiteThreshold count too." }),
    inForce: Type.Object({ tokenMs: Type.Number(), detectionMs: Type.Number() }, { description: "The same of the token in force; another one while the change is on its way." }),
  },
  { description: "What the heartbeat properties come to." },
);

export const ClusterSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  state: Type.Unsafe<"Active" | "Waiting">({ type: "string", enum: ["Active", "Waiting"] }),
  epoch: number("Number of the active view."),
  orderer: orNull(Type.String()),
  members: Type.Array(Type.String()),
  nodes: Type.Number(),
  nodesUp: Type.Number(),
  groups: Type.Number(),
  groupsOnline: Type.Number(),
  problems: Type.Array(text("A whole sentence about what is not as it should be.")),
  properties: PropertyBagSchema,
  heartbeat: Type.Optional(orNull(HeartbeatSchema)),
  clusterTimeMs: Type.Number(),
  wallTimeMs: Type.Number(),
});

/** The cluster as the answering node sees it. */
export const ClusterAnswerSchema = Type.Intersect([
  ClusterSchema,
  Type.Object({
    answeredBy: Type.Object({
      node: Type.String(),
      phase: text("starting, forming, waiting, active or left: where the answering node stands."),
      reason: orNull(Type.String()),
      version: Type.String(),
    }),
  }),
]);

export const InformationSchema = Type.Object({
  node: Type.String(),
  version: Type.String(),
  processId: number("Of the Cluster Service."),
  monitorProcessIds: Type.Array(Type.Number()),
  tag: text("Version of its copy of the database: promised:epoch:sequence."),
  committed: Type.Number(),
  isOrderer: Type.Boolean(),
  permitLeftMs: number("How much longer its roles may run without new evidence of a majority."),
  memoryBytes: Type.Number(),
});

export const NodeSchema = Type.Object({
  id: Type.Number(),
  name: Type.String(),
  state: names(NodeState),
  drainStatus: names(NodeDrainStatus),
  failbackStatus: names(NodeDrainStatus),
  drainTarget: orNull(Type.String()),
  stopping: Type.Boolean(),
  mayStop: Type.Boolean(),
  incarnation: orNull(Type.Number()),
  inventoryKnown: Type.Boolean(),
  faultDomain: Type.Array(text("Site:…, Rack:…, Chassis:…, the outermost first.")),
  quarantinedUntil: Type.Union([Type.Number(), Type.Literal("cleared"), Type.Null()], { description: "It hosts nothing until this wall time in milliseconds, or until it is cleared; null = it is not quarantined." }),
  addresses: Type.Array(text("Where the other nodes reach it, one address in each link.")),
  groups: Type.Array(Type.String()),
  reason: ReasonSchema,
  properties: PropertyBagSchema,
});
export const NodeAnswerSchema = Type.Intersect([NodeSchema, Type.Object({ information: orNull(InformationSchema) })]);

export const GroupSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  state: names(GroupState),
  ownerNode: orNull(Type.String()),
  wantedState: Type.Unsafe<"Online" | "Offline">({ type: "string", enum: ["Online", "Offline"] }),
  movingTo: orNull(Type.String()),
  queuedMoveTo: orNull(Type.String()),
  startsAfter: Type.Array(Type.String()),
  groupSet: orNull(Type.String()),
  waitsFor: Type.Array(Type.String()),
  preferredOwners: Type.Array(Type.String()),
  defaultOwner: orNull(text("Where it ran last or was moved to.")),
  affinityRules: Type.Array(text("Names of the affinity rules it is in.")),
  resources: Type.Array(Type.String()),
  generation: Type.Number(),
  reason: ReasonSchema,
  failovers: Type.Object({ count: Type.Number(), threshold: Type.Number(), periodHours: Type.Number() }),
  properties: PropertyBagSchema,
});

const Failures = Type.Object({ count: Type.Number(), threshold: Type.Number(), periodMs: Type.Number() });

export const ResourceSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  group: Type.String(),
  type: Type.String(),
  state: names(ResourceState),
  ownerNode: orNull(Type.String()),
  wantedState: Type.Unsafe<"Online" | "Offline">({ type: "string", enum: ["Online", "Offline"] }),
  dependency: Type.String(),
  dependents: Type.Array(Type.String()),
  possibleOwners: orNull(Type.Array(Type.String())),
  processId: orNull(Type.Number()),
  reason: ReasonSchema,
  failures: Failures,
  nextAttemptMs: orNull(Type.Number()),
  properties: PropertyBagSchema,
  privateProperties: PropertyBagSchema,
});

export const FaultDomainSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: names(FaultDomainType),
  parent: orNull(Type.String()),
  location: Type.String(),
  description: Type.String(),
  children: Type.Array(text("Names of the domains and nodes that stand directly in it.")),
});

export const AffinityRuleSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: names(AffinityRuleType),
  groups: Type.Array(Type.String()),
  enabled: Type.Boolean(),
  soft: Type.Boolean(),
  violations: Type.Array(text("What is not as the rule wants it now.")),
});

const PropertyDefinitionSchema = Type.Object({
  name: Type.String(),
  type: Type.Unsafe<"number" | "string" | "boolean" | "stringList">({ type: "string", enum: ["number", "string", "boolean", "stringList"] }),
  default: PropertyValueSchema,
  minimum: Type.Optional(Type.Number()),
  maximum: Type.Optional(Type.Number()),
  unset: Type.Optional(Type.Number()),
  oneOf: Type.Optional(Type.Array(Type.String())),
  readOnly: Type.Optional(Type.Boolean()),
  required: Type.Optional(Type.Boolean()),
  unit: Type.Optional(Type.String()),
  description: Type.String(),
});
export const ResourceTypeSchema = Type.Object({
  name: Type.String(),
  description: Type.String(),
  builtIn: Type.Boolean(),
  properties: PropertyBagSchema,
  privateProperties: Type.Array(PropertyDefinitionSchema),
});

export const EventSchema = Type.Object({
  id: text("epoch.index.n; grows."),
  code: number("Number in the catalogue of events."),
  level: Type.Unsafe<ClusterEvent["level"]>({ type: "string", enum: ["critical", "error", "warning", "information"] }),
  cause: orNull(Type.String()),
  wallTimeMs: Type.Number(),
  clusterTimeMs: Type.Number(),
  node: orNull(Type.String()),
  group: orNull(Type.String()),
  resource: orNull(Type.String()),
  text: Type.String(),
  next: orNull(Type.String()),
});

export const ExplanationSchema = Type.Object({
  group: Type.String(),
  state: names(GroupState),
  ownerNode: orNull(Type.String()),
  summary: Type.String(),
  rule: Type.String(),
  sinceMs: Type.Number(),
  forMs: Type.Number(),
  nodes: Type.Array(Type.Object({ node: Type.String(), canHost: Type.Boolean(), isOwner: Type.Boolean(), reason: Type.String() })),
  resources: Type.Array(
    Type.Object({ resource: Type.String(), state: names(ResourceState), reason: Type.String(), sinceMs: Type.Number(), failures: Failures, nextAttemptMs: orNull(Type.Number()) }),
  ),
  failovers: Type.Object({ count: Type.Number(), threshold: Type.Number(), periodHours: Type.Number() }),
  whatWouldChangeIt: Type.Array(Type.String()),
  command: orNull(Type.String()),
});

const PartExplanation = {
  summary: Type.String(),
  rule: Type.String(),
  sinceMs: Type.Number(),
  forMs: Type.Number(),
  facts: Type.Array(Type.String()),
  whatWouldChangeIt: Type.Array(Type.String()),
  command: orNull(Type.String()),
};
export const NodeExplanationSchema = Type.Object({ node: Type.String(), state: names(NodeState), ...PartExplanation });
export const ResourceExplanationSchema = Type.Object({ resource: Type.String(), group: Type.String(), state: names(ResourceState), ...PartExplanation });

export const PlanSchema = Type.Object({
  moves: Type.Array(Type.Object({ group: Type.String(), from: orNull(Type.String()), to: orNull(Type.String()), reason: Type.String() })),
  groups: Type.Array(Type.Object({ group: Type.String(), before: orNull(names(GroupState)), after: orNull(names(GroupState)), ownerNode: orNull(Type.String()) })),
  events: Type.Array(EventSchema),
  durationMs: Type.Number(),
  stopped: Type.Boolean({ description: "In the end no set of nodes may go on." }),
  quiet: Type.Boolean(),
  notes: Type.Array(Type.String()),
  heartbeat: Type.Optional(HeartbeatSchema),
});

export const DatabaseValueSchema = Type.Object(
  {
    type: Type.Unsafe<DatabaseValue["type"]>({ type: "string", enum: ["string", "number", "binary", "multiString"] }),
    value: Type.Union([Type.String(), Type.Number(), Type.Array(Type.String())]),
  },
  closed,
);
const Key = Type.String({ minLength: 1, maxLength: 256 });
export const DatabaseOperationSchema = Type.Unsafe<DatabaseOperation>(
  Type.Object(
    {
      operation: Type.String({ enum: ["set", "delete", "exists", "notExists", "equal", "notEqual", "greater", "less"] }),
      key: Key,
      value: Type.Optional(DatabaseValueSchema),
    },
    closed,
  ),
);

/** What a changing verb answers: where in the log it stands; or, with dryRun, what it would do. */
export const DoneSchema = Type.Object({
  done: Type.Boolean({ description: "False for a dry run." }),
  note: orNull(Type.String()),
  at: orNull(Type.Object({ epoch: Type.Number(), index: Type.Number() })),
  plan: orNull(PlanSchema),
});

export const ErrorSchema = Type.Object({
  error: Type.Object({
    code: Type.String(),
    message: Type.String(),
    field: orNull(Type.String()),
    next: text("What to do."),
    details: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()])),
  }),
});

// Query strings arrive as text.
const Flag = Type.Unsafe<"true" | "false">({ type: "string", enum: ["true", "false"] });
const Milliseconds = Type.String({ pattern: "^[0-9]{1,6}$", description: "Milliseconds." });
export const ReadQuerySchema = Type.Object({ consistent: Type.Optional(Flag), timeoutMs: Type.Optional(Milliseconds) }, closed);
export const ChangeQuerySchema = Type.Object({ dryRun: Type.Optional(Flag), timeoutMs: Type.Optional(Milliseconds), force: Type.Optional(Flag) }, closed);

// ---- bodies ------------------------------------------------------------------

export const CreateGroupSchema = Type.Object({ name: NameSchema, properties: Type.Optional(PropertyBagSchema), preferredOwners: Type.Optional(Type.Array(NameSchema, { maxItems: 64 })) }, closed);
export const SetGroupSchema = Type.Object(
  {
    name: Type.Optional(NameSchema),
    properties: Type.Optional(PropertyBagSchema),
    preferredOwners: Type.Optional(Type.Array(NameSchema, { maxItems: 64 })),
    startsAfter: Type.Optional(Type.Array(NameSchema, { maxItems: 64, description: "Names of groups and group sets." })),
  },
  closed,
);
const OptionalFlag = Type.Optional(Type.Boolean());
/** For online: where, and what may be overruled. */
export const OnlineGroupSchema = Type.Union([Type.Object({ node: Type.Optional(NameSchema), bestPossible: OptionalFlag, ignoreLocked: OptionalFlag, ignoreAffinity: OptionalFlag }, closed), Type.Null()]);
export const OfflineGroupSchema = Type.Union([Type.Object({ ignoreLocked: OptionalFlag }, closed), Type.Null()]);
export const MoveGroupSchema = Type.Object({ node: Type.Optional(NameSchema), ignoreLocked: OptionalFlag, returnToSource: OptionalFlag, queue: OptionalFlag, highPriorityStart: OptionalFlag, ignoreAffinity: OptionalFlag }, closed);
export const PauseNodeSchema = Type.Object({ drain: OptionalFlag, target: Type.Optional(NameSchema), force: OptionalFlag, retry: OptionalFlag }, closed);
export const ResumeNodeSchema = Type.Object({ failback: Type.Optional(Type.Union([Type.Boolean(), names(ResumeFailback)])) }, closed);
export const ShutDownNodeSchema = Type.Object({ drain: OptionalFlag }, closed);
export const AddNodeSchema = Type.Object(
  { name: NameSchema, addresses: Type.Optional(Type.Array(Type.String({ maxLength: 45 }), { minItems: 1, maxItems: LINKS_MAX, description: "Where the other nodes reach it, one address in each link." })) },
  closed,
);
export const MoveResourceSchema = Type.Object({ group: NameSchema }, closed);
export const SetClusterSchema = Type.Object({ properties: Type.Optional(PropertyBagSchema), name: Type.Optional(NameSchema) }, closed);
export const SetNodeSchema = Type.Object({ properties: Type.Optional(PropertyBagSchema), faultDomain: Type.Optional(orNull(NameSchema)) }, closed);
const DomainText = Type.Optional(Type.String({ maxLength: 1_024 }));
export const CreateFaultDomainSchema = Type.Object({ name: NameSchema, type: names(FaultDomainType), parent: Type.Optional(orNull(NameSchema)), location: DomainText, description: DomainText }, closed);
export const SetFaultDomainSchema = Type.Object({ name: Type.Optional(NameSchema), parent: Type.Optional(orNull(NameSchema)), location: DomainText, description: DomainText }, closed);
const RuleGroups = Type.Optional(Type.Array(NameSchema, { maxItems: 1_000 }));
const RuleFlags = { enabled: Type.Optional(Type.Boolean()), soft: Type.Optional(Type.Boolean({ description: "It may be broken rather than leave a role offline." })) };
export const CreateAffinityRuleSchema = Type.Object({ name: NameSchema, type: names(AffinityRuleType), groups: RuleGroups, ...RuleFlags }, closed);
export const SetAffinityRuleSchema = Type.Object({ name: Type.Optional(NameSchema), type: Type.Optional(names(AffinityRuleType)), groups: RuleGroups, ...RuleFlags }, closed);
export const CreateResourceSchema = Type.Object(
  {
    name: NameSchema,
    group: NameSchema,
    type: Type.String({ minLength: 1, maxLength: 64 }),
    properties: Type.Optional(PropertyBagSchema),
    privateProperties: Type.Optional(PropertyBagSchema),
    dependency: Type.Optional(Type.String({ maxLength: 4096 })),
    possibleOwners: Type.Optional(Type.Array(NameSchema, { maxItems: 64 })),
  },
  closed,
);
export const SetResourceSchema = Type.Object(
  {
    name: Type.Optional(NameSchema),
    properties: Type.Optional(PropertyBagSchema),
    privateProperties: Type.Optional(PropertyBagSchema),
    possibleOwners: Type.Optional(orNull(Type.Array(NameSchema, { maxItems: 64 }))),
  },
  closed,
);
export const DependSchema = Type.Object({ dependency: Type.String({ maxLength: 4096, description: "[a] and ([b] or [c]); empty = none." }) }, closed);
export const BatchSchema = Type.Object({ operations: Type.Array(DatabaseOperationSchema, { minItems: 1, maxItems: 1_000 }) }, closed);
export const WhatIfSchema = Type.Object(
  {
    steps: Type.Array(
      Type.Union([
        Type.Object({ what: Type.Literal("nodeDown"), node: NameSchema }, closed),
        Type.Object({ what: Type.Literal("nodeUp"), node: NameSchema }, closed),
        Type.Object({ what: Type.Literal("nodesDown"), nodes: Type.Array(NameSchema, { minItems: 1, maxItems: 64 }) }, closed),
        Type.Object({ what: Type.Literal("networkCut"), nodes: Type.Array(NameSchema, { minItems: 1, maxItems: 64 }) }, closed),
        Type.Object({ what: Type.Literal("witness"), state: Type.Union([Type.Literal("lost"), Type.Literal("back")]) }, closed),
        Type.Object({ what: Type.Literal("resourceFails"), resource: NameSchema }, closed),
        Type.Object({ what: Type.Literal("command"), command: Type.Unsafe<Command>({ type: "object", required: ["verb"], properties: { verb: { type: "string" } }, additionalProperties: true, description: "As in the log: a verb with its fields." }) }, closed),
      ]),
      { minItems: 1, maxItems: 64 },
    ),
  },
  closed,
);

// The schemas and the types of the model must say the same; the compiler checks it.
type Mutable<Value> = Value extends readonly (infer Item)[] ? Mutable<Item>[] : Value extends object ? { -readonly [Key in keyof Value]: Mutable<Value[Key]> } : Value;
export type Same<A, B> = [Mutable<A>] extends [Mutable<B>] ? true : never;
const agreements: readonly true[] = [
  true satisfies Same<ClusterView, Static<typeof ClusterSchema>>,
  true satisfies Same<NodeView, Static<typeof NodeSchema>>,
  true satisfies Same<GroupView, Static<typeof GroupSchema>>,
  true satisfies Same<ResourceView, Static<typeof ResourceSchema>>,
  true satisfies Same<FaultDomainView, Static<typeof FaultDomainSchema>>,
  true satisfies Same<AffinityRuleView, Static<typeof AffinityRuleSchema>>,
  true satisfies Same<ResourceTypeView, Static<typeof ResourceTypeSchema>>,
  true satisfies Same<ClusterEvent, Static<typeof EventSchema>>,
  true satisfies Same<Explanation, Static<typeof ExplanationSchema>>,
  true satisfies Same<NodeExplanation, Static<typeof NodeExplanationSchema>>,
  true satisfies Same<ResourceExplanation, Static<typeof ResourceExplanationSchema>>,
  true satisfies Same<Plan, Static<typeof PlanSchema>>,
  true satisfies Same<NodeInformation, Static<typeof InformationSchema>>,
  true satisfies Same<Static<typeof WhatIfSchema>["steps"][number], Hypothesis>,
];
void agreements;
