import { ProtectionClasses } from "../model/states.ts";
import type { ProtectionClass } from "../model/states.ts";
import type { ReportedStatus } from "../model/inputs.ts";
import type { PropertyBag, PropertyValue, ProviderRecord, ResourceRecord, ResourceTypeRecord } from "../model/objects.ts";
import type { PropertyTable } from "../model/properties.ts";
import { requireProperties, validateProperties } from "../model/properties.ts";

/**
 * The contract between the Resource Monitor and a resource type: what Windows calls a resource DLL
 * (reference 5.4). A type is a module whose default export is made by {@link defineResourceType};
 * docs/resource-types.md shows how to write one.
 */

/** Alive, not alive, or not alive for a reason that people will read. */
export type Health = boolean | { readonly reason: string };

/** Values of the private properties; those that were not given have their defaults. */
export type PrivateValues = Readonly<Record<string, PropertyValue>>;

/** How a process ended. */
export interface ProcessExit {
  /** null when it was ended by a signal. */
  readonly code: number | null;
  readonly signal: string | null;
}

/** A process of the role's tree. It ends with the resource, at the latest. */
export interface RoleProcess {
  readonly processId: number;
  /** Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Sends a signal to the process and all others of its group; nothing happens when it has ended. */
  signalGroup(signal: NodeJS.Signals): void;
}

export interface SpawnOptions {
  /** Default: the directory Muster was started in. */
  readonly currentDirectory?: string;
  /** Added to the environment of the service. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Report this process as the resource's. Default: the first one is. */
  readonly main?: boolean;
}

/** What a type knows of its resource and may ask of the monitor. One object per start of the resource. */
export interface ResourceContext {
  /** The record as it is now; an update replaces it. */
  readonly resource: ResourceRecord;
  readonly values: PrivateValues;
  /**
   * What the resource names in its dependency, with how it is; the service tells when that changes. `looksAlive` is a
   * good place to look again.
   */
  readonly providers: readonly ProviderRecord[];
  readonly groupName: string;
  readonly clusterName: string;
  /** Never changes, and no other cluster has it. */
  readonly clusterId: string;
  readonly nodeName: string;
  readonly generation: number;
  /** It was online a moment ago, here or elsewhere: what it uses was the cluster's then. */
  readonly isHandover: boolean;
  /** The directory Muster was started in. */
  readonly workingDirectory: string;
  /** Aborted when the resource is to end at once: give up whatever is under way. */
  readonly signal: AbortSignal;
  /** One line to the role's output file, with the time and node before it. */
  log(text: string): void;
  /**
   * Starts a program in the role's process tree: its own session, no standard input, output appended to
   * the role's output file. All processes of the tree are ended with the resource, whatever they do.
   * @throws MusterError MUSTER_COMMAND_NOT_FOUND, MUSTER_INVALID_ARGUMENT (directory), or an Error when the
   *   resource may not start anything any more
   */
  spawn(command: string, words: readonly string[], options?: SpawnOptions): RoleProcess;
  /** The last line the role's processes wrote, or null. For reasons. */
  lastOutputLine(): string | null;
  /** "I am getting on": PendingTimeout and DeadlockTimeout count from now again (the check point of reference 5.4). */
  progress(): void;
  /** The resource has failed, noticed without a poll (reference 2.9, asynchronous detection). */
  signalFailure(reason: string): void;
  /**
   * What is so beside the state (reference 2.4); what is not named stays as it was, and all of it ends with this
   * start. `locked: true` asks that nobody stops or moves it now.
   * @throws Error naming what is not known
   */
  setStatus(status: Omit<ReportedStatus, "embeddedFailure">): void;
  /**
   * From now on traffic of the address passes this node's gate, while the node's lease holds. Before the address is
   * there: what the gate does not know passes it. Without a gate (the embedded engine) nothing happens.
   * @throws MusterError when the gate could not be changed
   */
  ownAddress(address: string): Promise<void>;
  /** Nothing of the address passes any more; before it is taken away. Done with the end of this start at the latest. */
  disownAddress(address: string): Promise<void>;
  /** The application inside has failed although the resource runs; EmbeddedFailureAction says what follows. null = it is well again. */
  signalEmbeddedFailure(reason: string | null): void;
}

/** What a type may rely on where it runs. */
export interface Surroundings {
  /** The cluster spans hosts, and its nodes have gates; otherwise it is the embedded engine's. */
  readonly isGated: boolean;
}

type MaybePromise<T> = T | Promise<T>;

/**
 * The entry points of a type. Of one resource they are never called at the same time, except `terminate`,
 * which may come while any other is running. Throwing means: it failed, for this reason.
 * Nothing may block the thread: other resources share it.
 */
