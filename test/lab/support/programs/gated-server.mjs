/**
 * A resource type for a program that is reached by a clustered address only: the gate in front of that address is
 * what keeps an old copy from serving, so a taker waits for the lease and not for the permit of processes.
 */
const SETTLE_MS = 50;

export default {
  name: "Gated Server",
  description: "A program that is reached by a clustered address only.",
  protection: "gatedNetwork",
  privateProperties: [{ name: "CommandLine", type: "string", default: "", required: true, description: "Words with blanks between them." }],
  open: () => ({ process: null }),
  async online(context, state) {
    const [command, ...words] = String(context.values["CommandLine"]).split(" ");
    const child = context.spawn(command, words);
    state.process = child;
    void child.exited.then(() => context.signalFailure("the program ended"));
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  },
  offline: (_context, state) => state.process?.signalGroup("SIGKILL"),
  terminate: (_context, state) => state.process?.signalGroup("SIGKILL"),
};
