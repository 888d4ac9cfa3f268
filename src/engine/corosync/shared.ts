/**
 * Words that the engine and its thread share, so that either can look at the other without waiting for it. Counters of
 * bytes go round at 2^32; only their differences are looked at.
 */

export const Word = {
  /** Counted up by the thread as long as it is not held up. */
  beat: 0,
  /** What the thread waits for: see {@link Waits}. */
  waits: 1,
  /** Descriptors of its connections, -1 without one. */
  groupDescriptor: 2,
  configurationDescriptor: 3,
  statisticsDescriptor: 4,
  /** Bytes of the engine's messages that the thread has done with. */
  sent: 5,
  /** Bytes of the thread's batches that the engine has done with. */
  taken: 6,
  /** 1 when the thread has closed everything. */
  closed: 7,
} as const;

const WORDS = 8;
export const DESCRIPTORS = [Word.groupDescriptor, Word.configurationDescriptor, Word.statisticsDescriptor] as const;

/** Calls that wait for corosync's answer. */
export const Waits = { nothing: 0, connecting: 1, leaving: 2, readingLinks: 3 } as const;

export function createWords(): Int32Array {
  const words = new Int32Array(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT));
  for (const word of DESCRIPTORS) words[word] = -1;
  return words;
}

/** Bytes by which `ahead` is ahead of a counter that goes round. */
export function distance(ahead: number, words: Int32Array, word: number): number {
  return (ahead - Atomics.load(words, word)) >>> 0;
}
