import type { Effect, Input } from "../nlb/inputs.ts";

/**
 * Carries the effects of a step out in their order. When one fails, those that rest on it are left out: nothing more is
 * armed, sent or asked for, and a plan counts as refused by the kernel, so that it is tried again. Who asked is still
 * answered. The lease is closed where it should have been opened or closed: what it points at is not what the convergence
 * takes it for.
 * @param carryOut false = it failed
 * @returns what the convergence has to be told then
 */
export function carryOutStep(effects: readonly Effect[], carryOut: (effect: Effect) => boolean): Input[] {
  const refused: Input[] = [];
  let hasFailed = false;
  for (const effect of effects) {
    if (!hasFailed) hasFailed = !carryOut(effect);
    else if (effect.do === "program") refused.push({ kind: "filterDone", done: { number: effect.plan.number, problem: "an order before it failed" } });
    else if (effect.do === "answer" || effect.do === "event" || effect.do === "persist") carryOut(effect);
    else if (effect.do === "lease" && effect.order.do !== "arm") carryOut({ do: "lease", order: { do: "close" } });
  }
  return refused;
}
