import type { CutSelection } from "../../../src/lab/lab.ts";
import type { Fault, Scene } from "./scene.ts";

/** What can happen to a node, each with how it is mended. */

const SERVICE = "service run";
const MONITOR = /src\/monitor\/main\.ts/;
const COROSYNC = "corosync -f";

/** Starts the service of a node unless it runs: in a lab there is no systemd that would. */
export async function startService(scene: Scene, name: string, ...words: string[]): Promise<void> {
  if (scene.lab.host(name).processId(SERVICE) === null) await scene.cluster.muster(name, "node", "start", ...words);
}

const killed = (pattern: string | RegExp, isStartedAgain: boolean): Fault => async (scene, name) => {
  await scene.lab.kill(name, pattern, "SIGKILL");
  return isStartedAgain ? null : () => startService(scene, name);
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
  return () => scene.lab.heal();
};

export const serviceKilled = killed(SERVICE, false);
export const monitorKilled = killed(MONITOR, true);
export const corosyncKilled = killed(COROSYNC, true);
export const serviceStopped = stopped(SERVICE);
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
  return () => scene.lab.heal();
};

export const paused: Fault = async (scene, name) => {
  await scene.lab.pause(name);
  return () => scene.lab.resume(name);
};

export const poweredOff: Fault = async (scene, name) => {
  await scene.lab.powerOff(name);
  return async () => {
    await scene.lab.powerOn(name);
    await startService(scene, name);
  };
};

export const stoppedInGoodOrder: Fault = async (scene, name) => {
  await scene.cluster.muster(name, "node", "stop");
  return () => startService(scene, name);
};

export const movedAway: Fault = async (scene, name) => {
  const target = scene.others(name)[0]!;
  await scene.cluster.api(target).send("POST", "/v1/groups/web/move", { body: { node: target } });
  return null;
};
