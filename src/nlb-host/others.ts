import { MusterError } from "../model/errors.ts";
import { decodeMap } from "../nlb/map.ts";
import type { MapId, NlbMap } from "../nlb/map.ts";
import type { HostId } from "../nlb/parameters.ts";
import { monotonicMs } from "../platform/clock.ts";
import type { BalancedHost } from "./files.ts";
import type { BalancerSnapshot } from "./messages.ts";
import type { Peers } from "./peers.ts";

const FORGET_NAMES_MS = 60_000;

export type Asked<Answer> = { readonly answer: Answer } | { readonly problem: string };
type Heard = BalancerSnapshot["peers"];

/** The other hosts by their ids: where they are is what their heartbeats say. */
export class Others {
  readonly #peers: Peers;
  readonly #names = new Map<HostId, { readonly name: string; readonly atMs: number }>();

  constructor(peers: Peers) {
    this.#peers = peers;
  }

  /** Names of all that were ever heard while this process runs. */
  get names(): ReadonlyMap<HostId, string> {
    return new Map([...this.#names].map(([host, { name }]) => [host, name]));
  }

  /** @returns what it answered, or why it could not be asked */
  async ask<Answer>(heard: Heard, host: HostId, method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<Asked<Answer>> {
    const address = heard.find((peer) => peer.host === host)?.address ?? null;
    if (address === null) return { problem: "it is not heard" };
    try {
      return { answer: (await this.#peers.ask(address, method, path, body)).json<Answer>() };
    } catch (error) {
      return { problem: MusterError.from(error).message };
    }
  }

  /** @returns null = what came is none @throws MusterError */
  async map(address: string, { hash }: MapId): Promise<NlbMap | null> {
    return decodeMap((await this.#peers.ask(address, "GET", `/v1/nlb/maps/${hash}`)).bytes);
  }

  /** Asks those whose name is not known, or was asked for long ago. */
  async learnNames(heard: Heard): Promise<void> {
    const unknown = heard.filter(({ host }) => (this.#names.get(host)?.atMs ?? -Infinity) < monotonicMs() - FORGET_NAMES_MS);
    await Promise.all(
      unknown.map(async ({ host }) => {
        const outcome = await this.ask<BalancedHost>(heard, host, "GET", "/v1/nlb/configuration");
        if ("answer" in outcome) this.#names.set(host, { name: outcome.answer.host.name, atMs: monotonicMs() });
      }),
    );
  }
}
