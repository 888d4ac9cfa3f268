import type { ResourceTypeRecord } from "./objects.ts";
import { ipAddressProperties, ipv6AddressProperties } from "./properties/addresses.ts";
import { networkNameProperties } from "./properties/network-name.ts";

/** Private property of a program: the gate of its role's addresses protects it (PROTOCOL part 2, "gated network"). */
export const SERVED_BY_ADDRESS_ONLY = "ServedByAddressOnly";

/** The types every cluster has (reference 3.1, 3.3). The code that runs them is in `resources/`. */
export const builtInResourceTypes: readonly ResourceTypeRecord[] = [
  {
    name: "Generic Application",
    description: "A program that is started, watched and ended; it fails when its process ends.",
    properties: {},
    privateProperties: [
      { name: "CommandLine", type: "string", default: "", required: true, description: "Program and arguments; quotes and backslashes as in a shell, nothing is expanded." },
      { name: "CurrentDirectory", type: "string", default: "", description: "Working directory; empty = the directory of the cluster." },
      { name: "Environment", type: "stringList", default: [], description: "NAME=VALUE pairs added to the environment of the service." },
      { name: "HealthCheckUrl", type: "string", default: "", description: "http://…, or tcp://ADDRESS:PORT; IsAlive fails when it does not answer. Empty = the process is enough." },
      { name: "HealthCheckCommand", type: "string", default: "", description: "A program whose exit code 0 means alive." },
      { name: "HealthCheckTimeout", type: "number", default: 2_000, minimum: 10, maximum: 600_000, unit: "ms", description: "Longest time a health check may take." },
      { name: "HealthCheckDelay", type: "number", default: 10_000, minimum: 0, maximum: 3_600_000, unit: "ms", description: "Time after the start in which a health check that has never succeeded yet does not count." },
      { name: SERVED_BY_ADDRESS_ONLY, type: "number", default: 0, minimum: 0, maximum: 1, description: "1 = clients reach it through the addresses of its role alone, and a second copy that nobody reaches does no harm: when a node is lost it starts elsewhere as soon as these addresses may. 0 = it also waits until the lost copy has certainly been ended." },
      { name: "StopTimeout", type: "number", default: 5_000, minimum: 0, maximum: 3_600_000, unit: "ms", description: "Time between SIGTERM and SIGKILL when it is taken offline." },
    ],
    protection: "process",
  },
  {
    name: "IP Address",
    description: "An IPv4 address clients use; it is on the owner only.",
    properties: {},
    privateProperties: ipAddressProperties,
    protection: "gatedNetwork",
  },
  {
    name: "IPv6 Address",
    description: "An IPv6 address clients use; it is on the owner only. Not with the embedded engine.",
    properties: {},
    privateProperties: ipv6AddressProperties,
    protection: "gatedNetwork",
  },
  {
    name: "Network Name",
    description: "A name in DNS for the addresses it depends on; registered where the role is.",
    properties: {},
    privateProperties: networkNameProperties,
    // Late updates of a former owner are refused by the generation in the marker; what waits are its addresses.
    protection: "gatedNetwork",
  },
];
