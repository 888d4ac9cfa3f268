import type { LabHost } from "../../src/lab/lab.ts";
import { ADDRESS, PORT } from "./role.ts";

const LIMIT_MS = 10_000;
/** In the host, without a program that would take long to start. */
const SCRIPT = `exec 3<>/dev/tcp/${ADDRESS}/${PORT} || exit 1; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;

/**
 * True when a host answers at the role's address by itself. It is asked from inside, so a host that is cut off can be
 * asked, too; the address may still be on an adapter while nothing passes to it, and that does not count.
 */
export async function serves(host: LabHost): Promise<boolean> {
  if (!host.isOn) return false;
  const { stdout } = await host.run(["timeout", "1", "bash", "-c", SCRIPT], { timeoutMs: LIMIT_MS });
  return new RegExp(`^${host.name} \\d+$`, "m").test(stdout);
}
