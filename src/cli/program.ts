import { Command as Program } from "commander";
import { version } from "../model/version.ts";
import { clusterCommands } from "./commands/cluster.ts";
import { databaseCommands } from "./commands/database.ts";
import { eventCommands } from "./commands/events.ts";
import { groupCommands } from "./commands/groups.ts";
import { hostCommands } from "./commands/host.ts";
import { historyCommands } from "./commands/history.ts";
import { groupSetCommands } from "./commands/group-sets.ts";
import { labCommands } from "./commands/lab.ts";
import { leaseCommands } from "./commands/lease.ts";
import { networkCommands } from "./commands/networks.ts";
import { nlbCommands } from "./commands/nlb/index.ts";
import { nodeCommands } from "./commands/nodes.ts";
import { placementCommands } from "./commands/placement.ts";
import { quorumCommands } from "./commands/quorum.ts";
import { resourceCommands } from "./commands/resources.ts";
import { statusCommands } from "./commands/status.ts";
import { tryCommands } from "./commands/try.ts";
import { witnessCommands } from "./commands/witness.ts";
import { exitCodesText } from "./exit-codes.ts";
import { data } from "./output.ts";

/** The muster command with all its verbs; nothing runs until it is given a command line. */
export function createProgram(): Program {
  const program = new Program("muster")
    .description("Keeps roles running on a cluster of Linux machines, and says why.")
    .version(version)
    .showHelpAfterError("(see: muster --help)")
    .exitOverride()
    .enablePositionalOptions();
  tryCommands(program);
  statusCommands(program);
  hostCommands(clusterCommands(program), nodeCommands(program), program);
  groupCommands(program);
  groupSetCommands(program);
  networkCommands(program);
  quorumCommands(program);
  witnessCommands(program);
  leaseCommands(program);
  resourceCommands(program);
  placementCommands(program);
  eventCommands(program);
  historyCommands(program);
  databaseCommands(program);
  nlbCommands(program);
  labCommands(program);
  program.command("exit-codes").description("what the exit codes mean").action(() => data(exitCodesText()));
  inheritSettings(program);
  return program;
}

function inheritSettings(program: Program): void {
  for (const command of program.commands) {
    command.copyInheritedSettings(program);
    inheritSettings(command);
  }
}
