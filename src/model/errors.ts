/**
 * The one error catalogue. Every error that leaves Muster has a stable code, says what
 * happened, and says what to do next. Exit codes follow sysexits and Pacemaker's table
 * where the meanings agree (reference: field 6.2).
 */

interface ErrorDefinition {
  readonly httpStatus: number;
  readonly exitCode: number;
  /** `{name}` is replaced from the details. */
  readonly message: string;
  readonly next: string;
}

export const ErrorCatalogue = {
  // what was asked is wrong (exit 2 usage, 65 data, 105 no such)
  MUSTER_INVALID_ARGUMENT: { httpStatus: 400, exitCode: 2, message: "{field}: {problem}", next: "Correct {field} and try again." },
  MUSTER_UNKNOWN_PROPERTY: { httpStatus: 400, exitCode: 2, message: "{field}: there is no such property of {object}.", next: "Known properties: {known}." },
  MUSTER_READ_ONLY_PROPERTY: { httpStatus: 400, exitCode: 2, message: "{field} is read-only.", next: "Leave {field} out." },
  MUSTER_PROPERTY_RANGE: { httpStatus: 400, exitCode: 2, message: "{field}: {value} is not allowed; it takes {range}.", next: "Give {field} a value in that range." },
  MUSTER_MISSING_PROPERTY: { httpStatus: 400, exitCode: 2, message: "{field} is required by the type {type}.", next: "Add {field}=VALUE." },
  MUSTER_NODE_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no node named '{name}'.", next: "Nodes: muster node list" },
  MUSTER_GROUP_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no group named '{name}'.", next: "Groups: muster group list" },
  MUSTER_RESOURCE_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no resource named '{name}'.", next: "Resources: muster resource list" },
  MUSTER_TYPE_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no resource type named '{name}'.", next: "Types: {known}." },
  MUSTER_NAME_IN_USE: { httpStatus: 409, exitCode: 65, message: "{field}: the name '{name}' is already in use.", next: "Choose another name." },
  MUSTER_DEPENDENCY_SYNTAX: { httpStatus: 400, exitCode: 2, message: "dependency: {problem}", next: "Write it as [a] and ([b] or [c])." },
  MUSTER_DEPENDENCY_CYCLE: { httpStatus: 409, exitCode: 65, message: "dependency: {path} would depend on itself.", next: "Remove one of these dependencies." },
  MUSTER_DEPENDENCY_OUTSIDE_GROUP: { httpStatus: 409, exitCode: 65, message: "dependency: '{provider}' is not in the group '{group}'.", next: "A resource depends only on resources of its own group." },
  MUSTER_RESOURCE_HAS_DEPENDENTS: { httpStatus: 409, exitCode: 113, message: "'{name}' is needed by {dependents}.", next: "Change their dependency first: muster resource depend NAME EXPRESSION" },
  MUSTER_LIMIT: { httpStatus: 409, exitCode: 65, message: "{what} is limited to {limit}.", next: "Delete something first or ask for less." },

  // the cluster is not in a state for it (113 unsatisfied)
  MUSTER_GROUP_NOT_OFFLINE: { httpStatus: 409, exitCode: 113, message: "The group '{name}' is not offline.", next: "Take it offline first: muster group offline {name}; or delete with --force." },
  MUSTER_RESOURCE_NOT_OFFLINE: { httpStatus: 409, exitCode: 113, message: "The resource '{name}' is not offline.", next: "Take it offline first: muster resource offline {name}; or delete with --force." },
  MUSTER_RESOURCE_NOT_ONLINE: { httpStatus: 409, exitCode: 113, message: "The resource '{name}' is not online.", next: "Bring it online first: muster resource online {name}" },
  MUSTER_NODE_NOT_AVAILABLE: { httpStatus: 409, exitCode: 113, message: "The node '{node}' cannot take the group '{group}': {reason}.", next: "Choose another node: muster node list" },
  MUSTER_NO_NODE_AVAILABLE: { httpStatus: 409, exitCode: 113, message: "No other node can take the group '{group}': {reason}.", next: "See why: muster why {group}" },
  MUSTER_NODE_NOT_PAUSED: { httpStatus: 409, exitCode: 113, message: "The node '{name}' is not paused.", next: "Nothing to do." },
  MUSTER_NODE_ALREADY_PAUSED: { httpStatus: 409, exitCode: 113, message: "The node '{name}' is already paused.", next: "Resume it: muster node resume {name}" },
  MUSTER_GROUP_FAILED: { httpStatus: 409, exitCode: 1, message: "The group '{name}' has failed: {reason}", next: "See why: muster why {name}; its output: muster group log {name}" },
  MUSTER_RESOURCE_FAILED: { httpStatus: 409, exitCode: 1, message: "The resource '{name}' has failed: {reason}", next: "See more: muster resource show {name}" },
  MUSTER_CONDITION_FAILED: { httpStatus: 412, exitCode: 113, message: "Operation {number} of the batch: the condition '{operation}' on '{key}' does not hold.", next: "Nothing was changed; read the value again and decide." },
  MUSTER_KEY_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no key '{key}' in the Cluster Database.", next: "Check the key." },

  MUSTER_FAULT_DOMAIN_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no fault domain named '{name}'.", next: "Fault domains: muster faultdomain list" },
  MUSTER_FAULT_DOMAIN_IN_USE: { httpStatus: 409, exitCode: 113, message: "The fault domain '{name}' cannot be deleted: {users}.", next: "Take out what is in it first: muster faultdomain list" },
  MUSTER_AFFINITY_RULE_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no affinity rule named '{name}'.", next: "Affinity rules: muster affinity list" },
  MUSTER_NO_WITNESS_CLIENT: { httpStatus: 409, exitCode: 113, message: "This cluster cannot ask a witness of the kind {kind}: {reason}.", next: "See who decides: muster quorum show" },
  MUSTER_GROUP_LOCKED: { httpStatus: 409, exitCode: 113, message: "The group '{name}' is locked from moving (LockedFromMoving).", next: "Unlock it: muster group set {name} LockedFromMoving=0" },
  MUSTER_RESOURCE_LOCKED: { httpStatus: 409, exitCode: 113, message: "The resource '{name}' is locked: it must not be stopped now.", next: "Wait, queue the move (--queue), or end it all the same: --ignore-locked" },
  MUSTER_NOTHING_TO_CANCEL: { httpStatus: 409, exitCode: 113, message: "The group '{name}' is not moving and no move of it is queued.", next: "Nothing to do." },
  MUSTER_NODE_NOT_READY_TO_EVICT: { httpStatus: 409, exitCode: 113, message: "The node '{name}' may still run roles.", next: "Drain and stop it first: muster node pause {name} --drain; or evict it with --force." },
  MUSTER_LAST_NODE: { httpStatus: 409, exitCode: 113, message: "'{name}' is the only node of the cluster.", next: "Destroy the cluster instead." },
  MUSTER_ONLY_POSSIBLE_OWNER: { httpStatus: 409, exitCode: 113, message: "'{node}' is the only possible owner of the resource '{resource}'.", next: "Change that first: muster resource set {resource} --possible-owners NODES" },
  MUSTER_EVICTED_RECENTLY: { httpStatus: 409, exitCode: 113, message: "A node was evicted {ago} s ago; a node is added {delay} s after that at the earliest (AddEvictDelay).", next: "Try again in a moment." },
  MUSTER_GROUP_SET_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no group set named '{name}'.", next: "Group sets: muster groupset list" },
  MUSTER_GROUP_IN_ANOTHER_SET: { httpStatus: 409, exitCode: 65, message: "groups: '{group}' is in the group set '{set}' already.", next: "A group is in one set at most: take it out of that one first." },
  MUSTER_START_ORDER_CYCLE: { httpStatus: 409, exitCode: 65, message: "startsAfter: {path} would wait for itself.", next: "Remove one of these." },
  MUSTER_NETWORK_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no network named '{name}'.", next: "Networks: muster network list" },
  MUSTER_ONLY_INTERNAL_NETWORK: { httpStatus: 409, exitCode: 113, message: "Role: '{name}' is the only network the nodes use among themselves.", next: "Let them use another one first: muster network set NETWORK Role=1" },
  MUSTER_NETWORK_IN_USE: { httpStatus: 409, exitCode: 113, message: "Role: clients use '{name}' for the address of the resource '{resource}'.", next: "Delete that resource, or change its Address, first." },
  MUSTER_GROUP_SET_IN_USE: { httpStatus: 409, exitCode: 113, message: "The group set '{name}' is awaited by {waiters}.", next: "Change what they start after first." },

  // the cluster cannot answer now (106 no quorum, 102 disconnected, 124 timeout)
  MUSTER_NO_QUORUM: { httpStatus: 503, exitCode: 106, message: "No view is active: {reason}.", next: "Start more nodes; see: muster status" },
  MUSTER_TIMEOUT: { httpStatus: 504, exitCode: 124, message: "No answer within {timeoutMs} ms; the request may still take effect.", next: "Look before you repeat it: muster status" },
  MUSTER_BUSY: { httpStatus: 503, exitCode: 75, message: "{what} is full ({limit}).", next: "Try again in a moment." },
  MUSTER_NOT_REACHABLE: { httpStatus: 503, exitCode: 102, message: "No node answers at {address}: {problem}.", next: "Start a cluster with 'npm start', or name one with --connect URL or --directory DIR." },
  MUSTER_UNAUTHORIZED: { httpStatus: 401, exitCode: 77, message: "The token is missing or wrong.", next: "Set MUSTER_TOKEN to the content of the file 'token' in the cluster's directory." },

  MUSTER_HISTORY_UNAVAILABLE: { httpStatus: 503, exitCode: 74, message: "This node keeps no history: {problem}.", next: "Ask another node with --connect, or look at the file 'history.sqlite' in the node's directory." },
  MUSTER_HISTORY_BEFORE: { httpStatus: 404, exitCode: 105, message: "The history of this node does not reach back to {time}.", next: "See from when it does: muster history list" },
  MUSTER_HISTORY_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "There is no entry {id} in the history of this node.", next: "Entries: muster history list" },

  // this node or machine (74 I/O, 78 configuration, 70 software)
  MUSTER_DATABASE_UNWRITABLE: { httpStatus: 500, exitCode: 74, message: "The database directory {path} cannot be written: {problem}.", next: "Give this user write access to it, or choose another with --directory." },
  MUSTER_DATABASE_IN_USE: { httpStatus: 500, exitCode: 74, message: "The database {path} is in use by another process.", next: "Another node or cluster runs on this directory: stop it, or choose another with --directory." },
  MUSTER_DATABASE_CORRUPT: { httpStatus: 500, exitCode: 74, message: "The database {path} is damaged: {problem}.", next: "It was set aside as {aside}; the node fetches a fresh copy when a node with a good copy is up." },
  MUSTER_DATABASE_CORRUPT_ALONE: { httpStatus: 500, exitCode: 74, message: "The database {path} is damaged ({problem}) and there is no other node to copy from.", next: "Restore {path} from a backup, or remove it to start an empty cluster." },
  MUSTER_DATABASE_FORMAT: { httpStatus: 500, exitCode: 78, message: "The database {path} was written by a newer release (format {found}; this one reads up to {known}).", next: "Install the release that wrote it, or choose another directory with --directory." },
  MUSTER_DISK_FULL: { httpStatus: 507, exitCode: 74, message: "The disk of {path} is full.", next: "Free some space; the node rejoins by itself." },
  MUSTER_DIRECTORY_IN_USE: { httpStatus: 500, exitCode: 73, message: "Another cluster already runs in {path} (process {processId}).", next: "Stop it, or choose another with --directory." },
  MUSTER_DIRECTORY_OTHER_CLUSTER: { httpStatus: 500, exitCode: 78, message: "{path} belongs to the cluster '{found}', not '{wanted}'.", next: "Choose another directory, or drop --name." },
  MUSTER_VERSION_MISMATCH: { httpStatus: 500, exitCode: 78, message: "Node {node} speaks protocol version {theirs}; this node speaks {ours}.", next: "Install the same version of Muster on both." },
  MUSTER_NODE_IN_USE: { httpStatus: 409, exitCode: 73, message: "Node {node} already runs in another process: {problem}.", next: "Stop that process, or start this node under another number." },
  MUSTER_ADDRESS_UNSUPPORTED: { httpStatus: 400, exitCode: 2, message: "Address: {address} is not a loopback address.", next: "The embedded engine serves addresses in 127.0.0.0/8, for example 127.0.0.100." },
  MUSTER_ADDRESS_IN_USE: { httpStatus: 409, exitCode: 65, message: "Duplicate address: {address} is already in use by {holder}.", next: "Take that offline, or choose another address." },
  MUSTER_PROGRAM_MISSING: { httpStatus: 500, exitCode: 69, message: "The program '{program}' is not installed.", next: "Install it: apt-get install {package}" },
  MUSTER_NOT_ROOT: { httpStatus: 403, exitCode: 77, message: "{what} needs root.", next: "Run it as root." },
  MUSTER_ALREADY_MEMBER: { httpStatus: 409, exitCode: 73, message: "This machine is node '{node}' of the cluster '{cluster}' already ({path}).", next: "Evict it there first, then: muster node clean" },
  MUSTER_NOT_MEMBER: { httpStatus: 409, exitCode: 78, message: "This machine belongs to no cluster: there is none in {path}.", next: "Create one: muster cluster create --name NAME; or join one: muster node join TOKEN" },
  MUSTER_JOIN_TOKEN_UNKNOWN: { httpStatus: 403, exitCode: 77, message: "The join token is not one of this cluster's, or it has expired.", next: "Make a new one on a node of the cluster: muster node token" },
  MUSTER_JOIN_TOKEN_USED: { httpStatus: 403, exitCode: 77, message: "The join token was used already, by the node '{node}'.", next: "Make a new one on a node of the cluster: muster node token" },
  MUSTER_OTHER_CLUSTER: { httpStatus: 403, exitCode: 77, message: "Who answers at {address} is not the cluster '{cluster}': its certificate is signed by another authority.", next: "Compare the token with the cluster, or make a new one there: muster node token" },
  MUSTER_CLOCKS_APART: { httpStatus: 409, exitCode: 113, message: "The clock of '{node}' differs from this cluster's by {seconds} s; {limit} s are allowed.", next: "Set the clocks of both by the same time server (chrony, systemd-timesyncd), then try again." },
  MUSTER_NO_HOST_CLUSTER: { httpStatus: 409, exitCode: 113, message: "This cluster runs on one machine, with the embedded engine: other machines cannot join it.", next: "Create one that can: muster cluster create --name NAME" },
  MUSTER_CLUSTER_HAS_ROLES: { httpStatus: 409, exitCode: 113, message: "The cluster {cluster} has roles: {roles}.", next: "Delete them first, or destroy it with all of them: muster cluster destroy --force" },
  MUSTER_NO_LEASE: { httpStatus: 409, exitCode: 113, message: "This cluster runs on one machine, with the embedded engine: its nodes need no leases.", next: "See who owns what: muster status" },
  MUSTER_NOT_OWN_ADDRESS: { httpStatus: 409, exitCode: 78, message: "{address} is no address of this machine; it has {own}.", next: "Give it the address, or name those it has with --network. If this disk is a copy of another node's: muster node clean --force, then join." },
  MUSTER_SERVICE_ENDED: { httpStatus: 500, exitCode: 1, message: "{name} ended as it started: {problem}", next: "See its log: {path}" },
  MUSTER_SERVICE_RUNS: { httpStatus: 409, exitCode: 73, message: "The Cluster Service of this machine runs already (process {processId}).", next: "See: muster status" },
  MUSTER_ADDRESS_NO_ADAPTER: { httpStatus: 409, exitCode: 113, message: "No adapter of this node can carry {address}: {problem}.", next: "Compare with the node's adapters (ip address), or change the resource's Address, SubnetMask, PrefixLength or Network." },
  MUSTER_ADDRESS_LOST: { httpStatus: 409, exitCode: 1, message: "{address} cannot be used: {problem}.", next: "Look at the adapter: ip address show" },
  MUSTER_DNS_NO_ADDRESS: { httpStatus: 409, exitCode: 113, message: "The network name '{resource}' depends on no IP Address or IPv6 Address{problem}.", next: "Say which it stands for: muster resource depend '{resource}' '[ADDRESS]'" },
  MUSTER_DNS_NAME_HELD: { httpStatus: 409, exitCode: 65, message: "The name {name} is not this cluster's: {holder}.", next: "Choose another DnsName; or, if nobody uses it any more, remove {name} and {marker} from DNS." },
  MUSTER_DNS_SUPERSEDED: { httpStatus: 409, exitCode: 113, message: "The name {name} was registered by a later start of the role.", next: "See where the role is: muster group list; after a restore from a backup remove {marker} from DNS." },
  MUSTER_DNS_REFUSED: { httpStatus: 409, exitCode: 77, message: "The DNS server {server} refuses {name}: {problem}.", next: "Compare the key in TsigKeyFile, the clock and DnsZone with the server's configuration (update-policy or allow-update)." },
  MUSTER_DNS_UNREACHABLE: { httpStatus: 503, exitCode: 102, message: "The DNS server {server} cannot be used: {problem}.", next: "Check DnsServer, and that this node reaches it over UDP and TCP: dig @SERVER ZONE SOA" },
  MUSTER_DNS_KEY_FILE: { httpStatus: 409, exitCode: 78, message: "TsigKeyFile: {path} cannot be used: {problem}.", next: "Put the key there on every node, for root only: tsig-keygen NAME > {path}; chmod 600 {path}" },
  MUSTER_DNS_WRONG_ANSWER: { httpStatus: 409, exitCode: 1, message: "{name} is answered with {found} by {server}; registered was {wanted}.", next: "See who else changes the zone; then: muster resource online '{resource}'" },
  MUSTER_NEEDS_CAPABILITY: { httpStatus: 500, exitCode: 77, message: "{what} needs the capability {capability}.", next: "Run the service as root, or give its systemd unit AmbientCapabilities={capability}." },
  MUSTER_LIBRARY_MISSING: { httpStatus: 500, exitCode: 78, message: "The library {library} could not be loaded: {problem}.", next: "Install the package {package}." },
  MUSTER_PACKET_FILTER: { httpStatus: 500, exitCode: 74, message: "nftables refused a command: {problem}", next: "Try by hand: nft list ruleset" },
  MUSTER_XDP: { httpStatus: 500, exitCode: 74, message: "XDP could not be used: {problem}", next: "Let the filter be nftables, which needs nothing of it." },
  MUSTER_COMMAND_NOT_FOUND: { httpStatus: 400, exitCode: 127, message: "The program '{command}' was not found.", next: "Check its name, or give its whole path." },
  // Network Load Balancing (Windows' return codes: src/nlb/states.ts)
  MUSTER_NLB_RULE_OVERLAP: { httpStatus: 409, exitCode: 65, message: "{field}: the port rule '{rule}' overlaps with '{other}': same address, a port and a protocol in common.", next: "Change the ports, the protocol or the address of one of them." },
  MUSTER_NLB_PARAMETERS_DIFFER: { httpStatus: 409, exitCode: 78, message: "{field}: host {host} has '{there}', this host has '{here}'.", next: "Make {field} equal on all hosts; the host that was kept out joins by itself." },
  MUSTER_NLB_RULE_NOT_FOUND: { httpStatus: 404, exitCode: 105, message: "{field}: no port rule covers {address} port {port}.", next: "Rules: muster nlb rule list" },
  MUSTER_NLB_NO_HOST: { httpStatus: 409, exitCode: 78, message: "This machine is no host of a balancing cluster: there is none in {path}.", next: "Create one: muster nlb create --adapter NAME --address ADDRESS/LENGTH; or join one: muster nlb join TOKEN" },
  MUSTER_NLB_HOST_EXISTS: { httpStatus: 409, exitCode: 73, message: "This machine is a host of a balancing cluster already: {path}.", next: "Remove it first (muster nlb remove), or give another one: --directory PATH" },
  MUSTER_NLB_HOST_UNKNOWN: { httpStatus: 404, exitCode: 105, message: "No host '{host}' is heard.", next: "Hosts: muster nlb query" },
  MUSTER_NLB_STOPPED: { httpStatus: 409, exitCode: 113, message: "Load balancing is stopped on host {host}.", next: "Start it: muster nlb start" },
  MUSTER_NLB_SUSPENDED: { httpStatus: 409, exitCode: 113, message: "Load balancing is suspended on host {host}; it takes no other command.", next: "Resume it: muster nlb resume" },
  MUSTER_NLB_SERVES: { httpStatus: 409, exitCode: 113, message: "The balancing cluster {cluster} serves {addresses} on the hosts {hosts}.", next: "Look at what would end (--dry-run). Then repeat it with --force: connections end, and nothing of the cluster is left." },
  MUSTER_NLB_DRAINING: { httpStatus: 409, exitCode: 113, message: "Host {host} is draining: its port rules cannot be changed one by one.", next: "Start it again (muster nlb start), or wait until it has stopped." },

  MUSTER_INTERNAL: { httpStatus: 500, exitCode: 70, message: "Internal error: {problem}", next: "Please report this, with the output of: muster events --json" },
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof ErrorCatalogue;

