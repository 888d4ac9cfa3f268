import type { Command as Program } from "commander";
import { removeHost } from "../../../host/balanced-host.ts";
import { MusterError } from "../../../model/errors.ts";
import type { Dismissal, NlbStatus } from "../../../nlb-host/facade.ts";
import { virtualAddresses } from "../../../nlb/parameters.ts";
import { data, json, list, talk } from "../../output.ts";
import { requireRoot } from "../host.ts";
import { ask, changesNlb, send } from "./common.ts";
import type { NlbChangeOptions } from "./common.ts";

/** The end of a balancing cluster (reference: NLB 14, Remove-NlbCluster): every host that is heard stops serving and forgets it, this one last. */
export function nlbDestroyCommand(nlb: Program): void {
  changesNlb(nlb.command("destroy").description("end the balancing cluster: nothing of it is left on the hosts that are heard"))
    .option("--force", "also while hosts serve: connections end")
    .action(async (options: NlbChangeOptions & { readonly force?: boolean }) => {
      requireRoot("Destroying a balancing cluster");
      const status = await ask<NlbStatus>(options, "status");
      const { cluster, self, hosts } = status;
      const serving = hosts.filter(({ isMember }) => isMember).map(({ id }) => String(id));
      if (serving.length > 0 && options.force !== true && options.dryRun !== true) throw new MusterError("MUSTER_NLB_SERVES", { cluster: cluster.name, addresses: virtualAddresses(cluster).join(", "), hosts: serving.join(", ") });
      const outcome = await send<Dismissal>(options, "POST", "dismissal", {});
      if (options.dryRun === true) {
        if (options.json) json({ cluster: cluster.name, self, addresses: virtualAddresses(cluster), ...outcome });
        else data(`Hosts that would leave: ${list(outcome.hosts.map(({ host }) => String(host)))}; last this one, ${self}.\nAddresses that would be served no more: ${virtualAddresses(cluster).join(", ")}.`);
        sayUnreached(outcome, status);
        talk("Nothing was changed.");
        return;
      }
      await removeHost(options.directory, talk);
      if (options.json) json({ cluster: cluster.name, self, ...outcome });
      talk(`The balancing cluster ${cluster.name} is no more.`);
      sayUnreached(outcome, status);
    });
}

function sayUnreached({ hosts, silent }: Dismissal, status: NlbStatus): void {
  const nameOf = (host: number): string => status.hosts.find(({ id }) => id === host)?.name ?? "";
  const failed = hosts.flatMap(({ host, problem }) => (problem === null ? [] : [`host ${host} ${nameOf(host)} (${problem})`]));
  if (failed.length > 0) talk(`These could not be told, and still believe in it; on each of them: muster nlb remove: ${failed.join("; ")}`);
  if (silent.length > 0) talk(`These were heard earlier and are not now; on each that is still a host: muster nlb remove: ${silent.map(({ host, name }) => `host ${host} ${name}`).join("; ")}`);
}
