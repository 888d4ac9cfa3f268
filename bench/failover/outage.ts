/** What a client saw of a fault. Pure. */

export interface Reply {
  readonly begunMs: number;
  readonly receivedMs: number;
  readonly node: string;
  readonly processId: number;
}

/**
 * The longest time without a reply, from the last reply before a moment until another one: this is what a client
 * calls the outage, whatever the cluster calls it.
 */
export function outageMs(replies: readonly Reply[], fromMs: number, toMs: number): number {
  const received = replies.map((reply) => reply.receivedMs).filter((atMs) => atMs < toMs).sort((a, b) => a - b);
  const before = received.findLastIndex((atMs) => atMs <= fromMs);
  const edges = [...received.slice(Math.max(0, before)), toMs];
  return edges.slice(1).reduce((longest, edge, position) => Math.max(longest, edge - edges[position]!), 0);
}
