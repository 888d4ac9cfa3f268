import type { LeaseProgram, LeaseStep } from "../lease/steps.ts";

/** Runs a program of the lease to its end: each step is carried out before the next one is asked for. */
export function runProgram<Result>(program: LeaseProgram<Result>, perform: (step: LeaseStep) => number): Result {
  let answer = 0;
  for (;;) {
    const next = program.next(answer);
    if (next.done) return next.value;
    answer = perform(next.value);
  }
}
