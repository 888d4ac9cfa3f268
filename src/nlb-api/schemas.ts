import { Type } from "@fastify/type-provider-typebox";

/** What the API of a balanced host takes. What is in range, and what fits together, is checked where it is used, which names the field. */

const Text = (description: string) => Type.String({ minLength: 1, maxLength: 1_024, description });
const Whole = (minimum: number, maximum: number, description: string) => Type.Integer({ minimum, maximum, description });
const Host = Whole(1, 64, "Id of a host.");

const TimesSchema = { intervalMs: Whole(1, 3_600_000, "From one look to the next, ms."), timeoutMs: Whole(1, 3_600_000, "How long one may take, ms.") };

export const ProbeSchema = Type.Union([
  Type.Object({ kind: Type.Literal("tcp"), port: Whole(1, 65_535, "Of this host's own application."), ...TimesSchema }, { additionalProperties: false }),
  Type.Object({ kind: Type.Literal("http"), port: Whole(1, 65_535, "Of this host's own application."), path: Text("Begins with /."), expectedStatus: Whole(100, 599, "The answer that means well."), ...TimesSchema }, { additionalProperties: false }),
  Type.Object({ kind: Type.Literal("command"), command: Text("For sh; well when it ends with 0."), ...TimesSchema }, { additionalProperties: false }),
]);

export const MetricSchema = Type.Object({ command: Text("For sh; prints 0 to 100: how much of its weight the host can carry now."), ...TimesSchema }, { additionalProperties: false });

const ruleFields = {
  virtualAddress: Type.Union([Text("One of the cluster's addresses."), Type.Null()], { description: "null = every one for which no rule of its own fits." }),
  startPort: Whole(0, 65_535, "First port."),
  endPort: Whole(0, 65_535, "Last port."),
  protocol: Type.Union([Type.Literal("tcp"), Type.Literal("udp"), Type.Literal("both")]),
  mode: Type.Union([Type.Literal("multiple"), Type.Literal("single"), Type.Literal("disabled")]),
  affinity: Type.Union([Type.Literal("none"), Type.Literal("single"), Type.Literal("network")]),
  timeoutMinutes: Whole(0, 240, "Extended affinity; 0 = off."),
  probe: Type.Union([ProbeSchema, Type.Null()]),
  metric: Type.Union([MetricSchema, Type.Null()]),
};

export const RuleSchema = Type.Object(ruleFields, { additionalProperties: false });
const RuleChangeSchema = Type.Partial(Type.Object(ruleFields), { additionalProperties: false });

const hostRuleFields = {
  weight: Type.Union([Whole(0, 100, "Load weight."), Type.Null()], { description: "null = an equal share." }),
  handlingPriority: Whole(1, 64, "In the mode single the host with the lowest number takes everything."),
};
export const HostRuleChangeSchema = Type.Partial(Type.Object(hostRuleFields), { additionalProperties: false });

/** What can be changed of a cluster: its primary address, by which hosts and switches know it, cannot. */
const changeableFields = {
  subnetMask: Type.Union([Text("Of an IPv4 primary address."), Type.Null()]),
  name: Text("The full Internet name."),
  additionalAddresses: Type.Array(Text("A virtual address."), { maxItems: 63 }),
  operationMode: Type.Union([Type.Literal("unicast"), Type.Literal("multicast"), Type.Literal("igmpMulticast"), Type.Literal("windowsUnicast")]),
  heartbeatPeriodMs: Whole(100, 10_000, "From one heartbeat to the next, ms."),
  heartbeatTolerance: Whole(5, 100, "Heartbeats missed before a host counts as lost."),
  filtersIcmp: Type.Boolean({ description: "true = the default host alone answers echo requests." }),
};

export const ClusterSchema = Type.Object({ primaryAddress: Text("Also one of the virtual addresses."), ...changeableFields, rules: Type.Array(RuleSchema, { maxItems: 64 }) }, { additionalProperties: false });

