import type { Command as Program } from "commander";
import { parseSubnet } from "../../../core/subnets.ts";
import { addressBytes, addressText } from "../../../model/addresses.ts";
import { MusterError } from "../../../model/errors.ts";
import type { BalancedHost } from "../../../nlb-host/files.ts";
import { clusterHardware } from "../../../nlb/hardware-address.ts";
import type { ClusterParameters, HostParameters } from "../../../nlb/parameters.ts";
import { ruleKey, virtualAddresses } from "../../../nlb/parameters.ts";
import { data, json, list, table, talk } from "../../output.ts";
import { ask, asksNlb, changesNlb, send } from "./common.ts";
import type { NlbChangeOptions, NlbOptions } from "./common.ts";
import { changeCluster } from "./rules.ts";

/** Virtual addresses, equal on all hosts, and the dedicated ones of this host. */
export function nlbAddressCommands(nlb: Program): void {
  const vip = nlb.command("vip").description("virtual addresses: what the hosts share");
  asksNlb(vip.command("list").description("all virtual addresses, and the rules that name them")).action(async (options: NlbOptions) => {
    const { cluster, host } = await ask<BalancedHost>(options, "configuration");
    const found = addressViews(cluster, host);
    if (options.json) json(found);
    else data(table(["ADDRESS", "KIND", "HARDWARE ADDRESS", "RULES OF ITS OWN"], found.map(({ address, isPrimary, hardwareAddress, rules }) => [address, isPrimary ? "primary" : "additional", hardwareAddress, list(rules)])));
  });
  changesNlb(vip.command("add").argument("<address>", "ADDRESS, or ADDRESS/LENGTH").description("one more, on all hosts; rules of all addresses are its too")).action((address: string, options: NlbChangeOptions) =>
    changeCluster(options, { kind: "addAddress", address: plainAddress(address) }, "The address was added."));
  changesNlb(vip.command("remove").argument("<address>", "an additional one").description("on all hosts; connections to it end")).action((address: string, options: NlbChangeOptions) =>
    changeCluster(options, { kind: "removeAddress", address: plainAddress(address) }, "The address was removed."));
  changesNlb(vip.command("set").argument("<address>", "an additional one").argument("<new>", "instead of it").description("another address instead of one, on all hosts; rules that name it go with it, connections to it end")).action((address: string, other: string, options: NlbChangeOptions) =>
    changeCluster(options, { kind: "replaceAddress", address: plainAddress(address), to: plainAddress(other) }, "The address was replaced."));

  const dip = nlb.command("dip").description("dedicated addresses of this host: never balanced");
  asksNlb(dip.command("list").description("those that were set; without any, those that the adapter has")).action(async (options: NlbOptions) => {
    const { host } = await ask<BalancedHost>(options, "configuration");
    if (options.json) json(host.dedicatedAddresses);
    else data(host.dedicatedAddresses.join("\n") || "None is set: those of the adapter are.");
  });
  changesNlb(dip.command("add").argument("<address>", "one that the adapter has").description("heartbeats leave from the first of them that the adapter has")).action((text: string, options: NlbChangeOptions) =>
    changeDedicated(options, "The address is dedicated now.", (addresses) => [...addresses, plainAddress(text)]));
  changesNlb(dip.command("remove").argument("<address>", "one that is set").description("set it no more; the adapter keeps it")).action((text: string, options: NlbChangeOptions) =>
    changeDedicated(options, "The address is not set any more.", (addresses) => {
      const address = plainAddress(text);
      if (!addresses.includes(address)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "address", problem: `${address} is none of those that are set (${list(addresses)})` });
      return addresses.filter((other) => other !== address);
    }));
}

function addressViews(cluster: ClusterParameters, { id }: HostParameters): { readonly address: string; readonly isPrimary: boolean; readonly hardwareAddress: string; readonly rules: readonly string[] }[] {
  // One for all: it follows from the primary address.
  const { hardwareAddress } = clusterHardware(cluster.primaryAddress, cluster.operationMode, id);
  return virtualAddresses(cluster).map((address) => ({ address, isPrimary: address === cluster.primaryAddress, hardwareAddress, rules: cluster.rules.filter(({ virtualAddress }) => virtualAddress === address).map(ruleKey) }));
}

async function changeDedicated(options: NlbChangeOptions, said: string, change: (addresses: readonly string[]) => readonly string[]): Promise<void> {
  const { host } = await ask<BalancedHost>(options, "configuration");
  const after = await send<HostParameters>(options, "PATCH", "host", { dedicatedAddresses: change(host.dedicatedAddresses) });
  if (options.json) json(after.dedicatedAddresses);
  else data(`Dedicated addresses: ${list(after.dedicatedAddresses)}.`);
  talk(options.dryRun === true ? "Nothing was changed." : said);
}

/** Virtual addresses have no length of their own: the one that people write beside them is left out. @throws MusterError when it is no address */
function plainAddress(text: string): string {
  return addressText(addressBytes(parseSubnet(text)?.address ?? text, "address"));
}
