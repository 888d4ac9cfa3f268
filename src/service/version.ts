import { createRequire } from "node:module";

/** Of what nodes say to each other and of the entries of the log; nodes of different ones refuse each other. */
export const PROTOCOL_VERSION = 1;

export const version: string = (createRequire(import.meta.url)("../../package.json") as { version: string }).version;
