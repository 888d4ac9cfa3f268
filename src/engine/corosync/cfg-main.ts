import { reloadConfiguration } from "./cfg.ts";

/** A process of its own, so that it can be ended when corosync does not answer. Says what went wrong, if something did. */
try {
  reloadConfiguration();
} catch (error) {
  process.stdout.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
