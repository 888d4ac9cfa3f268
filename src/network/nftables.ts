import koffi from "koffi";
import { MusterError } from "../model/errors.ts";

/**
 * libnftables (reference: NLB data plane 3.4): what the program `nft` is made of, without starting
 * a process for each command. One call is one transaction of the kernel: all of it, or nothing.
 *
 * A call blocks its thread for as long as it takes (a fraction of a millisecond for a few
 * elements), and the library reads tables that others made as well: it is for worker threads and
 * short commands. One instance belongs to one thread.
 */

const LIBRARY = "libnftables.so.1";
const PACKAGE = "libnftables1 (Debian, with nftables)";
const NFT_CTX_DEFAULT = 0;
/** More than the longest set anybody lists here; a longer answer means that something is wrong. */
const PROBLEM_CHARACTERS_MAX = 2_000;

type Context = unknown;

interface Library {
  readonly create: (flags: number) => Context;
  readonly free: (context: Context) => void;
  readonly bufferOutput: (context: Context) => number;
  readonly bufferError: (context: Context) => number;
  readonly output: (context: Context) => string | null;
  readonly error: (context: Context) => string | null;
  readonly run: (context: Context, commands: string) => number;
}

let loaded: Library | null = null;

/** Loaded when it is first needed: the embedded engine does without. */
function library(): Library {
  if (loaded !== null) return loaded;
  try {
    const handle = koffi.load(LIBRARY);
    loaded = {
      create: handle.func("void *nft_ctx_new(uint32_t flags)") as Library["create"],
      free: handle.func("void nft_ctx_free(void *context)") as Library["free"],
      bufferOutput: handle.func("int nft_ctx_buffer_output(void *context)") as Library["bufferOutput"],
      bufferError: handle.func("int nft_ctx_buffer_error(void *context)") as Library["bufferError"],
      output: handle.func("const char *nft_ctx_get_output_buffer(void *context)") as Library["output"],
      error: handle.func("const char *nft_ctx_get_error_buffer(void *context)") as Library["error"],
      run: handle.func("int nft_run_cmd_from_buffer(void *context, const char *commands)") as Library["run"],
    };
    return loaded;
  } catch (error) {
    throw new MusterError("MUSTER_LIBRARY_MISSING", { library: LIBRARY, package: PACKAGE, problem: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
}

export class Nftables {
  readonly #library: Library;
  #context: Context | null;

  /** @throws MusterError MUSTER_LIBRARY_MISSING */
  constructor() {
    this.#library = library();
    const context = this.#library.create(NFT_CTX_DEFAULT);
    if (context === null || this.#library.bufferOutput(context) !== 0 || this.#library.bufferError(context) !== 0) throw new MusterError("MUSTER_PACKET_FILTER", { problem: "libnftables could not be set up" });
    this.#context = context;
  }

  /**
   * Carries out commands as `nft -f` reads them, all in one transaction.
   * @returns what they print
   * @throws MusterError with nft's own text: MUSTER_NEEDS_CAPABILITY, MUSTER_PACKET_FILTER
   */
  run(commands: string): string {
    if (this.#context === null) throw new MusterError("MUSTER_PACKET_FILTER", { problem: "this instance was closed" });
    const result = this.#library.run(this.#context, commands);
    // Both buffers are emptied by the next command, so they are read in any case.
    const output = this.#library.output(this.#context) ?? "";
    const problem = this.#library.error(this.#context) ?? "";
    if (result === 0) return output;
    if (problem.includes("Operation not permitted")) throw new MusterError("MUSTER_NEEDS_CAPABILITY", { what: "Setting up nftables", capability: "CAP_NET_ADMIN" });
    throw new MusterError("MUSTER_PACKET_FILTER", { problem: problem.trim().slice(0, PROBLEM_CHARACTERS_MAX) || `error ${result}` });
  }

  close(): void {
    if (this.#context !== null) this.#library.free(this.#context);
    this.#context = null;
  }
}
