import { existsSync, readFileSync } from "node:fs";
import { MusterError } from "../model/errors.ts";
import { bpf } from "./xdp-library.ts";
import { OBJECT_PATH } from "./xdp-program.ts";

/** Which engine filters, and why (reference: NLB data plane 9). */

export type FilterEngine = "auto" | "nftables" | "xdp";

export interface EngineFacts {
  readonly adapter: string;
  /** Virtual adapters tell a speed that means nothing. */
  readonly hasHardware: boolean;
  /** null = not known, as long as the link is down. */
  readonly speedMbit: number | null;
  /** Why no program of XDP can be loaded here; null = it can. */
  readonly problem: string | null;
}

export interface EngineChoice {
  readonly engine: "nftables" | "xdp";
  /** false = in the adapter's driver or not at all. */
  readonly mayRunInStack: boolean;
  /** For people. */
  readonly reason: string;
}

/** From here on, unwanted packets at full speed cost nftables more than a processor has. */
const FAST_MBIT = 10_000;

/** Pure. */
export function chooseEngine(wanted: FilterEngine, { adapter, hasHardware, speedMbit, problem }: EngineFacts): EngineChoice {
  const nftables = (reason: string): EngineChoice => ({ engine: "nftables", mayRunInStack: false, reason });
  if (wanted === "nftables") return nftables("as configured");
  if (wanted === "xdp") return problem === null ? { engine: "xdp", mayRunInStack: true, reason: "as configured" } : nftables(`XDP is configured, but ${problem}`);
  if (!hasHardware) return nftables(`${adapter} is a virtual adapter, where XDP saves little`);
  if (speedMbit === null || speedMbit < FAST_MBIT) return nftables(`${adapter} has ${speedMbit === null ? "an unknown speed" : `${speedMbit} Mbit/s`}; XDP pays from ${FAST_MBIT} Mbit/s on`);
  if (problem !== null) return nftables(`${adapter} is fast enough for XDP, but ${problem}`);
  return { engine: "xdp", mayRunInStack: false, reason: `${adapter} has ${speedMbit} Mbit/s` };
}

export function readFacts(adapter: string): EngineFacts {
  const place = `/sys/class/net/${adapter}`;
  return { adapter, hasHardware: existsSync(`${place}/device`), speedMbit: readSpeed(`${place}/speed`), problem: problemOf() };
}

function readSpeed(path: string): number | null {
  try {
    const speed = Number(readFileSync(path, "utf8"));
    return speed > 0 ? speed : null;
  } catch {
    return null;
  }
}

function problemOf(): string | null {
  if (!existsSync(OBJECT_PATH)) return `${OBJECT_PATH} is missing`;
  try {
    bpf();
    return null;
  } catch (error) {
    const { code, message } = MusterError.from(error);
    return code === "MUSTER_LIBRARY_MISSING" ? "libbpf.so.1 is missing (Debian: libbpf1)" : message;
  }
}
