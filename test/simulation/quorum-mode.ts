import type { WitnessKind } from "../../src/model/states.ts";
import { WitnessKinds } from "../../src/model/states.ts";
import { Random } from "./random.ts";

/** How the votes of a simulated cluster are set up; drawn from the seed. */
export interface QuorumMode {
  readonly nodes: number;
  /** What breaks a tie from the beginning; null = nothing, but an administrator may add it. */
  readonly witness: WitnessKind | null;
  readonly dynamicQuorum: boolean;
  readonly withoutWeight: readonly number[];
  readonly lowerQuorumPriorityNode: number;
  /** How long a node that was left out may still be serving, as the nodes tell; 0 = the machine proves more. */
  readonly holdMs: number;
}

const SIZES = [3, 4, 5, 2, 3, 4, 5, 2, 3, 7, 4, 5, 2, 3, 4, 6, 2, 3, 5, 9] as const;

export function quorumModeOf(seed: number): QuorumMode {
  const random = new Random(seed ^ 0x51ed270b);
  const nodes = SIZES[seed % SIZES.length]!;
  const witness = random.chance(0.55) ? random.pick(WitnessKinds) : null;
  const dynamicQuorum = random.chance(0.75);
  const withoutWeight = nodes > 2 && random.chance(0.2) ? [random.integer(1, nodes)] : [];
  return { nodes, witness, dynamicQuorum, withoutWeight, lowerQuorumPriorityNode: random.chance(0.2) ? random.integer(1, nodes) : 0, holdMs: random.pick([0, 0, 700]) };
}
