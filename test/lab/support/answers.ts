/** What a client saw of a role, and what may never be among it. */

export interface Answer {
  readonly kind: "own" | "kept";
  readonly connection: number;
  /** Milliseconds of CLOCK_MONOTONIC, as all times here. */
  readonly begunMs: number;
  /** null = there was no connection on which it could be sent. */
  readonly sentMs: number | null;
  /** null = no reply came in time. */
  readonly receivedMs: number | null;
  readonly node: string | null;
  readonly generation: number | null;
}

type Replied = Answer & { readonly sentMs: number; readonly receivedMs: number; readonly node: string; readonly generation: number };

const SHOWN_MAX = 5;

export function parseAnswer(line: string): Answer {
  const [kind, connection, begunMs, sentMs, receivedMs, node, generation] = JSON.parse(line) as [Answer["kind"], number, number, number | null, number | null, string | null, number | null];
  return { kind, connection, begunMs, sentMs, receivedMs, node, generation };
}

/**
 * A role never runs twice, as its clients see it: no request that was sent after a reply of one generation had been
 * received is answered by an earlier one, a generation is one node's, and a connection is one generation's.
 * @returns sentences; empty = all is well
 */
export function checkAnswers(answers: readonly Answer[]): string[] {
  const replied = answers.filter(isReplied);
  return [...staleReplies(replied), ...twoNodes(replied), ...changedHands(replied)].slice(0, SHOWN_MAX);
}

function isReplied(answer: Answer): answer is Replied {
  return answer.receivedMs !== null;
}

function staleReplies(replied: readonly Replied[]): string[] {
  const bySent = replied.toSorted((a, b) => a.sentMs - b.sentMs);
  const byReceived = replied.toSorted((a, b) => a.receivedMs - b.receivedMs);
  const problems: string[] = [];
  let newest: Replied | null = null;
  let next = 0;
  for (const answer of bySent) {
    for (; next < byReceived.length && byReceived[next]!.receivedMs < answer.sentMs; next++) {
      if (newest === null || byReceived[next]!.generation > newest.generation) newest = byReceived[next]!;
    }
    if (newest === null || answer.generation >= newest.generation) continue;
    problems.push(`generation ${answer.generation} (${answer.node}, ${answer.kind} connection ${answer.connection}) answered a request that was sent ${(answer.sentMs - newest.receivedMs).toFixed(1)} ms after generation ${newest.generation} (${newest.node}) had answered`);
  }
  return problems;
}

function twoNodes(replied: readonly Replied[]): string[] {
  const nodes = new Map<number, string>();
  return replied.flatMap(({ generation, node }) => {
    const known = nodes.get(generation);
    nodes.set(generation, node);
    return known === undefined || known === node ? [] : [`generation ${generation} was served by ${known} and by ${node}`];
  });
}

function changedHands(replied: readonly Replied[]): string[] {
  const generations = new Map<number, number>();
  return replied.flatMap(({ connection, generation }) => {
    const known = generations.get(connection);
    generations.set(connection, generation);
    return known === undefined || known === generation ? [] : [`connection ${connection} was answered by generation ${known} and by ${generation}`];
  });
}

/** The longest time between two replies on connections of their own that lies in a span; a span without replies is one outage. */
export function longestOutageMs(answers: readonly Answer[], fromMs: number, toMs: number): number {
  const received = answers.flatMap(({ kind, receivedMs }) => (kind === "own" && receivedMs !== null && receivedMs > fromMs && receivedMs < toMs ? [receivedMs] : [])).sort((a, b) => a - b);
  const edges = [fromMs, ...received, toMs];
  return edges.slice(1).reduce((longest, edge, position) => Math.max(longest, edge - edges[position]!), 0);
}

/** Generation of the last reply of each kind; null = there was none. */
export function lastGenerations(answers: readonly Answer[]): { readonly own: number | null; readonly kept: number | null } {
  const last = (kind: Answer["kind"]): number | null => answers.filter((answer) => answer.kind === kind).filter(isReplied).reduce<Replied | null>((latest, one) => (latest === null || one.receivedMs > latest.receivedMs ? one : latest), null)?.generation ?? null;
  return { own: last("own"), kept: last("kept") };
}
