import type { Command, Stamp } from "../model/inputs.ts";
import { MusterError } from "../model/errors.ts";
import type { StepContext } from "./context.ts";
import { configureBatch } from "./database-commands.ts";
import { createGroup, deleteGroup, groupOffline, groupOnline, setGroup } from "./group-commands.ts";
import { createGroupSet, deleteGroupSet, setGroupSet } from "./group-set-commands.ts";
import { moveGroup } from "./move-commands.ts";
import { setNetwork } from "./network-commands.ts";
import { discoverNetworks } from "./network-discovery.ts";
import { addNode, evictNode, pauseNode, resumeNode, setCluster, shutDownNode } from "./node-commands.ts";
import { cancelMove } from "./queued-moves.ts";
import { createResource, deleteResource, dependResource, failByHand, registerType, resourceOffline, resourceOnline, setResource } from "./resource-commands.ts";
import { moveResource } from "./resource-move.ts";
import { createAffinityRule, deleteAffinityRule, setAffinityRule } from "./affinity-commands.ts";
import { createFaultDomain, deleteFaultDomain, setFaultDomain, setNode } from "./fault-domain-commands.ts";
import { clearQuarantine } from "./quarantine.ts";
import { coreRecord } from "./recording.ts";
import { setQuorum } from "./quorum-commands.ts";
import type { ClusterState } from "./state.ts";

/**
 * What follows from a command at run time. It may refuse by throwing, if its command wrote
 * nothing durable. Returns a remark for the one who asked, or null.
 */
export type Reaction = (context: StepContext) => string | null;

/** What the configure phase may use: durable tables (the others refuse) and the stamp, which is part of the log. */
export interface Configuring {
  readonly state: ClusterState;
  readonly stamp: Stamp;
}

/**
 * First half of a command: checks it against the configuration and changes that, and that alone.
 * @throws MusterError when the command is refused; then nothing was changed
 */
export function configure(configuring: Configuring, command: Command): Reaction {
  switch (command.verb) {
    case "group.create":
      return createGroup(configuring, command);
    case "group.delete":
      return deleteGroup(configuring, command);
    case "group.set":
      return setGroup(configuring, command);
    case "group.online":
      return groupOnline(configuring, command);
    case "group.offline":
      return groupOffline(configuring, command);
    case "group.move":
      return moveGroup(configuring, command);
    case "group.cancel":
      return cancelMove(configuring, command);
    case "groupset.create":
      return createGroupSet(configuring, command);
    case "groupset.delete":
      return deleteGroupSet(configuring, command);
    case "groupset.set":
      return setGroupSet(configuring, command);
    case "resource.create":
      return createResource(configuring, command);
    case "resource.move":
      return moveResource(configuring, command);
    case "resource.delete":
      return deleteResource(configuring, command);
    case "resource.set":
      return setResource(configuring, command);
    case "resource.depend":
      return dependResource(configuring, command);
    case "resource.online":
      return resourceOnline(configuring, command);
    case "resource.offline":
      return resourceOffline(configuring, command);
    case "resource.fail":
      return failByHand(configuring, command);
    case "node.pause":
      return pauseNode(configuring, command);
    case "node.resume":
      return resumeNode(configuring, command);
    case "node.shutdown":
      return shutDownNode(configuring, command);
    case "node.set":
      return setNode(configuring, command);
    case "node.clearQuarantine":
      return clearQuarantine(configuring, command);
    case "affinity.create":
      return createAffinityRule(configuring, command);
    case "affinity.delete":
      return deleteAffinityRule(configuring, command);
    case "affinity.set":
      return setAffinityRule(configuring, command);
    case "faultdomain.create":
      return createFaultDomain(configuring, command);
    case "faultdomain.delete":
      return deleteFaultDomain(configuring, command);
    case "faultdomain.set":
      return setFaultDomain(configuring, command);
    case "network.discover":
      return discoverNetworks(configuring, command);
    case "network.set":
      return setNetwork(configuring, command);
    case "core.record":
      return coreRecord(configuring, command);
    case "node.add":
      return addNode(configuring, command);
    case "node.evict":
      return evictNode(configuring, command);
    case "cluster.set":
      return setCluster(configuring, command);
    case "type.register":
      return registerType(configuring, command);
    case "database.batch":
      return configureBatch(configuring, command);
    case "quorum.set":
      return setQuorum(configuring, command);
    default:
      throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "verb", problem: `'${String((command as { verb?: unknown }).verb)}' is not a command` });
  }
}

export type CommandOf<Verb extends Command["verb"]> = Extract<Command, { readonly verb: Verb }>;
