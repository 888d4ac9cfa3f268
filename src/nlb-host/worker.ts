import { parentPort, workerData } from "node:worker_threads";
import { MusterError } from "../model/errors.ts";
import { Balancer } from "./balancer.ts";
import type { BalancerOptions, FromBalancer, ToBalancer } from "./messages.ts";

/** The thread of a balancer. What it cannot go on from ends it; the kernel's lease runs out, and its host says why. */

/** CLOCK_MONOTONIC in milliseconds, with a fraction. */
const nowMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;
const port = parentPort!;

try {
  const balancer = await Balancer.start(workerData as BalancerOptions, (message: FromBalancer) => port.postMessage(message), nowMs);
  port.on("message", (message: ToBalancer) => balancer.handle(message));
} catch (error) {
  // The other side makes an error of it again.
  port.postMessage({ kind: "failed", error: MusterError.from(error).toBody() });
  port.close();
}
