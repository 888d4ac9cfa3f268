import { appendFileSync } from "node:fs";
import { hostname } from "node:os";

/** A resource that is nothing but a line in a file that all hosts see: what remains is what the cluster takes itself. */
export default {
  name: "Marker",
  description: "Writes down where and when it was brought online.",
  protection: "gatedNetwork",
  privateProperties: [
    { name: "File", type: "string", default: "", required: true, description: "The file that all hosts see." },
    { name: "Mark", type: "string", default: "", required: true, description: "Its name in the file." },
  ],
  open: () => ({}),
  async online(context) {
    const atMs = Number(process.hrtime.bigint() / 1_000n) / 1_000;
    appendFileSync(String(context.values["File"]), `${JSON.stringify({ mark: context.values["Mark"], node: hostname(), atMs })}\n`);
  },
  offline: () => undefined,
  terminate: () => undefined,
};
