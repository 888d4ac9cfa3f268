import { isIPv6 } from "node:net";
import { MusterError } from "../model/errors.ts";
import type { ResourceContext } from "../monitor/resource-type.ts";
import { defineResourceType } from "../monitor/resource-type.ts";
import { normalizeAddress } from "../network/address-text.ts";
import { builtIn } from "./built-in.ts";
import type { AddressClaim, AddressState } from "./address-claim.ts";
import { looksAlive, releaseClaim, takeClaim } from "./address-claim.ts";

/** IPv6 Address (reference 3.1, 3.3): the same as IP Address, for the other version, and only where nodes have gates. */
export const ipv6Address = defineResourceType<AddressState>({
  ...builtIn("IPv6 Address"),
  lockHolder: "monitor",

  validate(values, { isGated }) {
    const address = String(values["Address"]);
    if (!isGated) throw new MusterError("MUSTER_ADDRESS_UNSUPPORTED", { address });
    if (!isIPv6(address) || !isUsable(address)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "Address", problem: `'${address}' is no IPv6 address that clients can reach` });
  },

  open: () => ({ taking: null, claim: null }),
  online: (context, state) => takeClaim(state, take(context)),

  offline: releaseClaim,
  terminate: releaseClaim,
  looksAlive,
  isAlive: looksAlive,
  close: releaseClaim,
});

async function take(context: ResourceContext): Promise<AddressClaim> {
  const { NetworkClaim } = await import("./network-claim.ts");
  const length = Number(context.values["PrefixLength"]);
  return NetworkClaim.take(context, { address: normalizeAddress(String(context.values["Address"])), prefixLength: length === 0 ? null : length, anyNetwork: false });
}

/** Neither of a zone, nor multicast, link-local, loopback, unspecified, nor an IPv4 address in disguise. */
function isUsable(address: string): boolean {
  if (address.includes("%")) return false;
  const normal = normalizeAddress(address);
  return !/^(ff|fe[89ab])/.test(normal) && !/^::(1?|ffff:.*)$/.test(normal);
}
