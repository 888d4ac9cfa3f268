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
      return entry.decision.refusal === null ? (first?.text ?? `${input.command.verb}.`) : `${input.command.verb} was refused: ${entry.decision.refusal}.`;
    case "report":
      return first?.text ?? `Node ${input.from.node} says that ${input.resource} is ${input.state}.`;
    case "inventory":
      return first?.text ?? `Node ${input.from.node} says that it runs ${input.resources.length === 0 ? "nothing" : `${input.resources.length} resources`}.`;
    case "due":
      return first?.text ?? "A deadline passed.";
    default:
      return first?.text ?? `${input.kind}.`;
  }
}
