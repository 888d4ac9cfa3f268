import type { FilterPlan, FilterRule } from "../nlb/filter-contract.ts";

/** How a packet for a virtual address finds its rule: a rule of that very address comes before one of all. */
export interface Dispatch {
  readonly name: string;
  readonly plan: FilterPlan;
  readonly numberOf: (key: string) => number;
  /** The chain a rule's packets go to. */
  readonly target: (number: number, rule: FilterRule) => string;
  /** The statement for what no rule covers. */
  readonly otherwise: string;
}

const PROTOCOLS = ["tcp", "udp"] as const;

/** Chain by chain; the first one is asked. */
export function dispatchChains(family: "inet" | "netdev", dispatch: Dispatch): Map<string, readonly string[]> {
  const { name, plan, otherwise } = dispatch;
  const chains = new Map<string, readonly string[]>();
  const own = plan.virtualAddresses.filter(({ address }) => plan.rules.some((rule) => rule.virtualAddress === address));
  chains.set(`${family} ${name}_all`, [...portLines(dispatch, null), otherwise]);
  own.forEach(({ address }, position) => chains.set(`${family} ${name}_of_${position}`, [...portLines(dispatch, address), `goto ${name}_all`]));
  chains.set(`${family} ${name}`, [...own.map(({ address, family: version }, position) => `${version === 4 ? "ip" : "ip6"} daddr ${address} goto ${name}_of_${position}`), `goto ${name}_all`]);
  return chains;
}

function portLines({ plan, numberOf, target }: Dispatch, virtualAddress: string | null): string[] {
  return PROTOCOLS.flatMap((protocol) => {
    const rules = plan.rules.filter((rule) => rule.virtualAddress === virtualAddress && (rule.protocol === "both" || rule.protocol === protocol));
    const elements = rules.map((rule) => `${rule.startPort === rule.endPort ? rule.startPort : `${rule.startPort}-${rule.endPort}`} : goto ${target(numberOf(rule.key), rule)}`);
    return elements.length === 0 ? [] : [`meta l4proto ${protocol} th dport vmap { ${elements.join(", ")} }`];
  });
}

/** The virtual addresses of each family that has any. */
export function familiesOf(plan: FilterPlan): { readonly header: "ip" | "ip6"; readonly addresses: readonly string[] }[] {
  return ([4, 6] as const)
    .map((version) => ({ header: version === 4 ? ("ip" as const) : ("ip6" as const), addresses: plan.virtualAddresses.filter(({ family }) => family === version).map(({ address }) => address) }))
    .filter(({ addresses }) => addresses.length > 0);
}
