import type { Member } from "../model/identifiers.ts";

/**
 * Who is here, and messages between them (ARCHITECTURE 3, PROTOCOL part 1 "Engine contract").
 * Promised: the current members; FIFO per sender; delivery to self.
 * Not promised: the same last messages everywhere, no delivery in minorities, atomic changes.
 */
export interface Engine {
  readonly self: Member;
  /**
   * Joins. `onMembers` is called on every change *and* on every reconnection, even when the set is the same;
   * the list holds self and is sorted by node.
   */
  start(listener: EngineListener): Promise<void>;
  /** To all members, self included. At most {@link MESSAGE_BYTES_MAX}; never blocks: an engine that cannot send drops its connection. */
  multicast(payload: Uint8Array): void;
  /**
   * To all members, self included, past the order of the group: for small messages that may be lost, doubled and
   * overtaken. Absent: this engine has no such way. Too much at once, or more than {@link DATAGRAM_BYTES_MAX}, is lost.
   */
  datagram?(payload: Uint8Array): void;
  /**
   * Bulk transfer over a connection of its own, so that ticks are never starved.
   * @throws when the member is gone or does not answer within `timeoutMs`
   */
  fetch(from: Member, request: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Leaves: the others see it as a membership change at once. */
  stop(): Promise<void>;
}

export interface EngineListener {
  onMembers(members: readonly Member[]): void;
  onMessage(from: Member, payload: Uint8Array): void;
  /** A {@link Engine.datagram} of a present member. */
  onDatagram?(from: Member, payload: Uint8Array): void;
  /** Answers a peer's {@link Engine.fetch}. */
  onFetch(from: Member, request: Uint8Array): Promise<Uint8Array>;
  /** This incarnation has been dropped by the others or cannot go on; only a new incarnation may return. */
  onLost(reason: string): void;
}

export const MESSAGE_BYTES_MAX = 32 * 1024;
export const DATAGRAM_BYTES_MAX = 60 * 1024;
export const FETCH_BYTES_MAX = 256 * 1024 * 1024;
