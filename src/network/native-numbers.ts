import { endianness } from "node:os";

/** Whole numbers as the kernel's structures hold them: in the order of this machine. */

const LITTLE = endianness() === "LE";

export const u16 = (bytes: Buffer, at: number): number => (LITTLE ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
export const u32 = (bytes: Buffer, at: number): number => (LITTLE ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
export const i32 = (bytes: Buffer, at: number): number => (LITTLE ? bytes.readInt32LE(at) : bytes.readInt32BE(at));
export const putU16 = (bytes: Buffer, value: number, at: number): number => (LITTLE ? bytes.writeUInt16LE(value, at) : bytes.writeUInt16BE(value, at));
export const putU32 = (bytes: Buffer, value: number, at: number): number => (LITTLE ? bytes.writeUInt32LE(value, at) : bytes.writeUInt32BE(value, at));
