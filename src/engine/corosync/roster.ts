import type { Member, NodeId } from "../../model/identifiers.ts";
import type { Hello } from "./hello.ts";

/**
 * Who is in the process group, and which of the processes are members: those whose hello was heard since they came,
 * of our version, of each node the highest incarnation. Pure.
 */

/** A process as corosync names it. */
export interface ProcessAddress {
  readonly nodeid: number;
  readonly pid: number;
}

interface Process extends ProcessAddress {
  /** It was in the group when this process came. */
  readonly wasThere: boolean;
  hello: Hello | null;
  /** A newer incarnation of its node came: it does not return when that one dies. */
  isReplaced: boolean;
}

/** What a hello means for this process. */
export type Meaning =
  | { readonly kind: "nothing" }
  /** The members have changed, or one of them has gone and returned. */
  | { readonly kind: "members" }
  /** This process must go. */
  | { readonly kind: "version"; readonly node: NodeId; readonly theirs: number }
  | { readonly kind: "replaced"; readonly problem: string }
  /** Somebody else cannot be a member. */
  | { readonly kind: "refused"; readonly node: NodeId; readonly text: string };

const NOTHING: Meaning = { kind: "nothing" };

export class Roster {
  readonly #self: Member;
  readonly #protocolVersion: number;
  readonly #connection: string;
  readonly #processes = new Map<number, Process>();
  /** Members by process, rebuilt when it changes. */
  #members = new Map<number, Member>();
  #isJoined = false;
  #selfKey: number | null = null;

  constructor(self: Member, protocolVersion: number, connection: string) {
    this.#self = self;
    this.#protocolVersion = protocolVersion;
    this.#connection = connection;
  }

  /** This process is in the group and has heard itself: what is sent reaches everybody. */
  get isHeard(): boolean {
    return this.#selfKey !== null;
  }

  /** Processes that have not said who they are. */
  get unknown(): number {
    return [...this.#processes.values()].filter((process) => process.hello === null).length;
  }

  /** Sorted by node; empty before {@link isHeard}. */
  get members(): Member[] {
    return [...this.#members.values()].sort((a, b) => a.node - b.node);
  }

  /** The member that a process is, or null when its messages are not to be heard. */
  memberOf(nodeid: number, pid: number): Member | null {
    return this.#members.get(keyOf(nodeid, pid)) ?? null;
  }

  /**
   * The group has changed.
   * @returns whether the members have changed, and whether somebody came who must be told who we are
   */
  change(present: readonly ProcessAddress[], left: readonly ProcessAddress[], joined: readonly ProcessAddress[]): { readonly isChanged: boolean; readonly hasNew: boolean } {
    let isChanged = false;
    const remove = (key: number): void => {
      if (this.#members.has(key)) isChanged = true;
      if (key === this.#selfKey) this.#selfKey = null;
      this.#processes.delete(key);
    };
    for (const { nodeid, pid } of left) remove(keyOf(nodeid, pid));
    const joinedKeys = new Set(joined.map(({ nodeid, pid }) => keyOf(nodeid, pid)));
    // Whoever joins while it is listed has been away: what it said before does not count any more.
    for (const key of joinedKeys) remove(key);
    const presentKeys = new Set(present.map(({ nodeid, pid }) => keyOf(nodeid, pid)));
    for (const key of this.#processes.keys()) if (!presentKeys.has(key)) remove(key);
    let hasNew = false;
    for (const { nodeid, pid } of present) {
      const key = keyOf(nodeid, pid);
      if (this.#processes.has(key)) continue;
      hasNew = true;
      this.#processes.set(key, { nodeid, pid, wasThere: !this.#isJoined && !joinedKeys.has(key), hello: null, isReplaced: false });
    }
    this.#isJoined = true;
    if (isChanged) this.#choose();
    return { isChanged, hasNew };
  }

  /** A process has said who it is. */
  hear(nodeid: number, pid: number, hello: Hello): Meaning {
    const process = this.#processes.get(keyOf(nodeid, pid));
    if (process === undefined) return NOTHING;
    const isNews = process.hello === null;
    if (hello.connection === this.#connection) {
      process.hello = hello;
      this.#selfKey = keyOf(nodeid, pid);
      return this.#choose() ? { kind: "members" } : NOTHING;
    }
    process.hello = hello;
    const { member, protocolVersion } = hello;
    if (protocolVersion !== this.#protocolVersion) {
      // Whoever comes second goes, and only a member may send somebody away: two who ask do not keep each other out.
      if (process.wasThere && hello.isWelcome) return { kind: "version", node: member.node, theirs: protocolVersion };
      if (!isNews) return NOTHING;
      return { kind: "refused", node: member.node, text: `node ${member.node} speaks protocol version ${protocolVersion}, this node ${this.#protocolVersion}; install the same version of Muster on both` };
    }
    if (member.node !== nodeid) {
      return isNews ? { kind: "refused", node: nodeid, text: `corosync's node ${nodeid} says that it is node ${member.node}: it is not a member` } : NOTHING;
    }
    if (member.node === this.#self.node) return this.#hearOwnNode(process, member);
    return this.#choose() ? { kind: "members" } : NOTHING;
  }

  #hearOwnNode(process: Process, member: Member): Meaning {
    if (member.incarnation > this.#self.incarnation) return { kind: "replaced", problem: "a newer incarnation of it has joined" };
    if (member.incarnation === this.#self.incarnation && process.wasThere) {
      return { kind: "replaced", problem: "the same incarnation has been started twice" };
    }
    return NOTHING;
  }

  /** @returns whether the members are others than before */
  #choose(): boolean {
    const chosen = new Map<NodeId, { key: number; process: Process; member: Member }>();
    for (const [key, process] of this.#processes) {
      const { nodeid, hello } = process;
      if (process.isReplaced || hello === null || hello.protocolVersion !== this.#protocolVersion || hello.member.node !== nodeid) continue;
      if (nodeid === this.#self.node && key !== this.#selfKey) continue;
      const other = chosen.get(nodeid);
      if (other !== undefined && other.member.incarnation >= hello.member.incarnation) {
        process.isReplaced = true;
        continue;
      }
      if (other !== undefined) other.process.isReplaced = true;
      chosen.set(nodeid, { key, process, member: hello.member });
    }
    const members = this.#selfKey === null ? new Map<number, Member>() : new Map([...chosen.values()].map(({ key, member }) => [key, member]));
    const isSame = members.size === this.#members.size && [...members].every(([key, member]) => this.#members.get(key)?.incarnation === member.incarnation);
    this.#members = members;
    return !isSame;
  }
}

/** A process number has at most 22 bits in Linux, a number of a node 31 in corosync: together a safe integer. */
function keyOf(nodeid: number, pid: number): number {
  return nodeid * 2 ** 22 + pid;
}
