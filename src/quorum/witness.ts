import { sameMember } from "../model/identifiers.ts";
import type { NodeId } from "../model/identifiers.ts";
import { judgeClaim, nodesBehind } from "./claims.ts";
import type { ClaimRecord, ClaimRequest } from "./claims.ts";

/**
 * What a witness of any kind can do (reference 4.4, PROTOCOL rule 5). The one thing all of them must be able to do is
 * to create a record at a position once and for all: an exclusively created file, a put on condition, a daemon or a
 * disk that is asked by one at a time. Reading may show what was there a moment ago.
 */
export interface Witness {
  /** Writes the first record. "exists": it has one already, which stays. */
  initialise(first: ClaimRecord, done: (result: WitnessWrite) => void): void;
  /** The records kept, in any order. */
  read(done: (answer: WitnessAnswer) => void): void;
  /** Creates the record if and only if none was ever created at its position. */
  append(record: ClaimRecord, done: (result: WitnessWrite) => void): void;
}

/** "unknown": it may have been written, now or later. */
export type WitnessWrite = { readonly kind: "created" | "exists" } | { readonly kind: "unknown"; readonly reason: string };

/** "missing": it was never initialised, or has lost what it knew; it is not trusted until it is configured again. */
export type WitnessAnswer = { readonly kind: "records"; readonly records: readonly ClaimRecord[] } | { readonly kind: "missing" } | { readonly kind: "unreachable"; readonly reason: string };

export type ClaimOutcome =
  | { readonly kind: "won" }
  /** Another one claimed at the same time. */
  | { readonly kind: "lost" }
  /** Others went on without this set: it waits for one of them. */
  | { readonly kind: "refused"; readonly reason: string; readonly waitsFor: readonly NodeId[] }
  | { readonly kind: "outdated"; readonly epoch: number }
  | { readonly kind: "failed"; readonly reason: string };

/**
 * CLAIM: reads, judges, creates the next record, reads back. Whoever creates the record has judged all
 * the records before it, because only one record can follow each: two halves cannot both win, however
 * old what they read was.
 */
export function claim(witness: Witness, request: ClaimRequest, done: (outcome: ClaimOutcome) => void): void {
  witness.read((answer) => {
    if (answer.kind === "unreachable") return done({ kind: "failed", reason: answer.reason });
    if (answer.kind === "missing" || answer.records.length === 0) return done({ kind: "failed", reason: "it has none of its records: it was emptied or replaced, and is not trusted until it is configured again" });
    const judged = judgeClaim(answer.records, request);
    if (judged.kind === "outdated") return done({ kind: "outdated", epoch: judged.claim.epoch });
    if (judged.kind === "partitionInTime") return done({ kind: "refused", reason: "others went on without these nodes, and nobody here was with them", waitsFor: nodesBehind(judged.claim) });
    const { epoch, lineage, claimant, voters } = request;
    const own: ClaimRecord = { position: Math.max(...answer.records.map((record) => record.position)) + 1, epoch, lineage, claimant, voters };
    witness.append(own, (result) => {
      if (result.kind === "exists") return done({ kind: "lost" });
      readBack(witness, own, result, done);
    });
  });
}

function readBack(witness: Witness, own: ClaimRecord, written: WitnessWrite, done: (outcome: ClaimOutcome) => void): void {
  witness.read((answer) => {
    if (answer.kind === "missing") return done({ kind: "failed", reason: "it has lost its records" });
    if (answer.kind === "unreachable") return done({ kind: "failed", reason: answer.reason });
    if (answer.records.some((record) => record.position > own.position)) return done({ kind: "lost" });
    const found = answer.records.find((record) => record.position === own.position);
    if (found !== undefined) return done(isSameClaim(found, own) ? { kind: "won" } : { kind: "lost" });
    // What was read is older than what was created; only the answer to the creation itself can be relied on.
    done(written.kind === "created" ? { kind: "won" } : { kind: "failed", reason: written.kind === "unknown" ? written.reason : "the claim was not found again" });
  });
}

function isSameClaim(a: ClaimRecord, b: ClaimRecord): boolean {
  return a.epoch === b.epoch && a.lineage === b.lineage && sameMember(a.claimant, b.claimant);
}
