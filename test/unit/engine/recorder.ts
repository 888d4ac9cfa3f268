import { randomBytes } from "node:crypto";
import type { Engine, EngineListener } from "../../../src/engine/contract.ts";
import { createLocalEngine } from "../../../src/engine/local/local.ts";
import type { LocalEngineOptions } from "../../../src/engine/local/local.ts";
import type { Member } from "../../../src/model/identifiers.ts";

/** An engine in the process of the test that keeps what it is told. */
export interface Recorder {
  readonly engine: Engine;
  readonly memberships: (readonly Member[])[];
  readonly messages: { from: Member; text: string }[];
  readonly notices: string[];
  readonly lost: string[];
  start(): Promise<void>;
}

export function record(options: Partial<LocalEngineOptions> & { clusterId: string; key: Buffer; self: Member }, onFetch?: EngineListener["onFetch"]): Recorder {
  const recorder: Recorder = {
    engine: createLocalEngine({ protocolVersion: 1, ...options, onNotice: (text) => recorder.notices.push(text) }),
    memberships: [],
    messages: [],
    notices: [],
    lost: [],
    start: () =>
      recorder.engine.start({
        onMembers: (members) => recorder.memberships.push(members),
        onMessage: (from, payload) => recorder.messages.push({ from, text: Buffer.from(payload).toString() }),
        onFetch: onFetch ?? (() => Promise.reject(new Error("nothing to fetch"))),
        onLost: (reason) => recorder.lost.push(reason),
      }),
  };
  return recorder;
}

export function newCluster(): { clusterId: string; key: Buffer } {
  return { clusterId: `test-${randomBytes(6).toString("hex")}`, key: randomBytes(32) };
}

/** Waits until it holds. @throws after `waitMs` */
export async function until(what: string, holds: () => boolean, waitMs = 8_000): Promise<void> {
  const end = performance.now() + waitMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${waitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
