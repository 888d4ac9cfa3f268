import { MusterError } from "../model/errors.ts";
import type { NodeRecord } from "../model/objects.ts";
import { invalid } from "./resolve.ts";
import type { ClusterState } from "./state.ts";
import { parseSubnet } from "./subnets.ts";

/** The engine joins nodes by at most so many links. */
export const LINKS_MAX = 8;

/**
 * Where the other nodes reach a node: one address in each link, in the order that all nodes have.
 * @throws MusterError naming `addresses` when one is none, is taken, or does not fit the links there are
 */
export function checkAddresses(state: ClusterState, given: readonly string[]): readonly string[] {
  const addresses = given.map((text) => {
    const address = parseSubnet(`${text}/${text.includes(":") ? 128 : 32}`);
    if (address === null) throw invalid("addresses", `${text} is not an IP address`);
    return address;
  });
  if (addresses.length < 1 || addresses.length > LINKS_MAX) throw invalid("addresses", `from 1 to ${LINKS_MAX}, one in each link`);
  const others = state.nodeIds().map((id) => state.tables.nodes.get(String(id)) as NodeRecord);
  for (const [position, { address, version }] of addresses.entries()) {
    if (addresses.findIndex((other) => other.address === address) !== position) throw invalid("addresses", `${address} stands there twice`);
    const holder = others.find((node) => node.addresses?.includes(address) === true);
    if (holder !== undefined) throw new MusterError("MUSTER_ADDRESS_IN_USE", { field: "addresses", address, holder: `the node ${holder.name}` });
    const wrong = others.find((node) => node.addresses?.[position] !== undefined && node.addresses[position].includes(":") !== (version === 6));
    if (wrong !== undefined) throw invalid("addresses", `${address}: link ${position} of this cluster uses IPv${version === 6 ? 4 : 6}, as ${wrong.addresses![position]} of ${wrong.name}`);
  }
  const links = others.find((node) => node.addresses !== undefined)?.addresses?.length;
  if (links !== undefined && links !== addresses.length) throw invalid("addresses", `this cluster has ${links} link${links === 1 ? "" : "s"}: as many addresses are needed, not ${addresses.length}`);
  return addresses.map(({ address }) => address);
}
