import { addressBytes } from "../network/address-text.ts";
import type { FilterPlan } from "../nlb/filter-contract.ts";
import { familiesOf } from "./dispatch.ts";

/**
 * How frames for the virtual addresses get to every host (reference: NLB data plane 2): each
 * keeps its own hardware address and only tells the cluster's, in ARP and neighbour discovery.
 * As no frame leaves with the cluster's address, no switch learns it, and all hosts get them.
 * In `windowsUnicast` the adapter has the cluster's address, and leaves with another.
 */
export interface Delivery {
  readonly adapter: string;
  /** The adapter's own. */
  readonly hardwareAddress: string;
}

/** Replies and requests: a request too tells the others where its sender is. */
export function arpLines({ virtualAddresses, operationMode, hardwareAddress }: FilterPlan, { adapter }: Delivery): readonly string[] {
  const four = virtualAddresses.filter(({ family }) => family === 4).map(({ address }) => address);
  if (four.length === 0 || operationMode === "windowsUnicast") return [];
  return [`oifname "${adapter}" arp saddr ip { ${four.join(", ")} } arp saddr ether set ${hardwareAddress}`];
}

/**
 * Advertisements and solicitations. nftables does not make the checksum anew, so what the option
 * loses or gains is put into the reserved field, which receivers ignore.
 */
export function outputLines({ virtualAddresses, operationMode, hardwareAddress }: FilterPlan, delivery: Delivery): readonly string[] {
  if (operationMode === "windowsUnicast") return [];
  const option = `0x${hardwareAddress.replaceAll(":", "")}`;
  const balance = `0x${balanceOf(delivery.hardwareAddress, hardwareAddress).toString(16)}`;
  return virtualAddresses
    .filter(({ family }) => family === 6)
    .flatMap(({ address }) => [
      `oifname "${delivery.adapter}" icmpv6 type nd-neighbor-advert @th,64,128 0x${Buffer.from(addressBytes(address)).toString("hex")} @th,192,16 0x0201 @th,208,48 set ${option} @th,48,16 set ${balance}`,
      `oifname "${delivery.adapter}" ip6 saddr ${address} icmpv6 type nd-neighbor-solicit @th,192,16 0x0101 @th,208,48 set ${option} @th,48,16 set ${balance}`,
    ]);
}

/**
 * TCP takes only what the adapter says is for this host; and what is certainly another host's goes no further. Fragments
 * do: only the first has ports, and the kernel would wait for it with the others for half a minute.
 * @param decides false = that was decided before
 */
export function ingressLines(plan: FilterPlan, decides: boolean): readonly string[] {
  const cold = !decides ? [] : familiesOf(plan).map(({ header, addresses }) => `${header} daddr { ${addresses.join(", ")} }${header === "ip" ? " ip frag-off & 0x3fff == 0" : " exthdr frag missing"} goto cold`);
  return plan.operationMode === "windowsUnicast" ? cold : [`ether daddr ${plan.hardwareAddress} meta pkttype set host`, ...cold];
}

/** Under which address frames leave in `windowsUnicast`: a chain of the hook egress. */
export function maskLines({ operationMode, hardwareAddress, maskedHardwareAddress }: FilterPlan): readonly string[] {
  if (operationMode !== "windowsUnicast" || maskedHardwareAddress === null) return [];
  return [`ether saddr ${hardwareAddress} ether saddr set ${maskedHardwareAddress}`];
}

/** The difference of two hardware addresses as the checksum counts it: one's complement, 16 bits. */
function balanceOf(own: string, cluster: string): number {
  const words = (text: string): number[] => [0, 2, 4].map((at) => Number.parseInt(text.split(":").slice(at, at + 2).join(""), 16));
  let sum = 0;
  for (const word of words(own)) sum += word;
  for (const word of words(cluster)) sum += ~word & 0xffff;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
