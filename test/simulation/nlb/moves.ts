import type { NlbMap } from "../../../src/nlb/map.ts";

/**
 * The rules of the assignment in other words: shares are as fair as buckets allow, and no more of
 * them move than have to.
 */
export function checkAdoption(map: NlbMap, before: NlbMap | null, rules: number): string | null {
  if (map.owners.length > Math.max(rules, 4)) return `${map.owners.length} rules`;
  for (const [rule, owners] of map.owners.entries()) {
    if (owners.length < 2) continue;
    const reports = map.reports[rule]!;
    // Only where all take part in full is it plain what is fair.
    const weights = reports.map((report) => (report.state === "enabled" && report.isHealthy ? (report.value === 255 ? 50 : report.value) * report.capacity : Number.NaN));
    if (weights.some(Number.isNaN) || weights.every((weight) => weight === 0)) continue;
    const counts = map.members.map(({ host }) => count(owners, host));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const isDraining = map.members.some(({ host }, place) => counts[place] === 0 && weights[place]! > 0 && host > 0 && (weights[place]! * owners.length) / total >= 1);
    if (isDraining) continue;
    for (const [place, weight] of weights.entries()) {
      const fair = (weight * owners.length) / total;
      if (Math.abs(counts[place]! - fair) >= 1) return `host ${map.members[place]!.host} has ${counts[place]} of ${owners.length} parts of rule ${rule}; fair are ${fair.toFixed(2)}`;
    }
    const old = before?.owners[rule];
    if (old === undefined || old.length !== owners.length || before!.parameters !== map.parameters) continue;
    const moved = owners.reduce((sum, owner, part) => sum + (owner === old[part] ? 0 : 1), 0);
    const gained = map.members.reduce((sum, { host }, place) => sum + Math.max(0, counts[place]! - count(old, host)), 0);
    if (moved !== gained) return `${moved} parts of rule ${rule} move; ${gained} are enough`;
  }
  return null;
}

function count(owners: Uint8Array, host: number): number {
  return owners.reduce((sum, owner) => sum + (owner === host ? 1 : 0), 0);
}