export type ErrorDetails = Readonly<Record<string, string | number>>;

/** The form in which an error crosses the log, the API and `--json`. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  /** The input that is wrong, where one is. */
  readonly field: string | null;
  readonly next: string;
  readonly details: ErrorDetails;
}

export class MusterError extends Error {
  override readonly name = "MusterError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(fill(ErrorCatalogue[code].message, details), options);
    this.code = code;
    this.details = details;
  }

  get next(): string {
    return fill(ErrorCatalogue[this.code].next, this.details);
  }

  get exitCode(): number {
    return ErrorCatalogue[this.code].exitCode;
  }

  get httpStatus(): number {
    return ErrorCatalogue[this.code].httpStatus;
  }

  toBody(): ErrorBody {
    const field = this.details["field"];
    return { code: this.code, message: this.message, field: field === undefined ? null : String(field), next: this.next, details: this.details };
  }

  static fromBody(body: ErrorBody): MusterError {
    return new MusterError(body.code in ErrorCatalogue ? body.code : "MUSTER_INTERNAL", body.details ?? { problem: body.message });
  }

  /** Wraps what was not foreseen, keeping the cause. */
  static from(error: unknown): MusterError {
    if (error instanceof MusterError) return error;
    return new MusterError("MUSTER_INTERNAL", { problem: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
}

function fill(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (whole, key: string) => (key in details ? String(details[key]) : whole));
}
