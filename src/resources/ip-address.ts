import { isIPv4 } from "node:net";
import { MusterError } from "../model/errors.ts";
import type { PrivateValues, ResourceContext } from "../monitor/resource-type.ts";
import { defineResourceType } from "../monitor/resource-type.ts";
import { lengthOfMask, normalizeAddress } from "../network/address-text.ts";
import { builtIn } from "./built-in.ts";
import type { AddressClaim, AddressState } from "./address-claim.ts";
import { looksAlive, releaseClaim, takeClaim } from "./address-claim.ts";
import { LoopbackClaim, isLoopback } from "./loopback-claim.ts";

/**
 * IP Address (reference 3.1, 3.3). Where nodes have gates it is an address on an adapter of the owner; addresses in
 * 127.0.0.0/8, which are all that the embedded engine serves, only need a claim on the machine.
 */
export const ipAddress = defineResourceType<AddressState>({
  ...builtIn("IP Address"),
  // The claim is this process's: a hung monitor of an excluded node is fenced through the lock.
  lockHolder: "monitor",

  validate(values, { isGated }) {
    const address = String(values["Address"]);
    const mask = String(values["SubnetMask"]);
    if (mask !== "" && lengthOfMask(mask) === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "SubnetMask", problem: `'${mask}' is no mask, for example 255.255.255.0` });
    if (isLoopback(address)) return;
    if (!isGated) throw new MusterError("MUSTER_ADDRESS_UNSUPPORTED", { address });
    if (!isIPv4(address) || !isUsable(address)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "Address", problem: `'${address}' is no IPv4 address that a host can have` });
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
  const address = normalizeAddress(String(context.values["Address"]));
  if (isLoopback(address)) return LoopbackClaim.take(context, address);
  const { NetworkClaim } = await import("./network-claim.ts");
  return NetworkClaim.take(context, { address, prefixLength: maskLength(context.values), anyNetwork: context.values["OverrideAddressMatch"] === 1 });
}

function maskLength(values: PrivateValues): number | null {
  const mask = String(values["SubnetMask"]);
  return mask === "" ? null : lengthOfMask(mask);
}

/** Not this network, not multicast, not reserved, not everybody. */
function isUsable(address: string): boolean {
  const first = Number(address.split(".")[0]);
  return first > 0 && first < 224;
}
