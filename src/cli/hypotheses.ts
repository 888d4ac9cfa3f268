import { MusterError } from "../model/errors.ts";
import type { Command } from "../model/inputs.ts";
import type { PropertyBag } from "../model/objects.ts";
import { clusterProperties, groupProperties, nodeProperties, resourceProperties } from "../model/properties.ts";
import type { PropertyTable } from "../model/properties.ts";
import type { Hypothesis } from "../model/views.ts";
import { parsePairs } from "./properties.ts";

/** What may be assumed, in the words of the command line; several follow each other with "then". */
export const HYPOTHESES: readonly (readonly [string, string])[] = [
  ["node NODE down | up", "the node is lost, or is back"],
  ["nodes NODE,NODE… down", "all of them are lost at the same moment"],
  ["nodes NODE,NODE… cut", "the network is cut between them and all others"],
  ["witness lost | back", "the witness does not work any more, or works again"],
  ["resource RESOURCE fails", "the resource fails where it runs"],
  ["group GROUP online | offline", "somebody brings the role online, or takes it offline"],
  ["group GROUP move [NODE]", "somebody moves the role"],
  ["node NODE pause | drain | resume", "somebody pauses, drains or resumes the node"],
  ["set cluster | group GROUP | resource RESOURCE | node NODE NAME=VALUE…", "somebody changes properties"],
];

/** @throws MusterError naming the part that is not understood */
export function parseHypotheses(words: readonly string[]): Hypothesis[] {
  const steps: string[][] = [[]];
  for (const word of words) {
    if (word.toLowerCase() === "then") steps.push([]);
    else steps.at(-1)?.push(word);
  }
  return steps.map(parseHypothesis);
}

function parseHypothesis(words: readonly string[]): Hypothesis {
  const [object = "", name = "", what = "", ...rest] = words;
  if (object === "witness" && words.length === 2 && (name === "lost" || name === "back")) return { what: "witness", state: name };
  if (object === "set") return { what: "command", command: parseChange(words.slice(1), words) };
  if (rest.length === 0 || (object === "group" && what === "move" && rest.length === 1)) {
    const found = parseAboutOne(object, name, what, rest[0]);
    if (found !== null) return found;
  }
  throw notUnderstood(words);
}

function parseAboutOne(object: string, name: string, what: string, target: string | undefined): Hypothesis | null {
  const command = (given: Command): Hypothesis => ({ what: "command", command: given });
  if (name === "") return null;
  switch (`${object} ${what}`) {
    case "node down":
      return { what: "nodeDown", node: name };
    case "node up":
      return { what: "nodeUp", node: name };
    case "nodes down":
      return { what: "nodesDown", nodes: name.split(",") };
    case "nodes cut":
      return { what: "networkCut", nodes: name.split(",") };
    case "resource fails":
    case "resource fail":
      return { what: "resourceFails", resource: name };
    case "group online":
      return command({ verb: "group.online", group: name });
    case "group offline":
      return command({ verb: "group.offline", group: name });
    case "group move":
      return command(target === undefined ? { verb: "group.move", group: name } : { verb: "group.move", group: name, node: target });
    case "node pause":
      return command({ verb: "node.pause", node: name });
    case "node drain":
      return command({ verb: "node.pause", node: name, drain: true });
    case "node resume":
      return command({ verb: "node.resume", node: name });
    default:
      return null;
  }
}

function parseChange(words: readonly string[], all: readonly string[]): Command {
  const [object = "", name = "", ...pairs] = words;
  const bag = (table: PropertyTable, given: readonly string[]): PropertyBag => {
    if (given.length === 0) throw notUnderstood(all);
    return parsePairs([...given], table);
  };
  switch (object) {
    case "cluster":
      return { verb: "cluster.set", properties: bag(clusterProperties, words.slice(1)) };
    case "group":
      return { verb: "group.set", group: name, properties: bag(groupProperties, pairs) };
    case "resource":
      return { verb: "resource.set", resource: name, properties: bag(resourceProperties, pairs) };
    case "node":
      return { verb: "node.set", node: name, properties: bag(nodeProperties, pairs) };
    default:
      throw notUnderstood(all);
  }
}

function notUnderstood(words: readonly string[]): MusterError {
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field: "what-if", problem: `'${words.join(" ")}' is not understood; write ${HYPOTHESES.map(([form]) => form).join("; ")}` });
}
