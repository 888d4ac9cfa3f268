import { fileURLToPath } from "node:url";

/** The role that every contender keeps: an address, and behind it a small HTTP server. */
export const ADDRESS = "10.77.0.100";
export const PREFIX_BITS = 24;
export const PORT = 8_080;
/** In a host of the lab. */
export const DEVICE = "eth0";
export const SERVER = fileURLToPath(new URL("./programs/server.mjs", import.meta.url));
export const START_TIME = fileURLToPath(new URL("./programs/start-time.mjs", import.meta.url));
/** Beside the role's own, so that both can run. */
export const START_TIME_PORT = 8_081;
