/** What a role without an address says of itself, and what may never be among it. */

export interface Heartbeat {
  /** Names one process. */
  readonly life: string;
  readonly node: string;
  readonly generation: number;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly atMs: number;
}

interface Life {
  readonly life: string;
  readonly generation: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A last line without its end is one that is being written. */
export function parseHeartbeats(text: string): Heartbeat[] {
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as Heartbeat);
}

/**
 * No two processes at a time, and who begins later has no smaller generation.
 * @returns sentences; empty = all is well
 */
export function checkHeartbeats(heartbeats: readonly Heartbeat[]): string[] {
  const problems: string[] = [];
  let latest: Life | null = null;
  for (const life of livesOf(heartbeats)) {
    if (latest !== null && life.fromMs <= latest.toMs) problems.push(`${latest.life} (generation ${latest.generation}) still ran ${(latest.toMs - life.fromMs).toFixed(1)} ms after ${life.life} (generation ${life.generation}) had begun`);
    if (latest !== null && life.generation < latest.generation) problems.push(`${life.life} began with generation ${life.generation} after ${latest.life} with generation ${latest.generation}`);
    if (latest === null || life.toMs > latest.toMs) latest = life;
  }
  return problems;
}

/** In the order in which they began. */
function livesOf(heartbeats: readonly Heartbeat[]): Life[] {
  const lives = new Map<string, Life>();
  for (const { life, generation, atMs } of heartbeats) {
    const known = lives.get(life);
    lives.set(life, { life, generation, fromMs: Math.min(known?.fromMs ?? atMs, atMs), toMs: Math.max(known?.toMs ?? atMs, atMs) });
  }
  return [...lives.values()].sort((a, b) => a.fromMs - b.fromMs);
}
