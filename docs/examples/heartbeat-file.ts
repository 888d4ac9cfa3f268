/**
 * A complete resource type: it keeps the time in a file up to date, so that other programs can see which
 * node is the owner, and that it is alive. Put this file into your directory of resource types.
 *
 * The import gives the editor the types; it vanishes when the module is loaded, so the module may lie
 * anywhere. A module in JavaScript simply leaves it out.
 */
import type { ResourceTypeDefinition } from "../../src/monitor/resource-type.ts";
import { rename, rm, stat, writeFile } from "node:fs/promises";

/** What one start of the resource needs; `open` makes it and all other functions get it. */
interface State {
  readonly path: string;
  timer: NodeJS.Timeout | null;
}

const heartbeatFile: ResourceTypeDefinition<State> = {
  name: "Heartbeat File",
  description: "A file that the owner keeps up to date.",
  // Polls of all resources of the type, unless a resource sets its own.
  properties: { LooksAlivePollInterval: 1_000, IsAlivePollInterval: 10_000 },
  privateProperties: [
    { name: "Path", type: "string", default: "", required: true, description: "The file to write." },
    { name: "Interval", type: "number", default: 1_000, minimum: 10, maximum: 3_600_000, unit: "ms", description: "Time between two writes." },
  ],

  validate(values) {
    if (!String(values["Path"]).startsWith("/")) throw new Error("Path: give the whole path, from /");
  },

  open: (context) => ({ path: String(context.values["Path"]), timer: null }),

  async online(context, state) {
    // The first write decides whether it can be online at all: an error here is the reason people read.
    await write(context.nodeName, state);
    state.timer = setInterval(() => {
      // Later errors are reported at once, without waiting for a poll.
      write(context.nodeName, state).catch((error: Error) => context.signalFailure(`cannot write: ${error.message}`));
    }, Number(context.values["Interval"]));
    context.log(`writing ${state.path}`);
  },

  async offline(_context, state) {
    stop(state);
    await rm(state.path, { force: true });
  },

  // Without grace: nothing may take time here.
  terminate: (_context, state) => stop(state),

  looksAlive: (_context, state) => state.timer !== null,

  async isAlive(context, state) {
    const { mtimeMs } = await stat(state.path);
    const ageMs = Date.now() - mtimeMs;
    if (ageMs < 5 * Number(context.values["Interval"]) + 1_000) return true;
    return { reason: `${state.path} is ${Math.round(ageMs)} ms old` };
  },

  close: (_context, state) => stop(state),
};

export default heartbeatFile;

async function write(nodeName: string, state: State): Promise<void> {
  // Renamed into place, so that a reader never sees half of it.
  const temporary = `${state.path}.${process.pid}.new`;
  await writeFile(temporary, `${nodeName} ${new Date().toISOString()}\n`);
  await rename(temporary, state.path);
}

function stop(state: State): void {
  if (state.timer !== null) clearInterval(state.timer);
  state.timer = null;
}
