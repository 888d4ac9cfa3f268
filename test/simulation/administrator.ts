import type { Command } from "../../src/model/inputs.ts";
import type { PropertyBag } from "../../src/model/objects.ts";
import type { AffinityRuleType, FaultDomainType, WitnessKind } from "../../src/model/states.ts";
import { UNSET } from "../../src/model/states.ts";
import type { Random } from "./random.ts";

/** The administrators of a simulated cluster: they use everything there is, each seed with a mixture of its own. */

export const GROUPS = ["batch", "mail", "shop", "store", "web"] as const;
const RULES = ["rule 1", "rule 2"] as const;
const SETS = ["base", "front"] as const;
const DOMAINS: readonly { readonly name: string; readonly type: FaultDomainType }[] = [
  { name: "north", type: "Site" },
  { name: "south", type: "Site" },
  { name: "rack 1", type: "Rack" },
  { name: "rack 2", type: "Rack" },
];
const RULE_TYPES: readonly AffinityRuleType[] = ["SameNode", "DifferentNode", "SameFaultDomain", "DifferentFaultDomain", "None"];
const PRIORITIES = [0, 1000, 2000, 2000, 3000] as const;

const WITNESS: Readonly<Record<WitnessKind, PropertyBag>> = { daemon: { Address: "witness:1" }, fileShare: { SharePath: "/witness" }, cloud: { EndpointInfo: "https://witness", ContainerName: "witness" }, disk: { Device: "/dev/witness" } };

interface Act {
  readonly weight: number;
  readonly draw: (random: Random, world: Surroundings) => Command;
}

interface Surroundings {
  readonly nodes: number;
  /** The kind of the one there is. */
  readonly witness: WitnessKind | null;
}

