/** What a client does, and what it saw; shared by tests and by the process that does it. */

export interface Traffic {
  readonly address: string;
  readonly port: number;
  /** Addresses to ask from, in turn. */
  readonly sources: readonly string[];
  readonly path?: string;
  readonly limitMs?: number;
  /** Between one connection and the next of a worker. */
  readonly pauseMs?: number;
}

export interface Outcome {
  readonly from: string;
  readonly localPort: number;
  /** Wall clock, equal for all processes of the machine. */
  readonly startedMs: number;
  readonly tookMs: number;
  /** Until the connection was there; null = it never was. */
  readonly connectMs: number | null;
  readonly bytes: number;
  /** The name of the host that answered; null = there was an error. */
  readonly body: string | null;
  readonly error: string | null;
}

export interface Client {
  readonly address: string;
  readonly port: number;
}

/** What came of connections, or datagrams, of many clients. */
export interface Tally {
  /** By the name of the host: how many it answered. */
  readonly byHost: Readonly<Record<string, number>>;
  /** Nobody answered, or it broke. */
  readonly failed: readonly string[];
  /** Answered more than once. */
  readonly twice: number;
  readonly tookMs: number;
}

export const FOUR = "10.77.0.100";
export const SIX = "fd77::100";

/** Addresses of networks behind the client: `per` in each of so many networks of 24, or 64, bits. */
export function sources(family: 4 | 6, networks: number, per: number): readonly string[] {
  return Array.from({ length: networks * per }, (_, position) => {
    const [network, host] = [Math.floor(position / per), (position % per) + 1];
    return family === 4 ? `10.78.${network}.${host}` : `fd78:0:0:${(network + 1).toString(16)}::${host.toString(16)}`;
  });
}

/** How many answers each host gave. */
export function byHost(outcomes: readonly Outcome[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { body, error } of outcomes) counts[body ?? `error: ${error}`] = (counts[body ?? `error: ${error}`] ?? 0) + 1;
  return counts;
}

export function broken(outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.filter(({ body }) => body === null);
}

/** Of Pearson, against expected parts that add up to one. */
export function chiSquare(counts: readonly number[], parts: readonly number[]): number {
  const all = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count, position) => sum + (count - all * parts[position]!) ** 2 / (all * parts[position]!), 0);
}

/** Exceeded by chance once in 100,000 times, by degrees of freedom. Clients are always the same, so the outcome is, too. */
export const CHI_SQUARE_MAX = { 1: 19.51, 2: 23.03, 7: 35.85 } as const;
