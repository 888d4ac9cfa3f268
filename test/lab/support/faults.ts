import type { CutSelection } from "../../../src/lab/lab.ts";
import { SERVICE_PATTERN, sleep } from "./scene.ts";
import type { Fault } from "./scene.ts";

/** What can happen to a node, each with how it is mended. */

const MONITOR = /src\/monitor\/main\.ts/;
const COROSYNC = "corosync -f";

/** What is killed is started again: by the service, or as systemd would start the service itself, by whoever waits until all is well. */
const killed = (pattern: string | RegExp): Fault => async (scene, name) => {
  await scene.lab.kill(name, pattern, "SIGKILL");
  return null;
};

const stopped = (pattern: string | RegExp): Fault => async (scene, name) => {
  const processes = await scene.lab.kill(name, pattern, "SIGSTOP");
  return async () => {
    for (const processId of processes) {
      try {
        process.kill(processId, "SIGCONT");
      } catch {
        // It was killed meanwhile, and taken for what it was.
      }
    }
  };
};

const cut = (selection: CutSelection): Fault => async (scene, name) => {
  await scene.lab.cut(name, selection);
  return () => scene.lab.heal(name);
};

export const serviceKilled = killed(SERVICE_PATTERN);
export const monitorKilled = killed(MONITOR);
export const corosyncKilled = killed(COROSYNC);
export const serviceStopped = stopped(SERVICE_PATTERN);
export const monitorStopped = stopped(MONITOR);
export const corosyncStopped = stopped(COROSYNC);
export const cutOff = cut({});
export const cutOnFirst = cut({ network: "net0" });
export const cutOnSecond = cut({ network: "net1" });
export const deaf = cut({ direction: "in" });
export const mute = cut({ direction: "out" });
/** The node sees that it has no carrier. */
export const unplugged = cut({ network: "net0", unplug: true });
export const unpluggedOnSecond = cut({ network: "net1", unplug: true });

/** Two nodes do not hear each other; both hear the third. */
export const cutFromOne: Fault = async (scene, name) => {
  await scene.lab.cut(name, { from: scene.others(name)[0]! });
  return () => scene.lab.heal(name);
};

/** Sides that do not hear each other; the client and witnesses hear all of them. @param sidesOf the owner's name, then the others' */
export const partitioned = (sidesOf: (names: readonly string[]) => readonly (readonly string[])[]): Fault => async (scene, name) => {
  const sides = sidesOf([name, ...scene.others(name)]);
  for (const [place, side] of sides.entries()) for (const other of sides.slice(place + 1).flat()) for (const one of side) await scene.lab.cut(one, { from: other });
  return () => scene.lab.heal();
};

/** Several faults at once, each on a node of its own: the owner first, unless nodes were named otherwise. */
export const together = (...parts: readonly Fault[]): Fault => async (scene, name) => {
  const names = [name, ...scene.others(name)];
  const undone = await Promise.all(parts.map((fault, place) => fault(scene, names[place]!)));
  return async () => {
    for (const undo of undone.reverse()) await undo?.();
  };
};

/** One after the other on the same node. */
export const inTurn = (...parts: readonly Fault[]): Fault => async (scene, name) => {
  const undone: (Awaited<ReturnType<Fault>>)[] = [];
  for (const fault of parts) undone.push(await fault(scene, name));
  return async () => {
    for (const undo of undone.reverse()) await undo?.();
  };
};

/** One node hears all but one other, and that one hears it. */
export const oneWayFromOne: Fault = async (scene, name) => {
  await scene.lab.cut(name, { from: scene.others(name)[0]!, direction: "in" });
  return () => scene.lab.heal(name);
};

const LOSS_PERCENT = 10;

export const lossy: Fault = async (scene, name) => {
  await scene.lab.delay(name, { lossPercent: LOSS_PERCENT });
  return () => scene.lab.heal(name);
};

/** As somebody does who resets the firewall by hand. */
export const gateFlushed: Fault = async (scene, name) => {
  await scene.lab.host(name).run(["nft", "flush", "ruleset"]);
  return null;
};

/** A firewall that was written before there were datagrams: updates of the database go with corosync alone. */
export const datagramsBlocked: Fault = async (scene, name) => {
  const host = scene.lab.host(name);
  await host.run(["nft", "add table inet firewall; add chain inet firewall input { type filter hook input priority 0; }; add rule inet firewall input udp dport 3344 drop"]);
  return async () => {
    await host.run(["nft", "delete", "table", "inet", "firewall"]);
  };
};

const FLAPS = 4;
const FLAP_MS = 800;

export const flapping: Fault = async (scene, name) => {
  for (let flap = 0; flap < FLAPS; flap++) {
    await scene.lab.cut(name);
    await sleep(FLAP_MS);
    await scene.lab.heal(name);
    await sleep(FLAP_MS);
  }
  return null;
};

export const paused: Fault = async (scene, name) => {
  await scene.lab.pause(name);
  return () => scene.lab.resume(name);
};

export const poweredOff: Fault = async (scene, name) => {
  await scene.lab.powerOff(name);
  return () => scene.lab.powerOn(name);
};

export const stoppedInGoodOrder: Fault = async (scene, name) => {
  await scene.cluster.muster(name, "node", "stop");
  return null;
};

export const movedAway: Fault = async (scene, name) => {
  const target = scene.others(name)[0]!;
  await scene.cluster.api(target).send("POST", "/v1/groups/web/move", { body: { node: target } });
  return null;
};
