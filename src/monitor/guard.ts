import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { sleepMs } from "./clock.ts";

/**
 * A small shell process beside each monitor that ends the roles' processes when the monitor can no longer:
 * it reads what runs from a pipe whose other end only the monitor holds, and acts when the pipe ends. It is
 * in a session of its own and holds no lock, no output and no connection of anybody.
 *
 * Lines: `expect TOKEN MARK` (before a start), `add TOKEN GROUP STARTTICKS` (after it), `remove TOKEN`.
 * A process group is signalled only while its leader is the process that was added (or gone: then a new
 * process cannot have got its number, because the group still uses it). What left the groups is found by
 * token and mark until two scans in a row find nothing.
 */
const guardScript = String.raw`
trap '' HUP INT TERM QUIT TSTP
set -f
newline='
'
space=' '
expected='' groups='' kept=''
without() {
  kept=''
  IFS=$newline
  for entry in $1; do
    case $entry in "$2 "*) ;; *) kept=$kept$entry$newline ;; esac
  done
  IFS=$space
}
IFS=$space
while read -r verb token first second; do
  case $verb in
    expect) without "$expected" "$token"; expected=$kept$token$space$first$newline ;;
    add) groups=$groups$token$space$first$space$second$newline ;;
    remove)
      without "$expected" "$token"; expected=$kept
      without "$groups" "$token"; groups=$kept ;;
  esac
done
[ -n "$expected$groups" ] || exit 0
IFS=$newline
for entry in $groups; do
  IFS=$space
  set -- $entry
  group=$2 started=$3
  if { read -r stat < "/proc/$group/stat"; } 2>/dev/null; then
    set -- \${stat##*) }
    [ "\${20}" = "$started" ] || continue
  fi
  kill -s KILL -- "-$group" 2>/dev/null
done
IFS=$newline
set --
marks=''
for entry in $expected; do
  set -- "$@" -e "MUSTER_ROLE_TOKEN=\${entry%% *}"
  mark=\${entry#* }
  [ "$mark" = 0 ] || marks="$marks|$mark"
done
IFS=$space$newline
set +f
empty=0 round=0
while [ $empty -lt 2 ] && [ $round -lt 200 ]; do
  round=$((round + 1)) found=0
  for file in $(grep -lszxF "$@" /proc/[0-9]*/environ; [ -z "$marks" ] || grep -lsE "^Max file locks +(\${marks#|}) " /proc/[0-9]*/limits); do
    process=\${file#/proc/}
    process=\${process%%/*}
    { read -r stat < "/proc/$process/stat"; } 2>/dev/null || continue
    case \${stat##*) } in Z*|X*) continue ;; esac
    kill -s KILL "$process" 2>/dev/null
    found=1
  done
  if [ $found = 0 ]; then empty=$((empty + 1)); else empty=0; fi
  [ $empty -ge 2 ] || sleep 0.02
done
`.replaceAll("\\${", "${");

export interface GuardedGroup {
  readonly processGroup: number;
  readonly startTicks: number;
}

interface Guarded {
  readonly mark: bigint;
  readonly groups: GuardedGroup[];
}

/** The monitor's end of its guard; a guard that dies is replaced and told everything again. */
export class Guard {
  readonly #identity: string;
  readonly #guarded = new Map<string, Guarded>();
  #process: ChildProcess | null = null;
  #stopped = false;
  #restarts = 0;

  /** @param identity value of MUSTER_MONITOR, by which leftovers of a node are found */
  constructor(identity: string) {
    this.#identity = identity;
  }

  get processId(): number | null {
    return this.#process?.pid ?? null;
  }

  start(): void {
    const guard = spawn("sh", ["-c", 'eval "$MUSTER_GUARD"', "muster-guard"], {
      detached: true,
      cwd: "/",
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", MUSTER_MONITOR: this.#identity, MUSTER_GUARD: guardScript },
    });
    this.#process = guard;
    guard.on("error", () => void this.#replace(guard));
    guard.stdin?.on("error", () => undefined);
    guard.on("exit", () => void this.#replace(guard));
    for (const [token, { mark, groups }] of this.#guarded) {
      this.#send(`expect ${token} ${mark}`);
      for (const group of groups) this.#send(`add ${token} ${group.processGroup} ${group.startTicks}`);
    }
  }

  /** To be called before the first process is started: it might be the last thing this monitor does. */
  expect(token: string, mark: bigint): void {
    this.#guarded.set(token, { mark, groups: [] });
    this.#send(`expect ${token} ${mark}`);
  }

  add(token: string, group: GuardedGroup): void {
    this.#guarded.get(token)?.groups.push(group);
    this.#send(`add ${token} ${group.processGroup} ${group.startTicks}`);
  }

  /** The tree is proven gone. */
  remove(token: string): void {
    if (this.#guarded.delete(token)) this.#send(`remove ${token}`);
  }

  /** Ends the guard; what it still guards it ends first. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const guard = this.#process;
    if (guard?.pid === undefined || guard.exitCode !== null || guard.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => guard.once("exit", () => resolve()));
    guard.stdin?.end();
    await exited;
  }

  /** Small writes to a pipe reach the kernel before this returns, so they outlive this process. */
  #send(line: string): void {
    this.#process?.stdin?.write(`${line}\n`);
  }

  async #replace(guard: ChildProcess): Promise<void> {
    if (this.#stopped || guard !== this.#process) return;
    // No limit on how often: without a guard a role could outlive its monitor. But never in a tight loop.
    this.#restarts++;
    await sleepMs(Math.min(10 * this.#restarts, 1000));
    if (!this.#stopped) this.start();
  }
}
