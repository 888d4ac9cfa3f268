import { parentPort, workerData } from "node:worker_threads";
import { MusterError } from "../model/errors.ts";
import { monotonicMs } from "../platform/clock.ts";
import { becomeRealTime } from "../platform/real-time.ts";
import { Balancer } from "./balancer.ts";
import type { BalancerOptions, FromBalancer, ToBalancer } from "./messages.ts";

/** The thread of a balancer. What it cannot go on from ends it; the kernel's lease runs out, and its host says why. */

const port = parentPort!;
const options = workerData as BalancerOptions;
const tell = (message: FromBalancer): void => port.postMessage(message);

try {
  if (options.realTimePriority !== null) for (const problem of becomeRealTime(options.realTimePriority).problems) tell({ kind: "log", line: `${problem}; on a busy machine its lease may run out for a moment` });
  const balancer = await Balancer.start(options, tell, monotonicMs);
  port.on("message", (message: ToBalancer) => balancer.handle(message));
} catch (error) {
  // The other side makes an error of it again.
  tell({ kind: "failed", error: MusterError.from(error).toBody() });
  port.close();
}
