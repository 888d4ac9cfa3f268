import type { Authenticate, Heartbeat, Refusal } from "./heartbeat.ts";
import { decodeHeartbeat } from "./heartbeat.ts";
import type { HostLife } from "./map.ts";
import type { HostId } from "./parameters.ts";

/** Lives of one host that are remembered: the one that is there, former ones, and those of a machine that has the same number by mistake. */
export const LIVES_MAX = 64;

interface Lives {
  /** The newest sequence of each, by incarnation; the one that was heard longest ago comes first. */
  readonly newest: Map<number, number>;
  /** The highest that was forgotten: who is not higher may be a recording of it. */
  forgotten: number;
}

/**
 * Lets through what was made with the key of the cluster, by another host, and not before: the
 * sequence of each life only rises. What is refused is counted, never answered.
 */
export class HeartbeatReceiver {
  readonly #self: HostLife;
  readonly #cluster: number;
  readonly #authenticate: Authenticate;
  readonly #lives = new Map<HostId, Lives>();
  readonly #refused: Record<Refusal, number> = { malformed: 0, version: 0, forged: 0, otherCluster: 0, own: 0, replayed: 0 };
  #accepted = 0;

  constructor(self: HostLife, cluster: number, authenticate: Authenticate) {
    this.#self = self;
    this.#cluster = cluster;
    this.#authenticate = authenticate;
  }

  /** @returns null when it was refused */
  accept(bytes: Uint8Array): Heartbeat | null {
    const decoded = decodeHeartbeat(bytes, this.#authenticate);
    const refusal = typeof decoded === "string" ? decoded : this.#refuse(decoded);
    if (refusal !== null) {
      this.#refused[refusal] += 1;
      return null;
    }
    this.#accepted += 1;
    return decoded as Heartbeat;
  }

  get accepted(): number {
    return this.#accepted;
  }

  get refused(): Readonly<Record<Refusal, number>> {
    return this.#refused;
  }

  #refuse(heartbeat: Heartbeat): Refusal | null {
    const { host, incarnation, sequence } = heartbeat;
    if (heartbeat.cluster !== this.#cluster) return "otherCluster";
    if (host === this.#self.host && incarnation === this.#self.incarnation) return "own";
    const lives = this.#lives.get(host) ?? { newest: new Map<number, number>(), forgotten: -1 };
    const known = lives.newest.get(incarnation);
    if (known === undefined ? incarnation <= lives.forgotten : sequence <= known) return "replayed";
    lives.newest.delete(incarnation);
    lives.newest.set(incarnation, sequence);
    this.#lives.set(host, lives);
    if (lives.newest.size > LIVES_MAX) forgetOne(lives);
    return null;
  }
}

/**
 * Who is heard all the time must stay, although another machine with its number starts again and again; and the highest
 * one, although former lives that were recorded are played at once.
 */
function forgetOne(lives: Lives): void {
  const highest = Math.max(...lives.newest.keys());
  const [silent] = [...lives.newest.keys()].filter((incarnation) => incarnation !== highest);
  lives.newest.delete(silent!);
  lives.forgotten = Math.max(lives.forgotten, silent!);
}