export interface ResourceTypeDefinition<State = unknown> {
  /** Unique; case counts. */
  readonly name: string;
  readonly description?: string;
  /** Poll intervals that differ from LooksAlive 5000 ms, IsAlive 60 000 ms, for all resources of the type. */
  readonly properties?: PropertyBag;
  readonly privateProperties?: PropertyTable;
  /**
   * Who does the work, and so holds the lock that keeps a second copy from starting elsewhere.
   * "monitor" (default): this process, and the processes it started. "processes": only the processes that
   * were started before `online` returned; a hung monitor then does not stand in the way of a new owner.
   */
  readonly lockHolder?: "monitor" | "processes";
  /** What keeps two hosts from running it at once, where hosts are apart (PROTOCOL part 2); default: its process is ended. */
  readonly protection?: ProtectionClass;
  /** Checks what a table cannot say. @throws Error with the problem */
  validate?(values: PrivateValues, surroundings: Surroundings): void;
  /** Longest time an IsAlive call may take, ms, when the type knows better than the monitor. */
  isAliveLimitMs?(values: PrivateValues): number;
  /** Makes what one start needs; must not start anything. Its result is handed to all others. */
  open?(context: ResourceContext): MaybePromise<State>;
  /** Returns when the resource serves. Bounded by PendingTimeout without {@link ResourceContext.progress}. */
  online(context: ResourceContext, state: State): MaybePromise<void>;
  /** Takes it down with grace. Processes that are left are ended when it returns. */
  offline?(context: ResourceContext, state: State): MaybePromise<void>;
  /** Ends it at once, without grace; also called after a failure. Processes of the tree are ended anyway. */
  terminate?(context: ResourceContext, state: State): MaybePromise<void>;
  /** Cheap (< 300 ms); false makes the monitor ask `isAlive` at once. */
  looksAlive?(context: ResourceContext, state: State): MaybePromise<Health>;
  /** Thorough; false makes the resource failed. */
  isAlive?(context: ResourceContext, state: State): MaybePromise<Health>;
  /** Frees what `open` made. The last call of a start. */
  close?(context: ResourceContext, state: State): MaybePromise<void>;
}

export interface ResourceType extends ResourceTypeDefinition {
  readonly description: string;
  readonly properties: PropertyBag;
  readonly privateProperties: PropertyTable;
  readonly lockHolder: "monitor" | "processes";
}

const brand = Symbol.for("muster.resourceType");
const entryPoints = ["validate", "isAliveLimitMs", "open", "online", "offline", "terminate", "looksAlive", "isAlive", "close"] as const;

/**
 * Makes a resource type, checking what the compiler cannot see in a module that was written elsewhere.
 * @throws Error that names what is wrong
 */
export function defineResourceType<State = undefined>(definition: ResourceTypeDefinition<State>): ResourceType {
  if (typeof definition !== "object" || definition === null) throw new Error("a resource type is an object");
  const { name } = definition;
  if (typeof name !== "string" || name.trim() === "" || name.length > 260) throw new Error("name: a resource type needs a name of 1 to 260 characters");
  for (const entry of entryPoints) {
    const value: unknown = definition[entry];
    if (value === undefined && entry !== "online") continue;
    if (typeof value !== "function") throw new Error(`${entry}: the type '${name}' must have a function here`);
  }
  const privateProperties = definition.privateProperties ?? [];
  checkTable(name, privateProperties);
  const lockHolder = definition.lockHolder ?? "monitor";
  if (lockHolder !== "monitor" && lockHolder !== "processes") throw new Error(`lockHolder: '${String(lockHolder)}' is neither monitor nor processes`);
  const { protection } = definition;
  if (protection !== undefined && !ProtectionClasses.includes(protection)) throw new Error(`protection: '${String(protection)}' is none of ${ProtectionClasses.join(", ")}`);
  const type = {
    ...(definition as ResourceTypeDefinition),
    description: definition.description ?? "",
    properties: definition.properties ?? {},
    privateProperties,
    lockHolder,
    [brand]: true,
  };
  return Object.freeze(type);
}

/** True for what {@link defineResourceType} of any copy of Muster made. */
export function isResourceType(value: unknown): value is ResourceType {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[brand] === true;
}

/** What the cluster must know of the type; services send it as the command `type.register`. */
export function toResourceTypeRecord(type: ResourceType): ResourceTypeRecord {
  const { name, description, properties, privateProperties, protection } = type;
  return { name, description, properties, privateProperties, ...(protection === undefined ? {} : { protection }) };
}

/**
 * The values in force of a resource's private properties, checked.
 * @throws MusterError naming the property, or the type's own Error
 */
export function privateValuesOf(type: ResourceType, bag: PropertyBag, surroundings: Surroundings = { isGated: false }): PrivateValues {
  validateProperties(type.privateProperties, bag, `a resource of type ${type.name}`);
  requireProperties(type.privateProperties, bag, type.name);
  const values: Record<string, PropertyValue> = {};
  for (const definition of type.privateProperties) values[definition.name] = bag[definition.name] ?? definition.default;
  type.validate?.(values, surroundings);
  return values;
}

function checkTable(type: string, table: PropertyTable): void {
  if (!Array.isArray(table)) throw new Error(`privateProperties: the type '${type}' must have a list here`);
  const seen = new Set<string>();
  for (const property of table) {
    if (typeof property?.name !== "string" || !/^[A-Za-z][A-Za-z0-9]*$/.test(property.name)) throw new Error(`privateProperties: '${String(property?.name)}' is no name for a property (letters and digits)`);
    if (seen.has(property.name)) throw new Error(`privateProperties: '${property.name}' is there twice`);
    if (!["number", "string", "boolean", "stringList"].includes(property.type)) throw new Error(`privateProperties: '${property.name}' has the unknown type '${String(property.type)}'`);
    if (property.default === undefined) throw new Error(`privateProperties: '${property.name}' has no default`);
    seen.add(property.name);
  }
}
