import { ErrorCatalogue } from "../model/errors.ts";
import { table } from "./output.ts";

const MEANINGS: Readonly<Record<number, string>> = {
  0: "it is done",
  1: "it was tried and failed, or something is not healthy (status --check)",
  2: "the command line or a value in it is wrong; nothing was changed",
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
