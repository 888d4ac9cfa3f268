import { createInterface } from "node:readline";
import { CorosyncDaemon } from "../../../../src/engine/corosync/daemon.ts";
import type { CorosyncDaemonOptions } from "../../../../src/engine/corosync/daemon.ts";
import { MusterError } from "../../../../src/model/errors.ts";

/** A process with nothing but the supervisor of corosync, driven by lines of JSON (process.ts). */

export interface SupervisorSettings extends Omit<CorosyncDaemonOptions, "key" | "onState" | "onNotice"> {
  /** Hexadecimal. */
  readonly key: string;
}

const { key, ...settings } = JSON.parse(process.argv[2] ?? "{}") as SupervisorSettings;

function tell(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ at: Number(process.hrtime.bigint()) / 1e6, ...event })}\n`);
}

const daemon = new CorosyncDaemon({
  ...settings,
  key: Buffer.from(key, "hex"),
  onState: ({ state, reason }) => tell({ event: "state", state, reason, pid: daemon.pid }),
  onNotice: (text) => tell({ event: "notice", text }),
});

const commands: Record<string, (command: Record<string, unknown>) => void> = {
  apply: ({ configuration }) => {
    daemon.apply(String(configuration)).then(
      () => tell({ event: "applied" }),
      (error: unknown) => tell({ event: "notApplied", code: error instanceof MusterError ? error.code : null, message: error instanceof Error ? error.message : String(error) }),
    );
  },
  stop: () => {
    void daemon.stop().then(() => {
      tell({ event: "stopped" });
      lines.close();
      process.stdin.destroy();
    });
  },
};

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line) as { do: string };
  commands[command.do]?.(command);
});
// The test that started this process is gone.
process.stdin.on("end", () => process.exit(1));

daemon.start();
