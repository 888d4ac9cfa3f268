import packageDescription from "../../package.json" with { type: "json" };

/** Of what nodes say to each other and of the entries of the log; nodes of different ones refuse each other. */
export const PROTOCOL_VERSION = 2;

export const version: string = packageDescription.version;
