import type { Lab } from "../../src/lab/lab.ts";
import { nowMs } from "../../test/lab/support/clock.ts";
import { pause, until } from "../support/wait.ts";
import type { Asker } from "./asker.ts";
import { inject } from "./contender.ts";
import type { Contender, FaultName } from "./contender.ts";
import { serves } from "./serves.ts";
import { outageMs } from "./outage.ts";

export interface TrialResult {
  readonly outageMs: number;
  /** Hosts that serve the address, for themselves and those near them, a second after the client was served again. */
  readonly holders: number;
  /** False when the service was lost and the role stayed where it was. */
  readonly hasMoved: boolean;
}

const WHOLE_LIMIT_MS = 120_000;
const SERVED_LIMIT_MS = 60_000;
/** A crashed service that nobody misses within this time is not missed. */
const CRASH_WATCH_MS = 12_000;
const AFTERWARDS_MS = 1_000;
/** Trials begin at no fixed place between two heartbeats, advertisements or monitors. */
const SETTLE_MS_MIN = 1_000;
const SETTLE_MS_MAX = 2_500;
const LOOK_MS = 200;

/** One fault from a whole cluster to what the client sees of it. @throws Error when the role is not served again */
export async function trial(lab: Lab, contender: Contender, asker: Asker, fault: FaultName): Promise<TrialResult> {
  await until("the cluster is whole", WHOLE_LIMIT_MS, () => contender.isWhole(), LOOK_MS);
  await pause(SETTLE_MS_MIN + Math.random() * (SETTLE_MS_MAX - SETTLE_MS_MIN));
  asker.forget();
  const before = await asker.current();
  const target = lab.hosts.map(({ name }) => name).find((name) => name !== before.node)!;
  const fromMs = nowMs();
  await inject(lab, contender, fault, before.node, target);
  const elsewhere = asker.first(fromMs, fault === "service crashed" ? CRASH_WATCH_MS : SERVED_LIMIT_MS, (reply) => (fault === "program crashed" ? reply.node !== before.node || reply.processId !== before.processId : reply.node !== before.node));
  const hasMoved = await elsewhere.then(
    () => true,
    (error: unknown) => {
      if (fault !== "service crashed") throw error;
      return false;
    },
  );
  await pause(AFTERWARDS_MS);
  const holders = (await Promise.all(lab.hosts.map((host) => serves(host)))).filter(Boolean).length;
  const result = { outageMs: outageMs(asker.replies, fromMs, nowMs()), holders, hasMoved };
  await contender.mend(fault, before.node);
  return result;
}
