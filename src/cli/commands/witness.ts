import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import type { Command as Program } from "commander";
import { MusterError } from "../../model/errors.ts";
import { data, talk } from "../output.ts";

interface ServeOptions {
  readonly listen: string;
  readonly directory: string;
}

const PORT_DEFAULT = 3345;

/** The witness daemon: run on a machine that is no node. */
export function witnessCommands(program: Program): void {
  const witness = program.command("witness").description("the witness daemon, on a machine that is no node");
  witness
    .command("serve")
    .description("keep the records of clusters that ask for a vote; ends with Ctrl-C or SIGTERM")
    .option("--listen <address>", "ADDRESS:PORT, or a port alone for all addresses", String(PORT_DEFAULT))
    .option("--directory <dir>", "where the records are kept", "/var/lib/muster-witness")
    .action(async (options: ServeOptions) => {
      const { serveWitness } = await import("../../host/witness.ts");
      const { server, fingerprint } = await serveWitness({ directory: options.directory, listen: parseListen(options.listen), log: (line) => talk(`${new Date().toISOString()} ${line}`) });
      const { port } = server.address() as AddressInfo;
      talk(`The witness daemon serves on port ${port} and keeps its records in ${options.directory}. On a node of each cluster:`);
      data(`muster quorum set daemon Address=${hostname()}:${port} Fingerprint=${fingerprint}`);
      await new Promise<void>((resolve) => {
        for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
      });
      server.close();
      server.closeAllConnections();
    });
}

function parseListen(text: string): { readonly host?: string; readonly port: number } {
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2] ?? Number.NaN);
  if (match === null || !(port >= 0 && port <= 65_535)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--listen", problem: "ADDRESS:PORT or a port" });
  return match[1] === undefined ? { port } : { host: match[1].replace(/^\[|\]$/g, ""), port };
}
