import type { UdpDescription } from "./udp-channel.ts";
import { UdpChannel } from "./udp-channel.ts";

/**
 * How ticks travel. A channel is made inside the worker, so that no other thread can hold a tick
 * up, from a description that can be handed to it. It may lose messages, double them and change
 * their order, and it may bring a node its own; it must not wait for anybody.
 */
export interface LeaseChannel {
  /** @param onMessage called in the worker's loop, one message at a time; the bytes are not used after it returns */
  start(onMessage: (bytes: Uint8Array) => void): void | Promise<void>;
  /** To all others. Never throws for what the network does. */
  send(bytes: Uint8Array): void;
  close(): void;
}

/** A channel that a module of another room makes: this room does not know the engines. */
export interface ModuleDescription {
  readonly kind: "corosync";
  /** The closed process group of the ticks: not the one of the log. */
  readonly group: string;
  /** URL of a module with `openLeaseChannel(description): LeaseChannel`, or a promise of one. */
  readonly module: string;
}

export type ChannelDescription = UdpDescription | ModuleDescription;

interface ChannelModule {
  readonly openLeaseChannel?: (description: ModuleDescription) => LeaseChannel | Promise<LeaseChannel>;
}

/** Loads the module of a channel that is to be opened later. @throws Error when it is not there */
export async function prepareChannel(description: ChannelDescription): Promise<void> {
  if (description.kind !== "udp") await import(description.module);
}

/** @throws Error when it cannot be made */
export async function openChannel(description: ChannelDescription): Promise<LeaseChannel> {
  if (description.kind === "udp") return new UdpChannel(description);
  const { openLeaseChannel } = (await import(description.module)) as ChannelModule;
  if (openLeaseChannel === undefined) throw new Error(`${description.module} has no openLeaseChannel`);
  return openLeaseChannel(description);
}
