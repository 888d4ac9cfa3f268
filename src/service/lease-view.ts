import type { LeaseStatus } from "../leasing/host.ts";
import type { LeaseView } from "../model/views.ts";

export function leaseView(node: string, status: LeaseStatus, nameOf: (id: number) => string): LeaseView {
  const { parameters, figures, gate, terms, realTime, holds } = status;
  const { tokenMs, leaseMs, tickMs, granularityMs, holdMs, permitMs, permitHoldMs, detectionMs, waitingTokenMs } = parameters;
  return {
    node,
    tokenMs,
    waitingTokenMs,
    leaseMs,
    tickMs,
    granularityMs,
    holdMs,
    permitMs,
    permitHoldMs,
    detectionMs,
    gate: gate === null ? null : { open: gate.isOpen, leftMs: gate.pointed === null ? 0 : (gate.slotsMs[gate.pointed] ?? 0), owned: gate.owned, clustered: gate.clustered, droppedPackets: gate.droppedPackets + gate.droppedArp },
    margin: figures.margin,
    evidenceAgeMs: figures.evidenceAgeMs,
    epoch: terms?.epoch ?? null,
    confirmed: figures.confirmed,
    reopened: figures.reopened,
    repairs: figures.repairs,
    realTime: { priority: realTime?.priority ?? null, problems: realTime?.problems ?? [] },
    holds: holds.map((hold) => ({ node: nameOf(hold.node), leaseMs: Math.ceil(hold.leaseMs), permitMs: Math.ceil(hold.permitMs) })),
  };
}
