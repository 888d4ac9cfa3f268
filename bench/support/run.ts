import type { LabHost } from "../../src/lab/lab.ts";

/** Runs a program in a host. @returns what it printed @throws Error with what it said when it failed */
export async function succeed(host: LabHost, argv: readonly string[], timeoutMs: number, input?: string): Promise<string> {
  const { code, signal, stdout, stderr } = await host.run(argv, { timeoutMs, input });
  if (code !== 0) throw new Error(`${host.name}$ ${argv.join(" ").slice(0, 200)}: ended with ${signal ?? code}: ${(stderr || stdout).trim().slice(-1_000)}`);
  return stdout;
}
