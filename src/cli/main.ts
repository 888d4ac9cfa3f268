import { Command as Program, CommanderError } from "commander";
import { MusterError } from "../model/errors.ts";
import { version } from "../model/version.ts";
import { databaseCommands } from "./commands/database.ts";
import { eventCommands } from "./commands/events.ts";
import { groupCommands } from "./commands/groups.ts";
import { nodeCommands } from "./commands/nodes.ts";
import { resourceCommands } from "./commands/resources.ts";
import { statusCommands } from "./commands/status.ts";
import { tryCommands } from "./commands/try.ts";
import { exitCodesText } from "./exit-codes.ts";
import { data } from "./output.ts";

const USAGE_EXIT_CODE = 2;

/** The muster command. */
export function createProgram(): Program {
  const program = new Program("muster")
    .description("Keeps roles running on a cluster of Linux machines, and says why.")
    .version(version)
    .showHelpAfterError("(see: muster --help)")
    .exitOverride()
    .enablePositionalOptions();
  tryCommands(program);
  statusCommands(program);
  nodeCommands(program);
  groupCommands(program);
  resourceCommands(program);
  eventCommands(program);
  databaseCommands(program);
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

/** Runs the command line; every error ends in a sentence, what to do next and a documented exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  // A pager or `head` that has seen enough is not an error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  try {
    await createProgram().parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
      return;
    }
    const known = MusterError.from(error);
    if (argv.includes("--json")) process.stderr.write(`${JSON.stringify({ error: known.toBody() })}\n`);
    else process.stderr.write(`muster: ${known.message}\n${known.next}\n`);
    if (known.code === "MUSTER_INTERNAL" && process.env["MUSTER_DEBUG"] !== undefined) process.stderr.write(`${String((error as Error).stack)}\n`);
    process.exitCode = known.exitCode;
  }
}

await main(process.argv);
