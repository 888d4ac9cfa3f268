import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/**
 * Tells a torn end of SQLite's write-ahead log from damage in its middle (format: sqlite.org/fileformat2, 4).
 *
 * SQLite takes the log up to the first frame whose checksum is wrong and forgets the rest. That is right for
 * the end of a log whose last transaction was being written at a crash. But every commit is synced before the
 * next begins, so at most one transaction can be unfinished: when whole transactions follow the bad frame,
 * frames were lost that had been acknowledged.
 */

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;
/** A log much longer than this was not written by us: checkpoints are made every few megabytes. */
const LOG_BYTES_MAX = 1024 * 1024 * 1024;

/** @returns what is wrong with the log, or null */
export function problemOfLog(path: string): string | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    return null; // there is no log
  }
  try {
    const size = fstatSync(descriptor).size;
    if (size <= HEADER_BYTES) return null;
    if (size > LOG_BYTES_MAX) return "its write-ahead log is far too long";
    return scan(descriptor, size);
  } finally {
    closeSync(descriptor);
  }
}

function scan(descriptor: number, size: number): string | null {
  const header = read(descriptor, 0, HEADER_BYTES);
  const bigEndian = header.readUInt32BE(0) === MAGIC + 1;
  const pageBytes = header.readUInt32BE(8);
  const sum: Sum = [0, 0];
  add(sum, header.subarray(0, 24), bigEndian);
  const headerIsGood =
    (bigEndian || header.readUInt32BE(0) === MAGIC) && sum[0] === header.readUInt32BE(24) && sum[1] === header.readUInt32BE(28);
  if (!headerIsGood) return "the head of its write-ahead log is damaged";
  if (pageBytes < 512 || pageBytes > 65536) return "the head of its write-ahead log is damaged";

  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  let isGood = true;
  let commitsAfter = 0;
  for (let offset = HEADER_BYTES; offset + frameBytes <= size; offset += frameBytes) {
    const frame = read(descriptor, offset, frameBytes);
    if (frame.compare(header, 16, 24, 8, 16) !== 0) {
      // Frames with other salts are leftovers of before the last restart of the log; or this one's salts are hurt.
      isGood = false;
      continue;
    }
    if (isGood) {
      add(sum, frame.subarray(0, 8), bigEndian);
      add(sum, frame.subarray(FRAME_HEADER_BYTES), bigEndian);
      isGood = sum[0] === frame.readUInt32BE(16) && sum[1] === frame.readUInt32BE(20);
    }
    if (!isGood && frame.readUInt32BE(4) !== 0) commitsAfter++;
  }
  return commitsAfter > 1 ? "frames in the middle of its write-ahead log are damaged" : null;
}

type Sum = [number, number];

/** SQLite's running checksum, over pairs of 32-bit words. */
function add(sum: Sum, bytes: Buffer, bigEndian: boolean): void {
  let [first, second] = sum;
  for (let offset = 0; offset + 8 <= bytes.length; offset += 8) {
    first = (first + (bigEndian ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset)) + second) >>> 0;
    second = (second + (bigEndian ? bytes.readUInt32BE(offset + 4) : bytes.readUInt32LE(offset + 4)) + first) >>> 0;
  }
  sum[0] = first;
  sum[1] = second;
}

function read(descriptor: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(descriptor, bytes, 0, length, offset);
  return bytes;
}
