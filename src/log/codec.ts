import type { EntryBody, LogEntry, LogMessage, Origin } from "./types.ts";

/** How messages and entries are written: JSON, checked on the way in as far as the log relies on it. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeMessage(message: LogMessage): Uint8Array {
  return encoder.encode(JSON.stringify(message));
}

/** @throws SyntaxError for what is not JSON, TypeError for what is not a message */
export function decodeMessage(bytes: Uint8Array): LogMessage {
  const value = JSON.parse(decoder.decode(bytes)) as LogMessage;
  if (typeof value !== "object" || value === null || typeof value.kind !== "string") throw new TypeError("not a message of the log");
  return value;
}

/** What the state machine is given of an entry: new votes are input as well. */
export function payloadOf(body: EntryBody): string {
  return body.type === "input" ? body.payload : JSON.stringify({ kind: "weights", weights: body.weights });
}

/** The form in which a durable entry lies in the database. */
export function encodeEntry(entry: LogEntry): { sequence: number; epoch: number; payload: string } {
  const { index, clusterTimeMs, wallTimeMs, origin, body } = entry;
  return { sequence: entry.sequence!, epoch: entry.epoch, payload: JSON.stringify([index, clusterTimeMs, wallTimeMs, origin, body]) };
}

export function decodeEntry(stored: { readonly sequence: number; readonly epoch: number; readonly payload: string }): LogEntry {
  const [index, clusterTimeMs, wallTimeMs, origin, body] = JSON.parse(stored.payload) as [number, number, number, Origin | null, EntryBody];
  return { epoch: stored.epoch, index, sequence: stored.sequence, clusterTimeMs, wallTimeMs, origin, body };
}