const ACTS: readonly Act[] = [
  // Roles and what they are made of.
  { weight: 6, draw: (random, world) => ({ verb: "group.create", name: random.pick(GROUPS), preferredOwners: random.chance(0.3) ? [aNode(random, world)] : [] }) },
  { weight: 3, draw: (random) => createAddress(random.pick(GROUPS)) },
  { weight: 6, draw: (random) => createProgram(random.pick(GROUPS), { RestartThreshold: random.integer(0, 2), RestartAction: random.pick([2, 2, 2, 1, 0]), ...retries(random) }) },
  { weight: 1, draw: (random) => ({ verb: "group.delete", group: random.pick(GROUPS), force: random.chance(0.5) }) },
  { weight: 1, draw: (random) => ({ verb: "resource.delete", resource: aProgram(random), force: random.chance(0.7) }) },
  { weight: 2, draw: (random) => ({ verb: "resource.move", resource: aProgram(random), group: random.pick(GROUPS) }) },
  { weight: 1, draw: (random) => ({ verb: "resource.depend", resource: aProgram(random), dependency: random.chance(0.5) ? `[${random.pick(GROUPS)} address]` : "" }) },
  { weight: 4, draw: (random, world) => ({ verb: "resource.set", resource: aProgram(random), properties: { RestartThreshold: random.integer(0, 3), RestartDelay: random.pick([0, 500]), ...retries(random), RestartAction: random.pick([2, 2, 1, 0]), EmbeddedFailureAction: random.integer(0, 2) }, ...(random.chance(0.3) ? { possibleOwners: random.chance(0.6) ? null : someNodes(random, world) } : {}) }) },
  { weight: 2, draw: (random) => ({ verb: random.chance(0.6) ? "resource.online" : "resource.offline", resource: aProgram(random), ...flag(random, "ignoreLocked", 0.2) }) },
  { weight: 3, draw: (random) => ({ verb: "resource.fail", resource: aProgram(random) }) },
  // What they shall be, and where.
  { weight: 8, draw: (random) => ({ verb: "group.online", group: random.pick(GROUPS) }) },
  { weight: 3, draw: (random, world) => ({ verb: "group.online", group: random.pick(GROUPS), ...(random.chance(0.5) ? { node: aNode(random, world) } : { bestPossible: true }), ...flag(random, "ignoreAffinity", 0.2) }) },
  { weight: 3, draw: (random) => ({ verb: "group.offline", group: random.pick(GROUPS), ...flag(random, "ignoreLocked", 0.2) }) },
  {
    weight: 8,
    draw: (random, world) => ({
      verb: "group.move",
      group: random.pick(GROUPS),
      ...(random.chance(0.5) ? { node: aNode(random, world) } : {}),
      ...flag(random, "ignoreLocked", 0.15),
      ...flag(random, "returnToSource", 0.2),
      ...flag(random, "queue", 0.5),
      ...flag(random, "highPriorityStart", 0.2),
      ...flag(random, "ignoreAffinity", 0.15),
    }),
  },
  { weight: 2, draw: (random) => ({ verb: "group.cancel", group: random.pick(GROUPS) }) },
  { weight: 6, draw: (random, world) => ({ verb: "group.set", group: random.pick(GROUPS), ...(random.chance(0.4) ? { preferredOwners: someNodes(random, world) } : {}), properties: groupProperties(random) }) },
  { weight: 3, draw: (random) => ({ verb: "group.set", group: random.pick(GROUPS), startsAfter: random.chance(0.6) ? [random.pick([...GROUPS, ...SETS])] : [] }) },
  // What they must and should be together with, or wait for.
  { weight: 2, draw: (random) => ({ verb: "affinity.create", name: random.pick(RULES), type: random.pick(RULE_TYPES), groups: someGroups(random), soft: random.chance(0.4) }) },
  { weight: 2, draw: (random) => ({ verb: "affinity.set", rule: random.pick(RULES), type: random.pick(RULE_TYPES), groups: someGroups(random), soft: random.chance(0.4), enabled: random.chance(0.85) }) },
  { weight: 1, draw: (random) => ({ verb: "affinity.delete", rule: random.pick(RULES) }) },
  { weight: 2, draw: (random) => ({ verb: "groupset.create", name: random.pick(SETS), groups: someGroups(random), properties: setProperties(random), startsAfter: random.chance(0.3) ? [random.pick(SETS)] : [] }) },
  { weight: 2, draw: (random) => ({ verb: "groupset.set", set: random.pick(SETS), properties: setProperties(random), ...(random.chance(0.5) ? { groups: someGroups(random) } : {}) }) },
  { weight: 1, draw: (random) => ({ verb: "groupset.delete", set: random.pick(SETS) }) },
  // Where nodes stand, and what they can carry.
  { weight: 3, draw: (random) => ({ verb: "faultdomain.create", ...random.pick(DOMAINS) }) },
  { weight: 1, draw: (random) => ({ verb: "faultdomain.set", domain: random.pick(["rack 1", "rack 2"]), parent: random.pick(["north", "south", null]) }) },
  { weight: 1, draw: (random) => ({ verb: "faultdomain.delete", domain: random.pick(DOMAINS).name }) },
  { weight: 4, draw: (random, world) => ({ verb: "node.set", node: aNode(random, world), faultDomain: random.chance(0.8) ? random.pick(DOMAINS).name : null }) },
  { weight: 3, draw: (random, world) => ({ verb: "node.set", node: aNode(random, world), properties: { NodeCapacity: random.pick([1, 2, 2, 3, UNSET]) } }) },
  // Nodes and the whole cluster.
  { weight: 4, draw: (random, world) => ({ verb: "node.pause", node: aNode(random, world), drain: random.chance(0.7), ...(random.chance(0.2) ? { target: aNode(random, world) } : {}), ...flag(random, "force", 0.3), ...flag(random, "retry", 0.3) }) },
  { weight: 6, draw: (random, world) => ({ verb: "node.resume", node: aNode(random, world), failback: random.pick(["DoNotFailbackGroups", "FailbackGroupsImmediately", "FailbackGroupsPerPolicy"] as const) }) },
  { weight: 2, draw: (random, world) => ({ verb: "node.clearQuarantine", node: aNode(random, world) }) },
  { weight: 3, draw: (random) => ({ verb: "cluster.set", properties: clusterProperties(random) }) },
  { weight: 1, draw: (random, world) => ({ verb: "cluster.set", properties: { DynamicQuorum: random.integer(0, 1), LowerQuorumPriorityNodeID: random.integer(0, world.nodes) } }) },
  { weight: 1, draw: (random, world) => ({ verb: "node.set", node: aNode(random, world), properties: { NodeWeight: random.pick([0, 1, 1]) } }) },
  { weight: 2, draw: (random, world) => (world.witness !== null ? { verb: "quorum.set", witness: random.chance(0.8) ? { kind: world.witness, properties: WITNESS[world.witness] } : null } : { verb: "group.cancel", group: random.pick(GROUPS) }) },
];

/** What one cluster's administrators ask for, again and again. */
export function createAdministrator(random: Random, world: Surroundings): () => Command {
  const weights = ACTS.map((act) => act.weight * random.pick([0, 1, 1, 4]));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return () => {
    let draw = random.next() * total;
    const drawn = weights.findIndex((weight) => (draw -= weight) < 0);
    return (ACTS[drawn] ?? ACTS[0]!).draw(random, world);
  };
}

