import type { NodeObserver } from "../api/node-main.ts";
import type { ServiceStatus } from "../service/facade.ts";
import type { Datagram } from "./datagram.ts";

/**
 * Tells systemd how the Cluster Service is (the protocol of sd_notify): that it answers, in which phase its node is, that
 * its main loop turns, and that it stops. Without systemd nothing is told. Nothing here ever fails the service.
 */

/** While roles leave, systemd is asked for so much more time again and again: a drain may take as long as ShutdownTimeoutInMinutes says. */
const EXTENSION_MS = 60_000;
const EXTENSION_EVERY_MS = 10_000;
const STATUS_LENGTH_MAX = 500;

export interface SupervisorAddress {
  /** Path of the socket; an abstract one begins with "@". */
  readonly socket: string;
  /** Within this time the main loop must show that it turns; null = nobody watches. */
  readonly watchdogMs: number | null;
}

/**
 * Who supervises this process, and takes what says so out of the environment: the roles must not speak for it.
 * @param environment of this process; changed
 * @returns null when nobody does
 */
export function takeSupervisor(environment: NodeJS.ProcessEnv, processId: number): SupervisorAddress | null {
  const { NOTIFY_SOCKET: socket = "", WATCHDOG_USEC: period = "", WATCHDOG_PID: watched } = environment;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete environment[name];
  if (!/^[/@]./.test(socket)) return null;
  const isWatched = /^[1-9]\d*$/.test(period) && (watched === undefined || Number(watched) === processId);
  return { socket, watchdogMs: isWatched ? Number(period) / 1_000 : null };
}

/** What the Cluster Service calls as it goes on; null when nobody supervises this process, or nobody can be told. */
export async function observeForSupervisor(environment: NodeJS.ProcessEnv, log: (line: string) => void): Promise<NodeObserver | null> {
  const teller = await openTeller(environment, log);
  return teller === null ? null : observerOf(teller);
}

/** What any program calls that systemd started; null as above. */
export async function openTeller(environment: NodeJS.ProcessEnv, log: (line: string) => void): Promise<Teller | null> {
  const supervisor = takeSupervisor(environment, process.pid);
  if (supervisor === null) return null;
  try {
    // Only where it is needed: every command would load the library with it.
    const { openDatagram } = await import("./datagram.ts");
    return createTeller(openDatagram(supervisor.socket), supervisor.watchdogMs);
  } catch (error) {
    log(`systemd cannot be told how the service is: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

export function createObserver(datagram: Pick<Datagram, "send">, watchdogMs: number | null): NodeObserver {
  return observerOf(createTeller(datagram, watchdogMs));
}

function observerOf(teller: Teller): NodeObserver {
  return {
    ready(service) {
      teller.ready(statusLine(service.status));
      service.onChange(() => teller.say(statusLine(service.status)));
    },
    stopping: (reason) => teller.stopping(reason),
  };
}

/** Says things to systemd. */
export interface Teller {
  ready(status: string): void;
  say(status: string): void;
  stopping(reason: string): void;
}

function createTeller(datagram: Pick<Datagram, "send">, watchdogMs: number | null): Teller {
  let told = "";
  return {
    ready(status) {
      told = oneLine(status);
      datagram.send(`READY=1\nSTATUS=${told}`);
      // From the main loop and from nowhere else: one that stands still must be missed.
      if (watchdogMs !== null) setInterval(() => datagram.send("WATCHDOG=1"), watchdogMs / 2);
    },
    say(status) {
      if (oneLine(status) === told) return;
      told = oneLine(status);
      datagram.send(`STATUS=${told}`);
    },
    stopping(reason) {
      const extend = (): void => datagram.send(`EXTEND_TIMEOUT_USEC=${EXTENSION_MS * 1_000}`);
      told = oneLine(`Stopping: ${reason}`);
      datagram.send(`STOPPING=1\nSTATUS=${told}`);
      extend();
      setInterval(extend, EXTENSION_EVERY_MS);
    },
  };
}

/** One line for `systemctl status`. */
export function statusLine(status: ServiceStatus): string {
  switch (status.phase) {
    case "active":
      return oneLine(`In view ${status.epoch} with ${status.members.join(", ")}.`);
    case "starting":
      return oneLine(`Starting: ${status.reason}`);
    case "forming":
      return oneLine(`Forming a view: ${status.reason}`);
    case "waiting":
      return oneLine(`Waiting: ${status.reason}`);
    case "left":
      return oneLine(`Not in the cluster: ${status.reason}`);
  }
}

/** A line feed would begin another assignment. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, STATUS_LENGTH_MAX);
}
