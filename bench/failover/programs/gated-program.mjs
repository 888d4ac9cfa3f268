/**
 * A resource type for a program that is reached by a clustered address only: what keeps an old copy from serving is the
 * kernel's gate in front of that address, so a taker waits for the lease and not for the permit of processes.
 * Beyond that it does what Generic Application does.
 */
const SETTLE_MS = 50;

function wordsOf(text) {
  return Array.from(String(text).matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain);
}

export default {
  name: "Gated Program",
  description: "A program that is reached by a clustered address only.",
  protection: "gatedNetwork",
  privateProperties: [{ name: "CommandLine", type: "string", default: "", required: true, description: "The program and its words." }],
  open: () => ({ process: null }),
  async online(context, state) {
    const [command, ...words] = wordsOf(context.values["CommandLine"]);
    const child = context.spawn(command, words);
    state.process = child;
    void child.exited.then(() => context.signalFailure("the program ended"));
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  },
  offline: (_context, state) => state.process?.signalGroup("SIGTERM"),
  terminate: (_context, state) => state.process?.signalGroup("SIGKILL"),
};
