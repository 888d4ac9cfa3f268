import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ResourceTypeRecord } from "../model/objects.ts";
import { clampTimerMs } from "./clock.ts";
import type { TypeProblem } from "./type-loader.ts";

export interface TypeDescriptions {
  /** Of the types in the directory; the built-in ones are in the model. */
  readonly records: readonly ResourceTypeRecord[];
  readonly problems: readonly TypeProblem[];
}

const LIMIT_MS = 30_000;

/**
 * What a service needs to make users' types known to the cluster. The modules are loaded in a process of
 * their own: a service never runs code it did not come with. Never rejects; what went wrong is a problem.
 */
export function describeResourceTypes(directory: string, limitMs = LIMIT_MS): Promise<TypeDescriptions> {
  const main = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./describe-types-main.ts" : "./describe-types-main.js", import.meta.url));
  return new Promise((resolve) => {
    const loader = fork(main, [directory], { execArgv: [], stdio: ["ignore", "ignore", "ignore", "ipc"] });
    let answer: TypeDescriptions = { records: [], problems: [{ file: directory, problem: "the process that loads the modules ended without an answer" }] };
    const timer = setTimeout(() => {
      answer = { records: [], problems: [{ file: directory, problem: `the modules were not loaded within ${limitMs} ms` }] };
      loader.kill("SIGKILL");
    }, clampTimerMs(limitMs));
    loader.on("message", (descriptions: TypeDescriptions) => {
      answer = descriptions;
      loader.kill("SIGKILL");
    });
    const finish = (): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    loader.on("error", finish);
    loader.on("exit", finish);
  });
}
