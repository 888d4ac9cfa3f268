import { hook } from "../network/ruleset-text.ts";
import type { SlotFamily } from "../network/lease-slots.ts";
import { slotLines } from "../network/lease-slots.ts";
import type { FilterPlan, FilterRule } from "../nlb/filter-contract.ts";
import type { Dispatch } from "./dispatch.ts";
import { dispatchChains, familiesOf } from "./dispatch.ts";
import type { Delivery } from "./delivery.ts";
import { arpLines, ingressLines, maskLines, outputLines } from "./delivery.ts";
import { affinitySets, coldLines, mineLines, numberSet, ruleLines } from "./rule-lines.ts";

/**
 * What the kernel of one host has, as nftables: pure. Three tables of one name, for an adapter.
 *
 * | table, hook | what it does |
 * |---|---|
 * | netdev, ingress | takes frames for the cluster's hardware address; drops what is certainly another host's, before connection tracking |
 * | inet, prerouting | decides: a pure SYN, a UDP datagram and all else by rule, behind the lease; other TCP if its connection is open here |
 * | inet and arp, output | tells the cluster's hardware address in ARP and neighbour discovery |
 *
 * What is not this host's is dropped without a word: its owner sees the same packet.
 */

export const LEASE_FAMILY: SlotFamily = { name: "inet", key: "meta nfproto", values: ["ipv4", "ipv6"] };
/** After connections were looked up (-200), before destinations are changed (-100). */
const DECIDE = -150;
/** Before anything else of the adapter. */
const FIRST = -300;
/** Where the source of ARP and neighbour messages is final. */
const LAST = 0;

/** Chains and what must outlast a change, by `family name` and `family kind name`. */
export interface Ruleset {
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Sets and counters: what a change must not empty. */
  readonly kept: ReadonlyMap<string, readonly string[]>;
}

/** The table of an adapter. Letters and digits stay; others become their code. */
export function filterTable(adapter: string): string {
  return `muster_nlb_${[...adapter].map((character) => (/[A-Za-z0-9]/.test(character) ? character : `_${character.codePointAt(0)!.toString(16)}_`)).join("")}`;
}

/** Makes the tables anew, without a word in them: only together with a first plan. No slot is open. */
export function installText(table: string, adapter: string, masks: boolean): string {
  return [
    removeText(table),
    `table inet ${table} {`,
    "set life {",
    "type ipv6_addr",
    "}",
    "chain rules {",
    "}",
    ...slotLines(LEASE_FAMILY, "goto rules"),
    ...hook("prerouting", DECIDE, []),
    ...hook("output", LAST, []),
    "}",
    `table arp ${table} {`,
    ...hook("output", LAST, []),
    "}",
    `table netdev ${table} {`,
    "chain ingress {",
    `type filter hook ingress device "${adapter}" priority ${FIRST}; policy accept;`,
    "}",
    ...(masks ? ["chain egress {", `type filter hook egress device "${adapter}" priority 0; policy accept;`, "}"] : []),
    "}",
  ].join("\n");
}

export function removeText(table: string): string {
  return (["inet", "arp", "netdev"] as const).flatMap((family) => [`add table ${family} ${table}`, `delete table ${family} ${table}`]).join("\n");
}

/** The life that loaded the rules, kept beside them. */
export function lifeText(table: string, incarnation: number): string {
  const digits = incarnation.toString(16).padStart(16, "0");
  const groups = [0, 4, 8, 12].map((start) => digits.slice(start, start + 4)).join(":");
  return `flush set inet ${table} life\nadd element inet ${table} life { fd00:0:0:0:${groups} }`;
}

/**
 * What the plan says, chain by chain. Names of chains begin with their table's family.
 * @param numberOf a number for each rule key, the same for as long as the rule is there
 * @param decides false = a program of XDP decides what comes by the adapter: these chains are asked for other adapters only
 */
export function rulesetOf(plan: FilterPlan, delivery: Delivery, numberOf: (key: string) => number, decides = true): Ruleset {
  const chains = new Map<string, readonly string[]>();
  const kept = new Map<string, readonly string[]>();
  for (const rule of plan.rules) addRule(chains, kept, rule, numberOf(rule.key));
  kept.set("inet counter taken_default", []);
  chains.set("inet mine_default", ["counter name taken_default accept"]);
  const fallback = plan.isDefaultHost ? "goto mine_default" : "counter drop";
  const by = (name: string, target: (number: number, rule: FilterRule) => string, otherwise: string): Dispatch => ({ name, plan, numberOf, target, otherwise });
  for (const [name, lines] of dispatchChains("inet", by("rules", (number) => `rule_${number}`, fallback))) chains.set(name, lines);
  for (const [name, lines] of dispatchChains("inet", by("kept", keptTarget, "accept"))) chains.set(name, lines);
  chains.set("inet pass", ["accept"]);
  chains.set("inet echo", [fallback]);
  chains.set("inet virtual", virtualLines(plan));
  chains.set("inet prerouting", [...(decides ? [] : [`iifname "${delivery.adapter}" accept`]), "iif lo accept", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept", ...familiesOf(plan).map(({ header, addresses }) => `${header} daddr { ${addresses.join(", ")} } goto virtual`)]);
  chains.set("inet output", outputLines(plan, delivery));
  chains.set("arp output", arpLines(plan, delivery));
  const coldFallback = plan.isMember && !plan.isDefaultHost && !plan.wasDefaultHost ? "meta l4proto { tcp, udp } counter drop" : "accept";
  chains.set("netdev pass", ["accept"]);
  for (const [name, lines] of dispatchChains("netdev", by("cold", (number, rule) => (coldLines(rule) === null ? "pass" : `cold_${number}`), coldFallback))) chains.set(name, lines);
  chains.set("netdev ingress", ingressLines(plan, decides));
  const mask = maskLines(plan);
  if (mask.length > 0) chains.set("netdev egress", mask);
  return { chains, kept };
}

function addRule(chains: Map<string, readonly string[]>, kept: Map<string, readonly string[]>, rule: FilterRule, number: number): void {
  for (const [name, lines] of affinitySets(rule, number)) kept.set(`inet set ${name}`, lines);
  kept.set(`inet counter taken_${number}`, []);
  chains.set(`inet mine_${number}`, mineLines(rule, number));
  chains.set(`inet rule_${number}`, ruleLines(rule, number));
  const { action } = rule;
  if (action.kind === "share" && action.extendedAffinityMs > 0) chains.set(`inet stay_${number}`, [...numberSet(rule, number), "accept"]);
  const cold = coldLines(rule);
  if (cold !== null) chains.set(`netdev cold_${number}`, cold);
}

/** TCP that is not a new connection, when its connection is open here. */
function keptTarget(number: number, { action }: FilterRule): string {
  if (action.kind === "drop") return `rule_${number}`;
  return action.kind === "share" && action.extendedAffinityMs > 0 ? `stay_${number}` : "pass";
}

function virtualLines(plan: FilterPlan): readonly string[] {
  if (!plan.isMember) return ["counter drop"];
  return [
    // What routers and clients say of open connections.
    "ct state related accept",
    plan.filtersIcmp ? "icmp type echo-request goto echo" : "meta l4proto icmp accept",
    plan.filtersIcmp ? "icmpv6 type echo-request goto echo" : "meta l4proto ipv6-icmp accept",
    ...(plan.filtersIcmp ? ["meta l4proto { icmp, ipv6-icmp } accept"] : []),
    "tcp flags & (syn | ack | rst | fin) == syn goto lease",
    "meta l4proto tcp ct state established goto kept",
    "meta l4proto tcp counter drop",
    "goto lease",
  ];
}
