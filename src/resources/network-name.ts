import { defineResourceType } from "../monitor/resource-type.ts";
import { builtIn } from "./built-in.ts";
import { NameRegistration } from "./network-name-registration.ts";
import { checkNameValues } from "./network-name-values.ts";

/** Two questions, a registration between them, and one that was under way. */
const CHECK_LIMIT_MS = 60_000;

/**
 * Network Name (reference 3.1, 3.3, 10.3): a name in DNS for the addresses it depends on, by dynamic updates that are
 * signed with a key of the administrator's. The records outlive the resource; the next owner takes them over.
 */
export const networkName = defineResourceType<NameRegistration>({
  ...builtIn("Network Name"),
  lockHolder: "monitor",

  validate: checkNameValues,
  isAliveLimitMs: () => CHECK_LIMIT_MS,

  open: (context) => new NameRegistration(context),
  online: (_context, registration) => registration.start(),
  offline: (_context, registration) => registration.end(),
  terminate: (_context, registration) => registration.stop(),
  looksAlive: (_context, registration) => registration.look(),
  isAlive: (_context, registration) => registration.check(),
  close: (_context, registration) => registration.stop(),
});