/** By what the change is, so that what is wrong with one can be told by its own schema. */
export const ClusterChangeSchemas = {
  set: Type.Object({ kind: Type.Literal("set"), values: Type.Partial(Type.Object(changeableFields), { additionalProperties: false }) }, { additionalProperties: false }),
  addAddress: Type.Object({ kind: Type.Literal("addAddress"), address: Text("A virtual address that is new.") }, { additionalProperties: false }),
  removeAddress: Type.Object({ kind: Type.Literal("removeAddress"), address: Text("Additional, and named by no rule.") }, { additionalProperties: false }),
  replaceAddress: Type.Object({ kind: Type.Literal("replaceAddress"), address: Text("An additional one."), to: Text("Instead of it, also in rules that name it.") }, { additionalProperties: false }),
  addRule: Type.Object({ kind: Type.Literal("addRule"), rule: RuleSchema, own: HostRuleChangeSchema }, { additionalProperties: false }),
  setRule: Type.Object({ kind: Type.Literal("setRule"), rule: Text("Key of a rule that is there."), values: RuleChangeSchema }, { additionalProperties: false }),
  deleteRule: Type.Object({ kind: Type.Literal("deleteRule"), rule: Text("Key of a rule that is there.") }, { additionalProperties: false }),
} as const;

export const ClusterChangeSchema = Type.Union([ClusterChangeSchemas.set, ClusterChangeSchemas.addAddress, ClusterChangeSchemas.removeAddress, ClusterChangeSchemas.replaceAddress, ClusterChangeSchemas.addRule, ClusterChangeSchemas.setRule, ClusterChangeSchemas.deleteRule]);

export const HostChangeSchema = Type.Partial(
  Type.Object({
    engine: Type.Union([Type.Literal("auto"), Type.Literal("nftables"), Type.Literal("xdp")], { description: "What filters." }),
    id: Host,
    name: Text("Of the host."),
    dedicatedAddresses: Type.Array(Text("Never balanced."), { maxItems: 64 }),
    initialState: Type.Union([Type.Literal("started"), Type.Literal("stopped"), Type.Literal("suspended")]),
    retainsSuspended: Type.Boolean(),
    rules: Type.Record(Type.String(), HostRuleChangeSchema, { description: "By rule key." }),
  }),
  { additionalProperties: false },
);

export const CommandSchema = Type.Object(
  {
    verb: Type.Union((["start", "stop", "drainstop", "suspend", "resume", "enable", "disable", "drain"] as const).map((verb) => Type.Literal(verb))),
    rule: Type.Union([Text("Key of a rule."), Type.Null()], { description: "null = all; for enable, disable and drain." }),
    hosts: Type.Union([Type.Array(Host, { maxItems: 64 }), Type.Literal("all"), Type.Null()], { description: "null = the host that is asked." }),
    deadlineMs: Type.Union([Whole(1, 86_400_000, "ms."), Type.Null()], { description: "drainstop and drain: when whatever is still open is cut; null = never." }),
  },
  { additionalProperties: false },
);

export const JoinSchema = Type.Object({ id: Text("Of the token."), secret: Text("Of the token."), name: Text("Of the machine."), host: Type.Union([Host, Type.Null()], { description: "null = the first that is free." }), version: Text("Of Muster on the machine.") }, { additionalProperties: false });

export const DryRunSchema = Type.Object({ dryRun: Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])) }, { additionalProperties: false });
export const EventsQuerySchema = Type.Object({ after: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$" })), limit: Type.Optional(Type.String({ pattern: "^[0-9]{1,5}$" })) }, { additionalProperties: false });

/** 0 to 10,000. */
const Limit = Type.Optional(Type.String({ pattern: "^(?:[0-9]{1,4}|10000)$", description: "So many of a host at most." }));
export const ConnectionsQuerySchema = Type.Object({ limit: Limit, rule: Type.Optional(Text("Key of a rule.")), local: Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])) }, { additionalProperties: false });
export const AffinityQuerySchema = Type.Object({ limit: Limit, host: Type.Optional(Type.String({ pattern: "^[0-9]{1,2}$" })) }, { additionalProperties: false });

const Port = Type.String({ pattern: "^[0-9]{1,5}$" });
export const WhoSchema = Type.Object({ client: Text("Address of the client."), clientPort: Type.Optional(Port), address: Text("A virtual address."), port: Port, protocol: Type.Union([Type.Literal("tcp"), Type.Literal("udp")]) }, { additionalProperties: false });
export const WhySchema = Type.Object({ name: Type.Optional(Text("Id or name of a host, or key of a rule; default: the host that is asked.")) }, { additionalProperties: false });
