import { GroupState, NodeState, ResourceState } from "../model/states.ts";
import type { GroupView, LeaseView, NodeView, QuorumView, ResourceView } from "../model/views.ts";
import type { LinkView, ServiceStatus } from "../service/facade.ts";
import { family } from "./prometheus.ts";
import type { Labels, Sample } from "./prometheus.ts";

export interface ClusterFigures {
  readonly cluster: string;
  /** Who answers. */
  readonly node: string;
  readonly version: string;
  readonly status: ServiceStatus;
  /** Whether this node serves by a lease; with the embedded engine it does not. */
  readonly isLeased: boolean;
  /** null = there is none at the moment. */
  readonly lease: LeaseView | null;
  /** Of the engine, to the other nodes; null = it has none. */
  readonly links: readonly LinkView[] | null;
  /** As the cluster is; null = this node is in no active view, and what it knows may be out of date. */
  readonly view: { readonly nodes: readonly NodeView[]; readonly groups: readonly GroupView[]; readonly resources: readonly ResourceView[]; readonly quorum: QuorumView } | null;
}

/** The cluster for Prometheus, in its text format, as one node sees it: states, counts and times, nothing of any property. Pure. */
export function clusterMetricsText(figures: ClusterFigures): string {
  const { cluster, node, version, status, links } = figures;
  const own: Labels = { cluster, node };
  return [
    family("muster_node_info", "gauge", "1; the version of the node that answers.", [[{ ...own, version }, 1]]),
    family("muster_view_active", "gauge", "1 = the node that answers is in an active view.", [[own, Number(status.phase === "active")]]),
    family("muster_view_epoch", "gauge", "Number of its view.", status.phase === "active" ? [[own, status.epoch]] : []),
    family("muster_view_members", "gauge", "Nodes in its view.", status.phase === "active" ? [[own, status.members.length]] : []),
    family("muster_engine_link_up", "gauge", "1 = corosync reaches the peer over the link; 0 is the first address of the nodes.", (links ?? []).map((link): Sample => [{ ...own, peer: link.peer, link: link.link }, Number(link.isConnected)])),
    ...leaseFamilies(figures, own),
    ...viewFamilies(figures, own),
  ].join("");
}

function leaseFamilies({ isLeased, lease }: ClusterFigures, own: Labels): string[] {
  if (!isLeased) return [];
  const seconds = (ms: number | null | undefined): Sample[] => (ms === null || ms === undefined ? [] : [[own, ms / 1_000]]);
  const count = (value: number | undefined): Sample[] => (value === undefined ? [] : [[own, value]]);
  return [
    family("muster_lease_open", "gauge", "1 = the gate of this node lets its roles' addresses pass.", [[own, Number(lease?.gate?.open ?? false)]]),
    family("muster_lease_length_seconds", "gauge", "How long the gate stays open after a tick was armed.", seconds(lease?.leaseMs)),
    family("muster_lease_margin_minimum_seconds", "gauge", "The least that was left of the lease when it was renewed, of the latest renewals.", seconds(lease?.margin?.minimumMs)),
    family("muster_lease_margin_median_seconds", "gauge", "The median of what was left of the lease when it was renewed.", seconds(lease?.margin?.medianMs)),
    family("muster_lease_evidence_age_seconds", "gauge", "Age of the newest tick that a quorum answered.", seconds(lease?.evidenceAgeMs)),
    family("muster_lease_renewals_total", "counter", "Renewals of the lease, in this life of the node.", count(lease?.confirmed)),
    family("muster_lease_reopened_total", "counter", "Renewals that came when it had run out.", count(lease?.reopened)),
    family("muster_gate_repairs_total", "counter", "How often somebody else had changed the tables of the gate.", count(lease?.repairs)),
    family("muster_gate_dropped_packets_total", "counter", "Packets that the gate did not let pass.", count(lease?.gate?.droppedPackets)),
  ];
}

function viewFamilies({ cluster, view }: ClusterFigures, own: Labels): string[] {
  if (view === null) return [];
  const { nodes, groups, resources, quorum } = view;
  return [
    family("muster_node_up", "gauge", "1 = the member is up; a paused one is up as well.", nodes.map(({ name, state }): Sample => [{ cluster, member: name }, Number(state === "Up" || state === "Paused")])),
    family("muster_nodes", "gauge", "Nodes by state.", byState(own, Object.keys(NodeState), nodes)),
    family("muster_groups", "gauge", "Roles by state.", byState(own, Object.keys(GroupState), groups)),
    family("muster_group_online", "gauge", "1 = the role is online.", groups.map(({ name, state }): Sample => [{ cluster, group: name }, Number(state === "Online")])),
    family("muster_resources", "gauge", "Resources by state.", byState(own, Object.keys(ResourceState), resources)),
    family("muster_quorum_votes", "gauge", "All votes.", [[own, quorum.votes]]),
    family("muster_quorum_votes_needed", "gauge", "Votes that the cluster needs to go on.", [[own, quorum.needed]]),
    family("muster_quorum_votes_held", "gauge", "Votes that are here.", [[own, quorum.held]]),
    family("muster_witness_up", "gauge", "1 = the witness answers.", quorum.witness === null ? [] : [[{ ...own, kind: quorum.witness.kind }, Number(quorum.witness.state === "Online")]]),
  ];
}

/** Every state has its line: a rule over one that is absent would never fire. */
function byState(own: Labels, states: readonly string[], objects: readonly { readonly state: string }[]): Sample[] {
  return states.map((state) => [{ ...own, state }, objects.filter((object) => object.state === state).length]);
}