/** The roles with which every cluster begins, in an order in which each finds what it needs. */
export function firstCommands(random: Random, nodes: number): Command[] {
  const commands: Command[] = [];
  const isTight = random.chance(0.25);
  // Only where no node has room for everything anybody must be pushed out.
  for (let node = 1; isTight && node <= nodes; node++) commands.push({ verb: "node.set", node: `n${node}`, properties: { NodeCapacity: random.integer(1, 2) } });
  for (const name of GROUPS) {
    if (random.chance(0.25)) continue;
    commands.push({ verb: "group.create", name });
    if (isTight) commands.push({ verb: "group.set", group: name, properties: { Priority: random.pick([1000, 2000, 3000]) } });
    commands.push(createAddress(name), createProgram(name, {}), { verb: "group.online", group: name });
  }
  return commands;
}

/** Puts everything back to work: what only a person can undo is undone. */
export function healingCommands(nodes: number): Command[] {
  const names = Array.from({ length: nodes }, (_, position) => `n${position + 1}`);
  return [
    ...names.flatMap((node): Command[] => [{ verb: "node.resume", node }, { verb: "node.clearQuarantine", node }]),
    ...GROUPS.flatMap((name): Command[] => [{ verb: "group.create", name }, createAddress(name), { verb: "group.online", group: name }]),
  ];
}

function createAddress(group: string): Command {
  return { verb: "resource.create", name: `${group} address`, group, type: "IP Address", privateProperties: { Address: "127.0.0.100" } };
}

function createProgram(group: string, properties: Record<string, number>): Command {
  return { verb: "resource.create", name: `${group} program`, group, type: "Generic Application", privateProperties: { CommandLine: "true" }, properties, dependency: `[${group} address]` };
}

function retries(random: Random): Record<string, number> {
  return random.chance(0.5) ? { RestartPeriod: 500, RetryPeriodOnFailure: 500 } : { RestartPeriod: 900_000, RetryPeriodOnFailure: 3_600_000 };
}

function groupProperties(random: Random): Record<string, number | string | string[]> {
  const all: Record<string, number | string | string[]> = {
    AntiAffinityClassNames: random.pick([[], ["red"], ["red", "blue"]]),
    AutoFailbackType: random.integer(0, 1),
    FailbackWindowStart: random.pick([-1, -1, 0, 12]),
    FailbackWindowEnd: random.pick([-1, -1, 1, 23]),
    ColdStartSetting: random.integer(0, 2),
    FailoverThreshold: random.pick([0, 0, 1, UNSET]),
    GroupStartDelay: random.pick([0, 300, 2_000]),
    GroupWeight: random.integer(0, 3),
    LockedFromMoving: random.pick([0, 0, 1]),
    PreferredSite: random.pick(["", "north", "south"]),
    Priority: random.pick(PRIORITIES),
  };
  // Few at a time: one property that is refused must not keep all others from being tried.
  return Object.fromEntries(random.shuffle(Object.entries(all)).slice(0, random.integer(1, 3)));
}

function clusterProperties(random: Random): Record<string, number | string> {
  const all: Record<string, number | string> = {
    ClusterEnforcedAntiAffinity: random.integer(0, 1),
    ClusterGroupWaitDelay: random.pick([0, 2, 120]),
    DisableGroupPreferredOwnerRandomization: random.integer(0, 1),
    DrainOnShutdown: random.integer(0, 1),
    GroupDependencyTimeout: random.pick([0, 2, 600]),
    IgnorePersistentStateOnStartup: random.pick([0, 0, 0, 1]),
    MinimumPreemptorPriority: random.pick([1, 2000]),
    MinimumNeverPreemptPriority: random.pick([3000, 4000]),
    PreferredSite: random.pick(["", "north"]),
    QuorumArbitrationTimeMax: random.integer(1, 5),
    QuarantineThreshold: random.integer(0, 3),
    QuarantineDuration: random.pick([1, 3, 7200]),
  };
  return Object.fromEntries(random.shuffle(Object.entries(all)).slice(0, random.integer(1, 2)));
}

function setProperties(random: Random): Record<string, number> {
  return { StartupSetting: random.integer(1, 4), StartupDelay: random.integer(0, 3), StartupCount: random.pick([1, UNSET]), IsGlobal: random.pick([0, 0, 0, 1]) };
}

function flag<Name extends string>(random: Random, name: Name, probability: number): { [Key in Name]?: true } {
  return (random.chance(probability) ? { [name]: true } : {}) as { [Key in Name]?: true };
}

function aNode(random: Random, { nodes }: Surroundings): string {
  return `n${random.integer(1, nodes)}`;
}

function someNodes(random: Random, { nodes }: Surroundings): string[] {
  const names = Array.from({ length: nodes }, (_, position) => `n${position + 1}`);
  return random.shuffle(names).slice(0, random.integer(1, nodes));
}

function someGroups(random: Random): string[] {
  return random.shuffle(GROUPS).slice(0, random.integer(2, 3));
}

function aProgram(random: Random): string {
  return `${random.pick(GROUPS)} program`;
}
