import type { Command as Program } from "commander";
import type { LeaseView } from "../../model/views.ts";
import { asking } from "../common.ts";
import type { CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, duration, json, list } from "../output.ts";

/** Why this node may serve now, and for how long. */
export function leaseCommands(program: Program): void {
  const lease = program.command("lease").description("what keeps an address from being served twice");
  asking(lease.command("show").description("the lease of the node that answers: its lengths, what is left, and the gate in the kernel")).action(async (options: CommonOptions) => {
    const view = await (await connect(options)).get<LeaseView>("/v1/lease");
    if (options.json) json(view);
    else data(leaseText(view));
  });
}

function leaseText(view: LeaseView): string {
  const lines = [
    `${view.node}: ${view.gate === null ? "it has no gate" : view.gate.open ? `its gate is open for another ${view.gate.leftMs} ms` : "its gate is closed"}${view.epoch === null ? "; it is in no view" : `, under view ${view.epoch}`}.`,
    `Token ${view.tokenMs} ms; lease L ${view.leaseMs} ms, a tick every P (${view.tickMs} ms) to 2 P; others wait H ${view.holdMs} ms after they last answered (kernel timers g ${view.granularityMs} ms in it). A silent node is missed after ${view.detectionMs} ms.`,
    `Processes without an address: permit ${view.permitMs} ms, others wait ${view.permitHoldMs} ms.`,
  ];
  if (view.waitingTokenMs !== view.tokenMs) lines.push(`The token changes: as long as somebody may still act by the other one, others are waited for by a token of ${view.waitingTokenMs} ms.`);
  if (view.margin !== null) lines.push(`When it was renewed there were left: at least ${Math.round(view.margin.minimumMs)} ms, mostly ${Math.round(view.margin.medianMs)} ms (last ${view.margin.renewals} renewals).`);
  if (view.evidenceAgeMs !== null) lines.push(`A quorum last answered a tick that was sent ${duration(view.evidenceAgeMs)} ago.`);
  if (view.reopened > 0) lines.push(`It ran out ${view.reopened} times since the service started, and was renewed later.`);
  if (view.repairs > 0) lines.push(`Somebody else changed the gate's tables ${view.repairs} times; each time they were made anew.`);
  if (view.gate !== null) lines.push(`Owns: ${list(view.gate.owned)}. Addresses behind gates: ${list(view.gate.clustered)}. Packets that did not pass: ${view.gate.droppedPackets}.`);
  for (const hold of view.holds) lines.push(`Waits for ${hold.node}: ${hold.leaseMs} ms for its addresses, ${hold.permitMs} ms for its processes.`);
  lines.push(view.realTime.priority === null ? `Real-time priority: none${view.realTime.problems.length === 0 ? "" : ` (${view.realTime.problems.join("; ")})`}.` : `Real-time priority: ${view.realTime.priority}.`);
  return lines.join("\n");
}
