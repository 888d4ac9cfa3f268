import type { RuleReport } from "../nlb/assignment.ts";
import type { Digest } from "../nlb/consistency.ts";
import { step } from "../nlb/convergence.ts";
import type { NlbState } from "../nlb/convergence-state.ts";
import { isRunning, ownReports } from "../nlb/convergence-state.ts";
import type { Command } from "../nlb/inputs.ts";
import type { HostLife } from "../nlb/map.ts";

/** What a host would answer to a command, and what it would be afterwards. Plain data. */
export interface Trial extends HostLife {
  /** A return code of Windows' tools. */
  readonly code: number;
  readonly wasRunning: boolean;
  /** Started, or draining, with a link: it takes part when nothing else speaks against it. */
  readonly isRunning: boolean;
  readonly isDraining: boolean;
  /** Of its parameters. */
  readonly wanted: Digest;
  /** What it would say of each rule of these, in canonical order. */
  readonly reports: readonly RuleReport[];
}

/** Carries a command out on a copy: the answer is the one that the command would get now. */
export function tryCommand(state: NlbState, command: Command, nowMs: number): Trial {
  const copy = structuredClone(state);
  const effects = step(copy, { kind: "command", request: 0, command }, nowMs);
  const answer = effects.find((effect) => effect.do === "answer");
  return { ...copy.self, code: answer!.code, wasRunning: isRunning(state) && state.isLinkUp, isRunning: isRunning(copy) && copy.isLinkUp, isDraining: copy.mode === "draining", wanted: copy.wanted.digest, reports: ownReports(copy) };
}
