import type { PropertyBag } from "../objects.ts";
import type { PropertyTable } from "../properties.ts";
import type { WitnessKind } from "../states.ts";

/** What each kind of witness must be told (reference 3.3, 4.4). */
export const witnessProperties: Readonly<Record<WitnessKind, PropertyTable>> = {
  disk: [{ name: "Device", type: "string", default: "", required: true, description: "Path of the shared disk, the same on every node." }],
  fileShare: [
    { name: "SharePath", type: "string", default: "", required: true, description: "Directory on a share that every node has mounted." },
    { name: "ArbitrationDelay", type: "number", default: 6, minimum: 0, maximum: 60, unit: "s", stored: true, description: "In Windows: how long who asks waits for who had it before. Here who asks first has it: a claim is decided by the records, and waiting would only make failover slower." },
  ],
  cloud: [
    { name: "EndpointInfo", type: "string", default: "", required: true, description: "Address of the object store, which speaks the protocol of S3: https://HOST or https://HOST:PORT." },
    { name: "ContainerName", type: "string", default: "", required: true, description: "Container or bucket that holds the records." },
    { name: "AccountName", type: "string", default: "", description: "Account to sign in with: the access key's id." },
    { name: "PrimaryKey", type: "string", default: "", description: "Its key: the secret access key. It is never shown." },
    { name: "Region", type: "string", default: "us-east-1", description: "Region that requests are signed for; most stores other than Amazon's take any." },
  ],
  daemon: [
    { name: "Address", type: "string", default: "", required: true, description: "host:port of the witness daemon, on a machine that is no node." },
    { name: "Fingerprint", type: "string", default: "", description: "SHA-256 of the daemon's certificate; it prints it when it starts." },
  ],
};

/** What of a witness is for the witness alone, and not for who looks. */
const SECRETS: readonly string[] = ["PrimaryKey"];

export function withoutSecrets(properties: PropertyBag): PropertyBag {
  return Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, SECRETS.includes(name) && value !== "" ? "(set)" : value]));
}
