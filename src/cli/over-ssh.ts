import { spawnSync } from "node:child_process";
import type { Command as Program } from "commander";
import { MusterError } from "../model/errors.ts";
import { talk } from "./output.ts";

/** Machines that are told over ssh to join. */

export interface SshOptions {
  readonly sshOption?: readonly string[];
  readonly json?: boolean;
}

export interface JoinOverSsh {
  readonly host: string;
  /** Goes through ssh's input: nobody sees it in a list of processes. */
  readonly token: string;
  /** Of the muster command there; it reads the token from its standard input. */
  readonly words: readonly string[];
  /** For people: the command that the same is done with on the machine itself. */
  readonly byHand: string;
}

/** Letters of words that no shell does anything with. */
const PLAIN = /^[A-Za-z0-9_.:/@%+=,-]+$/;

export function reaching(command: Program): Program {
  return command.option("--ssh-option <option...>", "for ssh: NAME=VALUE");
}

/** What ssh is told. It hands what comes after the machine to a shell there, as one line. */
export function sshArguments(host: string, words: readonly string[], { sshOption = [], json }: SshOptions): string[] {
  const line = ["muster", ...words, ...(json === true ? ["--json"] : [])].map((word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  return [...sshOption.flatMap((option) => ["-o", option]), "--", host, ...line];
}

/** What the machine prints is printed here. @throws MusterError MUSTER_PROGRAM_MISSING, or that the machine did not join */
export function joinOverSsh({ host, token, words, byHand }: JoinOverSsh, options: SshOptions): void {
  talk(`Asking ${host} over ssh to join…`);
  const { status, error } = spawnSync("ssh", sshArguments(host, words, options), { input: `${token}\n`, stdio: ["pipe", "inherit", "inherit"] });
  // One that ends at once has not read its input; how it ended says more.
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== "EPIPE") throw new MusterError("MUSTER_PROGRAM_MISSING", { program: "ssh", package: "openssh-client" }, { cause: error });
  if (status !== 0) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "host", problem: `${host} did not join (ssh ended with ${status}); on the machine itself: ${byHand}` });
}
