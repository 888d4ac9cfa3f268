import { isIPv6 } from "node:net";
import { MusterError } from "../model/errors.ts";
import { isInSubnet } from "./address-text.ts";
import type { Link, LinkAddress } from "./netlink-messages.ts";

/** Which adapter carries an address: pure. */
export interface Choice {
  readonly adapter: string;
  readonly prefixLength: number;
}

export interface Wish {
  readonly address: string;
  /** null = that of the adapter's own subnet. */
  readonly prefixLength: number | null;
  /** OverrideAddressMatch: also an adapter without an address in that subnet, the only one there is. */
  readonly anyNetwork: boolean;
}

/**
 * The adapter that has an address in the same subnet; the first by name of several, one that is up before one that is not.
 * @throws MusterError MUSTER_ADDRESS_NO_ADAPTER, with what there is
 */
export function chooseAdapter({ address, prefixLength, anyNetwork }: Wish, links: readonly Link[], addresses: readonly LinkAddress[]): Choice {
  const outside = links.filter((link) => !link.loopback).sort((a, b) => Number(b.isUp) - Number(a.isUp) || (a.name < b.name ? -1 : 1));
  for (const link of outside) {
    const own = addresses.filter((one) => one.link === link.index && one.address !== address && isIPv6(one.address) === isIPv6(address));
    const match = own.find((one) => isInSubnet(address, one.address, prefixLength ?? one.prefixLength));
    const near = own.find((one) => isInSubnet(address, one.address, one.prefixLength));
    // With another mask than everybody's in that network it would not be reached by some, or keep others from being reached.
    if (!isIPv6(address) && prefixLength !== null && !anyNetwork && near !== undefined && !own.some((one) => one.prefixLength === prefixLength)) {
      throw new MusterError("MUSTER_ADDRESS_NO_ADAPTER", { address, problem: `its mask is /${prefixLength}, and that of ${link.name} is /${near.prefixLength} (${near.address})` });
    }
    // An address that is alone in its subnet says nothing of the network it is in.
    if (match !== undefined && match.prefixLength < (isIPv6(address) ? 128 : 32)) return checked(address, link, prefixLength ?? match.prefixLength);
  }
  const [only] = outside;
  if (anyNetwork && only !== undefined && outside.length === 1) {
    if (prefixLength === null) throw new MusterError("MUSTER_ADDRESS_NO_ADAPTER", { address, problem: "with OverrideAddressMatch=1 the mask of the subnet must be given" });
    return checked(address, only, prefixLength);
  }
  const seen = outside.map((link) => `${link.name} (${addresses.filter((one) => one.link === link.index).map((one) => `${one.address}/${one.prefixLength}`).join(", ") || "no address"})`);
  throw new MusterError("MUSTER_ADDRESS_NO_ADAPTER", { address, problem: `none has an address in the same subnet; there ${seen.length === 1 ? "is" : "are"} ${seen.join(", ") || "none but the loopback"}` });
}

function checked(address: string, link: Link, prefixLength: number): Choice {
  if (!link.isUp) throw new MusterError("MUSTER_ADDRESS_NO_ADAPTER", { address, problem: `the adapter ${link.name} has no link` });
  return { adapter: link.name, prefixLength };
}
