import { MusterError } from "../model/errors.ts";
import type { Mismatch } from "./consistency.ts";
import type { HostId } from "./parameters.ts";
import { ReturnCode } from "./states.ts";

/** Return codes as errors, for those who ask by other ways than Windows'. */

/** @returns null when the command was carried out, or had been before; `rule` is what the command named */
export function refusalOf(code: number, host: HostId, rule: { readonly address: string; readonly port: number } | null): MusterError | null {
  switch (code) {
    case ReturnCode.stopped:
      return new MusterError("MUSTER_NLB_STOPPED", { host });
    case ReturnCode.suspended:
      return new MusterError("MUSTER_NLB_SUSPENDED", { host });
    case ReturnCode.draining:
      return new MusterError("MUSTER_NLB_DRAINING", { host });
    case ReturnCode.notFound:
      return new MusterError("MUSTER_NLB_RULE_NOT_FOUND", { field: "rule", address: rule?.address ?? "all", port: rule?.port ?? "all" });
    default:
      return null;
  }
}

/** The first of the differences between this host's parameters and another's. */
export function mismatchError(mismatch: Mismatch, host: HostId): MusterError {
  return new MusterError("MUSTER_NLB_PARAMETERS_DIFFER", { ...mismatch, host });
}
