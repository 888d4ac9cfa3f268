import { describeGroups, describeNode } from "../core/index.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import { monotonicMs, sleepMs } from "../monitor/clock.ts";
import type { ServiceFacade } from "./facade.ts";

/** How long a node that is about to stop waits for the cluster to hear of it. */
const COMMAND_LIMIT_MS = 5_000;
const LOOK_MS = 50;
const MINUTE_MS = 60_000;
const EVICTED_LIMIT_MS = 20 * MINUTE_MS;

/**
 * Before the service of a node stops its roles leave, as DrainOnShutdown says, and its vote moves (reference 1.5). It
 * waits no longer than ShutdownTimeoutInMinutes, and not at all where there is nobody to go to.
 * @param hurried whether somebody insists meanwhile: then nothing is waited for any more
 */
export async function leaveInGoodOrder(service: ServiceFacade, hurried: () => boolean, log: (line: string) => void): Promise<void> {
  const { status, nodeName: node } = service;
  if (status.phase !== "active" || status.members.length < 2) return;
  try {
    await service.command({ verb: "node.shutdown", node }, COMMAND_LIMIT_MS);
    const minutes = numberPropertyOf(clusterProperties, service.state().tables.cluster.get("-")?.properties ?? {}, "ShutdownTimeoutInMinutes");
    const deadlineMs = monotonicMs() + minutes * MINUTE_MS;
    while (!hurried() && !describeNode(service.state(), node).mayStop) {
      if (monotonicMs() > deadlineMs) return log(`stops although its roles have not left within ${minutes} min (ShutdownTimeoutInMinutes)`);
      await sleepMs(LOOK_MS);
    }
  } catch (error) {
    // Without a view there is nobody to leave to.
    log(`stops without leaving in good order: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Until a node that was evicted owns no role any more, or is in no view; no longer than a drain may take by default. */
export async function untilEmpty(service: ServiceFacade, hurried: () => boolean): Promise<void> {
  const deadlineMs = monotonicMs() + EVICTED_LIMIT_MS;
  try {
    while (!hurried() && monotonicMs() < deadlineMs && service.status.phase === "active" && describeGroups(service.state()).some((group) => group.ownerNode === service.nodeName)) await sleepMs(LOOK_MS);
  } catch {
    // It is between two lives: nothing of it runs.
  }
}
