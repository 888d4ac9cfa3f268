import { CommanderError } from "commander";
import { MusterError } from "../model/errors.ts";
import { createProgram } from "./program.ts";

const USAGE_EXIT_CODE = 2;

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
