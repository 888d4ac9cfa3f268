import koffi from "koffi";

/** What the bindings of corosync's libraries share. Loaded in threads and children of their own only. */

/** Results of corosync's libraries (corotypes.h); only those that are told apart. */
export const Result = { ok: 1, library: 2, tryAgain: 6, badHandle: 9, access: 11, notExist: 12, exist: 14 } as const;

const NAMES: Readonly<Record<number, string>> = {
  1: "OK", 2: "LIBRARY", 3: "VERSION", 4: "INIT", 5: "TIMEOUT", 6: "TRY_AGAIN", 7: "INVALID_PARAM", 8: "NO_MEMORY",
  9: "BAD_HANDLE", 10: "BUSY", 11: "ACCESS", 12: "NOT_EXIST", 13: "NAME_TOO_LONG", 14: "EXIST", 15: "NO_SPACE",
  16: "INTERRUPT", 17: "NAME_NOT_FOUND", 18: "NO_RESOURCES", 19: "NOT_SUPPORTED", 20: "BAD_OPERATION",
  21: "FAILED_OPERATION", 22: "MESSAGE_ERROR", 23: "QUEUE_FULL", 24: "QUEUE_NOT_AVAILABLE", 25: "BAD_FLAGS",
  26: "TOO_BIG", 27: "NO_SECTIONS", 28: "CONTEXT_NOT_FOUND", 30: "TOO_MANY_GROUPS", 100: "SECURITY",
};

/** A call of corosync's libraries did not do what it was to do. */
export class CorosyncCallError extends Error {
  override readonly name = "CorosyncCallError";
  readonly result: number;

  constructor(call: string, result: number) {
    super(`${call}: CS_ERR_${NAMES[result] ?? result}`);
    this.result = result;
  }
}

/** @throws CorosyncCallError unless the call was carried out */
export function check(call: string, result: number): void {
  if (result !== Result.ok) throw new CorosyncCallError(call, result);
}

/** Numbers of 64 bits come as number or bigint and are handed back as they came. */
export type Handle = number | bigint;

export type Native = (...values: unknown[]) => unknown;

/** The functions of one library by name, from their C declarations. */
export function bind<Name extends string>(library: string, declarations: Readonly<Record<Name, string>>): Record<Name, Native> {
  const loaded = koffi.load(library);
  const found = Object.entries<string>(declarations).map(([name, declaration]): [string, Native] => [name, loaded.func(declaration)]);
  return Object.fromEntries(found) as Record<Name, Native>;
}

/**
 * A function that may be called from C: an exception that leaves it would end the process with SIGSEGV, so it is
 * thrown again outside.
 */
export function guarded<Values extends unknown[]>(callback: (...values: Values) => void): (...values: Values) => void {
  return (...values) => {
    try {
      callback(...values);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  };
}
