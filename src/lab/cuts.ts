import { findAddresses, findHost } from "./plan.ts";
import type { HostPlan } from "./plan.ts";
import { invalid } from "./errors.ts";

/** Cuts as rules of the switch, worked out without touching it. Pure. */

export interface CutOptions {
  /** One network; all of the host's when left out. */
  readonly network?: string;
  /** Only what goes between the host and this one. */
  readonly from?: string;
  /** As seen from the host: what it receives (`in`), what it sends (`out`), or both. */
  readonly direction?: "both" | "in" | "out";
}

/** Frames of one network from one host to another that the switch drops; null = any host. */
export interface Drop {
  readonly network: string;
  readonly sender: string | null;
  readonly receiver: string | null;
}

/** What must be dropped for a cut. @throws MusterError for a host or network that does not exist */
export function dropsOf(hosts: readonly HostPlan[], name: string, options: CutOptions): readonly Drop[] {
  const host = findHost(hosts, name);
  const { from = null, direction = "both" } = options;
  if (from === name) throw invalid("--from", "a host cannot be cut off from itself");
  const other = from === null ? null : findHost(hosts, from);
  const networks = findAddresses(host, options.network)
    .map((address) => address.network)
    .filter((network) => other === null || other.addresses.some((address) => address.network === network));
  if (networks.length === 0) throw invalid("--network", `'${name}' and '${from}' do not meet there`);
  return networks.flatMap((network) => [
    ...(direction === "in" ? [] : [{ network, sender: name, receiver: from }]),
    ...(direction === "out" ? [] : [{ network, sender: from, receiver: name }]),
  ]);
}

/**
 * True when healing ends this drop: with a host alone, every drop that names it; with `from` or a direction, only
 * those that a cut with the same words makes.
 */
export function isHealed(drop: Drop, name: string | null, options: CutOptions): boolean {
  if (options.network !== undefined && drop.network !== options.network) return false;
  if (name === null) return true;
  const { from, direction = "both" } = options;
  const out = drop.sender === name && (from === undefined || drop.receiver === from);
  const into = drop.receiver === name && (from === undefined || drop.sender === from);
  return (direction !== "in" && out) || (direction !== "out" && into);
}

/** The rule that carries out a drop, without its chain. @throws MusterError for a host that does not exist */
export function dropRule(hosts: readonly HostPlan[], drop: Drop, lossPercent: number | null): string {
  const port = (name: string): string => findAddresses(findHost(hosts, name), drop.network)[0]!.port;
  const parts = [
    ...(drop.sender === null ? [] : [`iifname "${port(drop.sender)}"`]),
    ...(drop.receiver === null ? [] : [`oifname "${port(drop.receiver)}"`]),
    // The kernel refuses a comparison that is always true.
    ...(lossPercent === null || lossPercent >= 100 ? [] : [`numgen random mod ${LOSS_PARTS} < ${Math.round((lossPercent / 100) * LOSS_PARTS)}`]),
  ];
  return `${parts.join(" ")} drop comment "${lossPercent === null ? "cut" : "loss"} ${drop.network} ${drop.sender ?? "*"} ${drop.receiver ?? "*"}"`;
}

const LOSS_PARTS = 1_000_000;

export interface Rule {
  readonly kind: "cut" | "loss";
  readonly drop: Drop;
  readonly handle: number;
}

/** Reads the rules back from `nft --json list chain`; rules of somebody else are left alone. */
export function readRules(text: string): readonly Rule[] {
  const listing = JSON.parse(text) as { readonly nftables: readonly { readonly rule?: { readonly handle: number; readonly comment?: string } }[] };
  return listing.nftables.flatMap(({ rule }) => {
    const [kind, network, sender, receiver] = rule?.comment?.split(" ") ?? [];
    if (rule === undefined || (kind !== "cut" && kind !== "loss") || network === undefined || sender === undefined || receiver === undefined) return [];
    return [{ kind, handle: rule.handle, drop: { network, sender: sender === "*" ? null : sender, receiver: receiver === "*" ? null : receiver } }];
  });
}
