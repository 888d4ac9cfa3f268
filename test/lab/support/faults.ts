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
export const unplugged = cut({ network: "net0", unplug: true });

/** Two nodes do not hear each other; both hear the third. */
export const cutFromOne: Fault = async (scene, name) => {
  await scene.lab.cut(name, { from: scene.others(name)[0]! });
  return () => scene.lab.heal(name);
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
