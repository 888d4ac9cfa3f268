import type { PropertyTable } from "../properties.ts";
import type { WitnessKind } from "../states.ts";

/** What each kind of witness must be told (reference 3.3, 4.4). */
export const witnessProperties: Readonly<Record<WitnessKind, PropertyTable>> = {
  disk: [{ name: "Device", type: "string", default: "", required: true, description: "Path of the shared disk, the same on every node." }],
  fileShare: [
    { name: "SharePath", type: "string", default: "", required: true, description: "Directory on a share that every node has mounted." },
    { name: "ArbitrationDelay", type: "number", default: 6, minimum: 0, maximum: 60, unit: "s", description: "How long who asks waits for who had it before." },
  ],
  cloud: [
    { name: "EndpointInfo", type: "string", default: "", required: true, description: "Address of the object store." },
    { name: "ContainerName", type: "string", default: "", required: true, description: "Container or bucket that holds the records." },
    { name: "AccountName", type: "string", default: "", description: "Account to sign in with." },
    { name: "PrimaryKey", type: "string", default: "", description: "Its key." },
  ],
  daemon: [
    { name: "Address", type: "string", default: "", required: true, description: "host:port of the witness daemon, on a machine that is no node." },
    { name: "Fingerprint", type: "string", default: "", description: "SHA-256 of the daemon's certificate; it prints it when it starts." },
  ],
};
