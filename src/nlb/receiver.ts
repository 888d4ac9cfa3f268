import type { Authenticate, Heartbeat, Refusal } from "./heartbeat.ts";
import { decodeHeartbeat } from "./heartbeat.ts";
import type { HostLife } from "./map.ts";
import type { HostId } from "./parameters.ts";

/** Lives of one host that are remembered: the one that is there, and one that is starting or has the same number by mistake. */
const LIVES_MAX = 2;

/**
 * Lets through what was made with the key of the cluster, by another host, and not before: the
 * sequence of each life only rises. What is refused is counted, never answered.
 */
export class HeartbeatReceiver {
  readonly #self: HostLife;
  readonly #cluster: number;
  readonly #authenticate: Authenticate;
  /** By host: the newest sequence of each of its lives, the newest life first. */
  readonly #newest = new Map<HostId, { incarnation: number; sequence: number }[]>();
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
    const lives = this.#newest.get(host) ?? [];
    const known = lives.find((life) => life.incarnation === incarnation);
    if (known !== undefined) {
      if (sequence <= known.sequence) return "replayed";
      known.sequence = sequence;
      return null;
    }
    // A life older than those that are remembered has been heard and forgotten.
    if (lives.length === LIVES_MAX && incarnation < lives.at(-1)!.incarnation) return "replayed";
    lives.push({ incarnation, sequence });
    this.#newest.set(host, lives.sort((a, b) => b.incarnation - a.incarnation).slice(0, LIVES_MAX));
    return null;
  }
}
