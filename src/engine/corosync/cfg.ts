import { bind, check } from "./native.ts";
import type { Handle } from "./native.ts";

/** corosync's configuration service: libcfg, as far as it is needed. */

const library = bind("libcfg.so.7", {
  initialize: "int corosync_cfg_initialize(_Out_ uint64_t *handle, const void *callbacks)",
  reload: "int corosync_cfg_reload_config(uint64_t handle)",
  finalize: "int corosync_cfg_finalize(uint64_t handle)",
});

/**
 * Makes every corosync of the cluster read its own configuration file again. Waits for corosync's answer, for as long
 * as it takes.
 * @throws CorosyncCallError when there is no corosync or it does not accept the file
 */
export function reloadConfiguration(): void {
  const handle: Handle[] = [0n];
  // One pointer: no callback.
  check("corosync_cfg_initialize", library.initialize(handle, Buffer.alloc(8)) as number);
  try {
    check("corosync_cfg_reload_config", library.reload(handle[0]) as number);
  } finally {
    library.finalize(handle[0]);
  }
}
