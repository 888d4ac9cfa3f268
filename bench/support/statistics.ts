/** Medians and spreads. Pure. */

export interface Spread {
  readonly count: number;
  readonly min: number;
  readonly quarter: number;
  readonly median: number;
  readonly threeQuarters: number;
  readonly max: number;
}

/** Of at least one value; a quantile between two values is interpolated. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { count: sorted.length, min: quantile(sorted, 0), quarter: quantile(sorted, 0.25), median: quantile(sorted, 0.5), threeQuarters: quantile(sorted, 0.75), max: quantile(sorted, 1) };
}

export function quantile(sorted: readonly number[], part: number): number {
  const place = part * (sorted.length - 1);
  const below = sorted[Math.floor(place)]!;
  return below + (sorted[Math.ceil(place)]! - below) * (place - Math.floor(place));
}
