import type { NodeId } from "../model/identifiers.ts";
import type { FaultDomainRecord } from "../model/objects.ts";
import { FaultDomainType } from "../model/states.ts";
import type { StepContext } from "./context.ts";
import { foldName } from "./order.ts";
import type { ClusterState } from "./state.ts";

/** Where nodes stand: sites, racks, chassis (reference 2.14). */

/** From the node's own domain outwards; bounded, because each level stands once in it. */
export function domainsOf(state: ClusterState, node: NodeId): FaultDomainRecord[] {
  const path: FaultDomainRecord[] = [];
  let id: string | null = state.tables.nodes.get(String(node))?.faultDomain ?? null;
  while (id !== null) {
    const domain: FaultDomainRecord | undefined = state.tables.faultDomains.get(id);
    if (domain === undefined) break;
    path.push(domain);
    id = domain.parent;
  }
  return path;
}

/** "Site:A", "Rack:B": the outermost first (reference 2.14 "node property FaultDomain"). */
export function pathOf(state: ClusterState, node: NodeId): string[] {
  return domainsOf(state, node)
    .reverse()
    .map((domain) => `${domain.type}:${domain.name}`);
}

export function siteOf(context: StepContext, node: NodeId): FaultDomainRecord | null {
  return placesOf(context).sites.get(node) ?? null;
}

/** Whether the node stands in the site with that name. */
export function standsInSite(context: StepContext, node: NodeId, site: string): boolean {
  const own = siteOf(context, node);
  return own !== null && foldName(own.name) === foldName(site);
}

/**
 * The fault domain of a node, for rules that speak of "the fault domain": the one of the highest level at
 * which the nodes of this cluster stand apart. With two sites that is the site; with one site and four
 * racks the rack; without domains every node is one of its own, as the lowest level (reference 2.14).
 */
export function faultDomainOf(context: StepContext, node: NodeId): string {
  return placesOf(context).domains.get(node) ?? `node ${node}`;
}

/** For people: the name of what {@link faultDomainOf} speaks of. */
export function faultDomainName(context: StepContext, node: NodeId): string {
  const key = faultDomainOf(context, node);
  const domain = context.state.tables.faultDomains.get(key);
  return domain === undefined ? context.nodeName(node) : `${domain.type} '${domain.name}'`;
}

interface Places {
  readonly sites: ReadonlyMap<NodeId, FaultDomainRecord>;
  readonly domains: ReadonlyMap<NodeId, string>;
}

function placesOf(context: StepContext): Places {
  return context.once("fault domains", () => {
    const { state } = context;
    const sites = new Map<NodeId, FaultDomainRecord>();
    const domains = new Map<NodeId, string>();
    if (state.tables.faultDomains.size === 0) return { sites, domains };
    const paths = state.nodeIds().map((node) => ({ node, path: domainsOf(state, node) }));
    for (const { node, path } of paths) {
      const site = path.find((domain) => domain.type === "Site");
      if (site !== undefined) sites.set(node, site);
    }
    for (const type of Object.keys(FaultDomainType)) {
      const own = paths.map(({ node, path }) => ({ node, id: path.find((domain) => domain.type === type)?.id }));
      // A node outside of every domain of the level stands apart from those inside.
      const apart = new Set(own.map(({ node, id }) => id ?? `node ${node}`));
      if (apart.size < 2 || own.every(({ id }) => id === undefined)) continue;
      for (const { node, id } of own) if (id !== undefined) domains.set(node, id);
      break;
    }
    return { sites, domains };
  });
}
