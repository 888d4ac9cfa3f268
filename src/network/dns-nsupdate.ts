import { spawn } from "node:child_process";
import { MusterError } from "../model/errors.ts";
import type { ServerName } from "./dns-text.ts";
import { readOutcome } from "./dns-update.ts";
import type { Outcome } from "./dns-update.ts";

/** Runs nsupdate, which signs updates (RFC 8945). The key is only ever named by its file; the script goes through a pipe. */

const PROGRAM = "nsupdate";
/** For the whole update, over UDP with one repetition, then over TCP where that is needed. */
const UPDATE_LIMIT_S = 4;
const DATAGRAM_LIMIT_S = 2;
const REPETITIONS = 1;
/** nsupdate keeps its own limit; this one is for a program that hangs. */
const KILL_AFTER_MS = 6_000;
const OUTPUT_BYTES_MAX = 64 * 1024;

/**
 * @param keyFile absolute path
 * @throws MusterError MUSTER_PROGRAM_MISSING; an Error when `signal` was aborted
 */
export function runUpdate(server: ServerName, script: string, keyFile: string, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error("the update was given up"));
    const words = ["-k", keyFile, "-t", String(UPDATE_LIMIT_S), "-u", String(DATAGRAM_LIMIT_S), "-r", String(REPETITIONS)];
    // Its messages are compared, so they must not be translated.
    const child = spawn(PROGRAM, words, { stdio: ["pipe", "ignore", "pipe"], env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" } });
    let errors = "";
    const kill = (): void => void child.kill("SIGKILL");
    const timer = setTimeout(kill, KILL_AFTER_MS);
    signal.addEventListener("abort", kill, { once: true });
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", kill);
    };
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      if (errors.length < OUTPUT_BYTES_MAX) errors += text;
    });
    // One that ends at once because of its key file does not read its script.
    child.stdin.on("error", () => undefined);
    child.stdin.end(script);
    child.once("error", (error: NodeJS.ErrnoException) => {
      finish();
      reject(error.code === "ENOENT" ? new MusterError("MUSTER_PROGRAM_MISSING", { program: PROGRAM, package: "bind9-dnsutils" }) : error);
    });
    child.once("close", (code) => {
      finish();
      if (signal.aborted) reject(new Error("the update was given up"));
      else resolve(readOutcome(code, errors, server));
    });
  });
}
