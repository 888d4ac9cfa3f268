import type { Configuration, Holdings, NlbState } from "./convergence-state.ts";
import { DEFAULT_HOST_PART } from "./convergence-state.ts";
import { BUCKETS } from "./filter-contract.ts";
import type { NlbMap } from "./map.ts";
import type { PortRule } from "./parameters.ts";
import { keyOfText, partsOf } from "./parameters.ts";
import { coverSame } from "./validation.ts";

/** What a host holds, may keep, and has lost: parts of rules, by the text of the rule. */

const NOTHING: Holdings = new Map();

/** All that a map gives to a host. */
export function givenBy(map: NlbMap, configuration: Configuration, host: number): Holdings {
  const given = new Map<string, Uint8Array>();
  map.owners.forEach((owners, position) => given.set(configuration.ruleTexts[position]!, owners.map((owner) => (owner === host ? 1 : 0))));
  given.set(DEFAULT_HOST_PART, Uint8Array.of(map.defaultHost === host ? 1 : 0));
  return given;
}

/** What is in both. */
export function intersection(a: Holdings, b: Holdings): Holdings {
  return combine(a, b, (left, right) => left & right);
}

export function union(a: Holdings, b: Holdings): Holdings {
  return combine(a, b, (left, right) => left | right);
}

/** What is in `a` and not in `b`. */
export function difference(a: Holdings, b: Holdings): Holdings {
  return combine(a, b, (left, right) => left & (1 - right));
}

export function isNothing(holdings: Holdings): boolean {
  return [...holdings.values()].every((parts) => !parts.includes(1));
}

function combine(a: Holdings, b: Holdings, merge: (left: number, right: number) => number): Holdings {
  const merged = new Map<string, Uint8Array>();
  for (const rule of new Set([...a.keys(), ...b.keys()])) {
    const [left, right] = [a.get(rule), b.get(rule)];
    const parts = new Uint8Array((left ?? right)!.length);
    for (let part = 0; part < parts.length; part++) parts[part] = merge(left?.[part] ?? 0, right?.[part] ?? 0);
    merged.set(rule, parts);
  }
  return merged;
}

/**
 * What of the holdings means the same under other parameters. A rule that stays the same is
 * another one all the same when a rule that went before it is gone: then it covers more, and
 * hosts that still follow the old rules would answer the same clients.
 */
export function meaningTheSame(held: Holdings, from: Configuration, to: Configuration): Holdings {
  if (from.digest === to.digest) return held;
  const gone = from.cluster.rules.filter((_, position) => !to.ruleTexts.includes(from.ruleTexts[position]!));
  const kept = new Map<string, Uint8Array>();
  from.cluster.rules.forEach((rule, position) => {
    const text = from.ruleTexts[position]!;
    const parts = held.get(text);
    if (parts !== undefined && to.ruleTexts.includes(text) && !gone.some((other) => falls(other, rule))) kept.set(text, parts);
  });
  const isDefaultSame = gone.length === 0;
  const asDefault = held.get(DEFAULT_HOST_PART);
  if (isDefaultSame && asDefault !== undefined) kept.set(DEFAULT_HOST_PART, asDefault);
  return kept;
}

/**
 * Where connections may be open that came under other parameters: a rule that was changed, or is new, covers what another
 * one covered before, and those of a rule that is gone may be anybody's. All of it counts as lost recently, or they would
 * be dropped as certainly another host's.
 */
export function inheritedBy(state: NlbState, to: Configuration): Holdings {
  if (state.active?.digest === to.digest) return NOTHING;
  const had = [...union(state.held, state.recentlyLost)].filter(([, parts]) => parts.includes(1)).map(([text]) => text);
  if (had.length === 0) return NOTHING;
  const known = new Set([...had, ...(state.active?.ruleTexts ?? [])]);
  const isAnybodys = had.some((text) => text !== DEFAULT_HOST_PART && !to.ruleKeys.includes(keyOfText(text)));
  const inherited = new Map<string, Uint8Array>(isAnybodys ? [[DEFAULT_HOST_PART, Uint8Array.of(1)]] : []);
  to.cluster.rules.forEach((rule, position) => {
    const text = to.ruleTexts[position]!;
    if (isAnybodys || !known.has(text)) inherited.set(text, new Uint8Array(partsOf(rule, BUCKETS)).fill(1));
  });
  return inherited;
}

/** Packets of the first rule would be covered by the second if the first were gone. */
function falls(first: PortRule, second: PortRule): boolean {
  return (second.virtualAddress === null || second.virtualAddress === first.virtualAddress) && coverSame(first, second);
}

/**
 * What a host keeps when it adopts a map: what it holds and is given again, and only if the map
 * goes on from its own. On other ground it may hold what somebody else was given meanwhile.
 */
export function keptUnder(state: NlbState, map: NlbMap, configuration: Configuration): Holdings {
  if (state.map === null || state.active === null || state.map.id.hash !== map.predecessor) return NOTHING;
  // What is held still, although the map gives it to others, does not count any more.
  const held = state.releasing?.kept ?? state.held;
  return intersection(meaningTheSame(held, state.active, configuration), givenBy(map, configuration, state.self.host));
}
