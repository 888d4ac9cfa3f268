import { ErrorCatalogue } from "../model/errors.ts";
import { table } from "./output.ts";

const MEANINGS: Readonly<Record<number, string>> = {
  0: "it is done",
  1: "it was tried and failed, or something is not healthy (status --check)",
  2: "the command line or a value in it is wrong; nothing was changed",
  65: "what was asked contradicts what is there; nothing was changed",
  69: "a program that Muster uses is not installed",
  70: "a bug of ours",
  73: "somebody else has it: a directory or a node runs already",
  74: "a disk or a database cannot be used",
  75: "too busy now; try again",
  77: "not allowed",
  78: "the set-up does not fit: another version or another cluster",
  102: "no node answers",
  105: "there is no such thing",
  106: "no majority of the nodes; nothing was changed",
  113: "the cluster is not in the state for it; nothing was changed",
  124: "no answer in time; it may still take effect",
  127: "the program was not found",
};

/** Every exit code with the errors that end in it; the table in docs/reference.md is made from it. */
export function exitCodes(): readonly { readonly exitCode: number; readonly meaning: string; readonly errors: readonly string[] }[] {
  const codes = new Map<number, string[]>(Object.keys(MEANINGS).map((code) => [Number(code), []]));
  for (const [name, { exitCode }] of Object.entries(ErrorCatalogue)) codes.set(exitCode, [...(codes.get(exitCode) ?? []), name]);
  return [...codes].sort((a, b) => a[0] - b[0]).map(([exitCode, errors]) => ({ exitCode, meaning: MEANINGS[exitCode] ?? "", errors }));
}

export function exitCodesText(): string {
  return table(["CODE", "MEANING"], exitCodes().map(({ exitCode, meaning, errors }) => [String(exitCode), [meaning, errors.join(", ")].filter((part) => part !== "").join(": ")]));
}
