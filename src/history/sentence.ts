import type { CoreInput } from "../model/inputs.ts";
import type { HistoryEntry } from "./contract.ts";

/** What came in, in a sentence; what followed from it is told by the events. */
export function sentenceOf(entry: HistoryEntry): string {
  const [first] = entry.decision.events;
  if (entry.input === "") return `${first?.text ?? "An input"} (It was too large to be kept.)`;
  const input = JSON.parse(entry.input) as CoreInput;
  switch (input.kind) {
    case "view":
      return `View ${entry.stamp.epoch} became active with node ${input.members.map((member) => member.node).join(", ")}.`;
    case "command":
      if (input.command.verb === "core.record") return "The configuration remembers where roles ran, and quarantines.";
      return entry.decision.refusal === null ? (first?.text ?? `${input.command.verb} was carried out.`) : `${input.command.verb} was refused: ${entry.decision.refusal}.`;
    case "report":
      return first?.text ?? `Node ${input.from.node} says that ${input.resource} is ${input.state}.`;
    case "inventory":
      return first?.text ?? `Node ${input.from.node} says that it runs ${input.resources.length === 0 ? "nothing" : `${input.resources.length} resources`}.`;
    case "due":
      return first?.text ?? "A deadline passed.";
    case "weights":
      return first?.text ?? `The votes were written down: ${input.weights.votes.filter((vote) => vote.votes > 0).map((vote) => `node ${vote.node}`).join(", ")}${(input.weights.witness?.votes ?? 0) > 0 ? " and the witness" : ""}.`;
    case "witness":
      return first?.text ?? `Node ${input.from.node} says that the witness ${input.state === "online" ? "works" : `does not work: ${input.reason}`}.`;
    case "connectivity":
      return first?.text ?? `Node ${input.from.node} tells its adapters and whom it hears through them.`;
    case "released":
      return first?.text ?? `Node ${input.released.node} has ended what a former life of it ran.`;
    default:
      return first?.text ?? "Something came in.";
  }
}
