import { constants } from "node:os";
import type { Command as Program } from "commander";
import type { Lab, LabHost } from "../../lab/lab.ts";
import { MusterError } from "../../model/errors.ts";
import { formCluster } from "../lab-cluster.ts";
import { data, json, list, table, talk } from "../output.ts";
import { labNlbCommand } from "./lab-nlb.ts";

interface LabCommandOptions {
  readonly name: string;
  readonly json?: boolean;
}

interface UpOptions extends LabCommandOptions {
  readonly nodes: string;
  readonly hosts?: string;
  readonly networks: string;
  readonly stateSize?: string;
  readonly directory?: string;
  readonly profile: string;
  readonly cluster: boolean;
}

interface CutCommandOptions extends LabCommandOptions {
  readonly network?: string;
  readonly from?: string;
  readonly direction?: string;
  readonly unplug?: boolean;
}

interface DelayCommandOptions extends LabCommandOptions {
  readonly network?: string;
  readonly delay?: string;
  readonly rate?: string;
  readonly loss?: string;
}

const NETWORKS_MAX = 8;
const SIGNAL_EXIT_BASE = 128;

export function labCommands(program: Program): void {
  const lab = program.command("lab").description("hosts on this machine, made of namespaces, to break things in (as root)");

  common(lab.command("up").description("make a lab, with all its hosts on and a cluster on them"))
    .option("--nodes <count>", "how many hosts: n1, n2, …", "3")
    .option("--hosts <names>", "their names instead, with commas between")
    .option("--networks <count>", "how many networks: net0, for clients as well, net1, …", "2")
    .option("--state-size <size>", "limit of each host's state, as 64M; default: the disk's")
    .option("--directory <dir>", "keep the hosts' state there while the lab lives; default: in /run")
    .option("--profile <profile>", "of the cluster: standard or fast", "standard")
    .option("--no-cluster", "hosts alone: they form no cluster")
    .action((options: UpOptions) => up(options));

  labNlbCommand(lab);

  common(lab.command("down").description("end a lab and leave nothing of it")).action(async (options: LabCommandOptions) => {
    await (await open(options)).down();
    if (options.json) json({ name: options.name, down: true });
    else talk(`The lab '${options.name}' is gone.`);
  });

  lab
    .command("list")
    .description("the labs of this machine")
    .option("--json", "print JSON")
    .action(async (options: { readonly json?: boolean }) => {
      const { Lab } = await import("../../lab/lab.ts");
      const labs = (await Lab.list()).map((found) => ({ name: found.name, whole: found.isWhole, hosts: found.hosts.length, on: found.hosts.filter((host) => host.isOn).length, createdAtMs: found.createdAtMs }));
      if (options.json) json(labs);
      else if (labs.length === 0) talk("There is no lab on this machine.");
      else data(table(["NAME", "HOSTS", "ON", "SINCE"], labs.map((found) => [found.name, String(found.hosts), found.whole ? String(found.on) : "its switch is gone", new Date(found.createdAtMs).toISOString()])));
    });

  common(lab.command("status").description("hosts, cuts and cables of a lab")).action(async (options: LabCommandOptions) => {
    const view = await describe(await open(options));
    if (options.json) json(view);
    else data(statusText(view));
  });

  common(lab.command("cut").argument("<host>").description("let the switch drop what goes to or from a host"))
    .option("--network <name>", "on this network only")
    .option("--from <host>", "only what goes between the two")
    .option("--direction <which>", "both, or as seen from the host: in, out")
    .option("--unplug", "take the cable out: the host sees that it has no carrier")
    .action((host: string, { network, from, direction, unplug, ...options }: CutCommandOptions) =>
      change(options, (found) => found.cut(host, { network, from, direction: directionOf(direction), unplug }), `'${host}' is cut off${network === undefined ? "" : ` on ${network}`}${from === undefined ? "" : ` from '${from}'`}.`),
    );

  common(lab.command("heal").argument("[host]", "this host's only").description("end cuts, delays and losses; plug in what was out"))
    .option("--network <name>", "on this network only")
    .option("--from <host>", "only cuts that were made with the same --from")
    .option("--direction <which>", "only cuts of this direction: in, out")
    .action((host: string | undefined, { network, from, direction, ...options }: CutCommandOptions) =>
      change(options, (found) => found.heal(host, { network, from, direction: directionOf(direction) }), host === undefined ? "Everything is connected again." : `'${host}' is connected again.`),
    );

  common(lab.command("delay").argument("<host>").description("make a host's cables slow or lossy, each way"))
    .option("--network <name>", "on this network only")
    .option("--delay <ms>", "milliseconds; needs netem in the kernel")
    .option("--rate <rate>", "a second, as 500kbit or 10mbit")
    .option("--loss <percent>", "of the packets")
    .action((host: string, { network, delay, rate, loss, ...options }: DelayCommandOptions) =>
      change(
        options,
        (found) => found.delay(host, { network, delayMs: numberOf("--delay", delay), rateBitsPerSecond: rate === undefined ? undefined : scaled("--rate", rate, /^(\d+)(|k|m|g)bit$/), lossPercent: numberOf("--loss", loss) }),
        `The cables of '${host}' are worse now; 'muster lab heal ${host}' ends it.`,
      ),
    );

  each(lab, "pause", "stop every process of hosts where it is", (found, hosts) => inTurn(hosts, (host) => found.pause(host)), "paused");
  each(lab, "resume", "let the processes of paused hosts go on", (found, hosts) => inTurn(hosts, (host) => found.resume(host)), "resumed");
  each(lab, "power-off", "pull the plug of hosts: everything in them is dead at once", (found, hosts) => found.powerOff(...hosts), "off");
  each(lab, "power-on", "switch hosts on again, with the state they had", (found, hosts) => inTurn(hosts, (host) => found.powerOn(host)), "on");

  common(lab.command("kill").argument("<host>").argument("<text>", "a part of the command line").description("send a signal to processes of a host"))
    .option("--signal <name>", "which", "KILL")
    .action(async (host: string, text: string, options: LabCommandOptions & { readonly signal: string }) => {
      const processIds = await (await open(options)).kill(host, text, signalOf(options.signal));
      if (options.json) json({ host, processIds });
      else talk(`SIG${options.signal.replace(/^SIG/i, "").toUpperCase()} was sent to ${list(processIds.map(String))}.`);
    });

  lab
    .command("run")
    .argument("<host>")
    .argument("<command...>", "the program, after --")
    .description("run a program in a host; its exit code is this one's")
    .option("--name <name>", "the lab", "lab")
    .action(async (host: string, words: string[], options: LabCommandOptions) => inside((await open(options)).host(host), words));

  lab
    .command("shell")
    .argument("<host>")
    .description("a shell in a host")
    .option("--name <name>", "the lab", "lab")
    .action(async (host: string, options: LabCommandOptions) => inside((await open(options)).host(host), ["sh", "-c", "command -v bash >/dev/null && exec bash || exec sh"]));
}

/** Options of the commands that tell something. */
function common(command: Program): Program {
  return command.option("--name <name>", "the lab", "lab").option("--json", "print JSON");
}

/** A command about one or several hosts, or all of them. */
function each(lab: Program, verb: string, description: string, action: (lab: Lab, hosts: readonly string[]) => Promise<void>, state: string): void {
  common(lab.command(verb).argument("[hosts...]").description(description))
    .option("--all", "every host, the client too")
    .action(async (hosts: string[], options: LabCommandOptions & { readonly all?: boolean }) => {
      if ((hosts.length === 0) === (options.all !== true)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "hosts", problem: "name hosts, or say --all" });
      const found = await open(options);
      const wanted = options.all ? [...found.hosts, found.client].filter((host) => host.isOn !== (verb === "power-on")).map((host) => host.name) : hosts;
      for (const host of wanted) found.host(host);
      await change(options, () => action(found, wanted), wanted.length === 0 ? "Nothing to do." : `${wanted.map((host) => `'${host}'`).join(", ")}: ${state}.`);
    });
}

async function inTurn(hosts: readonly string[], action: (host: string) => Promise<void>): Promise<void> {
  for (const host of hosts) await action(host);
}

async function up(options: UpOptions): Promise<void> {
  const { Lab } = await import("../../lab/lab.ts");
  const { standardNetworks } = await import("../../lab/plan.ts");
  const made = await Lab.up({
    name: options.name,
    hosts: options.hosts === undefined ? whole("--nodes", options.nodes) : options.hosts.split(",").map((name) => name.trim()),
    networks: standardNetworks(Math.min(whole("--networks", options.networks), NETWORKS_MAX + 1)),
    stateBytesMax: options.stateSize === undefined ? null : scaled("--state-size", options.stateSize, /^(\d+)(|[kmg])b?$/),
    directory: options.directory ?? null,
  });
  try {
    if (options.cluster) await formCluster(made, options.profile);
  } catch (error) {
    await made.down();
    throw error;
  }
  const view = await describe(made);
  if (options.json) {
    json(view);
    return;
  }
  const name = made.name === "lab" ? "" : ` --name ${made.name}`;
  data(statusText(view));
  talk(`\nTry:\n  muster lab shell ${made.hosts[0]!.name}${name}\n  muster lab cut ${made.hosts[0]!.name}${name}\n  muster lab down${name}`);
}

async function open(options: LabCommandOptions): Promise<Lab> {
  const { Lab } = await import("../../lab/lab.ts");
  return Lab.open(options.name);
}

async function change(options: LabCommandOptions, action: (lab: Lab) => Promise<void>, said: string): Promise<void> {
  const found = await open(options);
  await action(found);
  if (options.json) json(await describe(found));
  else talk(said);
}

interface StatusView {
  readonly name: string;
  readonly whole: boolean;
  readonly hosts: readonly { readonly name: string; readonly state: "on" | "off" | "paused"; readonly processes: number; readonly addresses: LabHost["addresses"]; readonly stateDirectory: string | null }[];
  readonly cuts: Awaited<ReturnType<Lab["damage"]>>["cuts"];
  readonly cables: Awaited<ReturnType<Lab["damage"]>>["cables"];
}

async function describe(lab: Lab): Promise<StatusView> {
  const { isWhole } = lab;
  const hosts = [...lab.hosts, lab.client].map((host) => ({
    name: host.name,
    state: host.isPaused ? ("paused" as const) : host.isOn ? ("on" as const) : ("off" as const),
    processes: host.processes().length,
    addresses: host.addresses,
    stateDirectory: isWhole ? host.stateDirectory : null,
  }));
  return { name: lab.name, whole: isWhole, hosts, ...(isWhole ? await lab.damage() : { cuts: [], cables: [] }) };
}

function statusText(view: StatusView): string {
  const parts = [table(["HOST", "STATE", "PROCESSES", "ADDRESSES"], view.hosts.map((host) => [host.name, host.state, String(host.processes), host.addresses.map((address) => `${address.ipv4} ${address.ipv6}`).join("  ")]))];
  if (!view.whole) parts.push(`The switch of this lab is gone. Take down what is left: muster lab down --name ${view.name}`);
  if (view.cuts.length > 0) parts.push(table(["CUT ON", "FROM", "TO"], view.cuts.map((drop) => [drop.network, drop.sender ?? "everybody", drop.receiver ?? "everybody"])));
  if (view.cables.length > 0) {
    const cell = (value: number | null, unit: string): string => (value === null ? "-" : `${value} ${unit}`);
    const rows = view.cables.map((cable) => [cable.host, cable.network, cable.unplugged ? "out" : "in", cell(cable.delayMs, "ms"), cell(cable.rateBitsPerSecond, "bit/s"), cell(cable.lossPercent, "%")]);
    parts.push(table(["CABLE OF", "TO", "PLUGGED", "DELAY", "RATE", "LOSS"], rows));
  }
  return parts.join("\n\n");
}

/** Runs with this terminal until the program ends; its exit code becomes this command's. */
async function inside(host: LabHost, words: readonly string[]): Promise<void> {
  const child = host.spawn(words, { stdio: "inherit" });
  if (host.isPaused) talk(`The host '${host.name}' is paused: the program starts when it is resumed.`);
  // The terminal sends its signals to the program as well; this command must outlive it.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? SIGNAL_EXIT_BASE + constants.signals[signal!]));
  });
}

function directionOf(text: string | undefined): "both" | "in" | "out" | undefined {
  if (text === undefined || text === "both" || text === "in" || text === "out") return text;
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--direction", problem: "both, in or out" });
}

function signalOf(text: string): NodeJS.Signals {
  const name = `SIG${text.toUpperCase().replace(/^SIG/, "")}`;
  if (!(name in constants.signals)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--signal", problem: `'${text}' is not a signal; KILL, TERM, STOP and CONT are` });
  return name as NodeJS.Signals;
}

function whole(field: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: "a whole number" });
  return Number(text);
}

function numberOf(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: "a number" });
  return value;
}

const RATE_STEP = 1_000;
const SIZE_STEP = 1_024;

/** A number with k, m or g behind it: thousands for rates, 1024s for sizes. */
function scaled(field: "--rate" | "--state-size", text: string, form: RegExp): number {
  const found = form.exec(text.toLowerCase());
  if (found === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: field === "--rate" ? "a number with bit, kbit, mbit or gbit, as 10mbit" : "a number with K, M or G, as 64M" });
  return Number(found[1]) * (field === "--rate" ? RATE_STEP : SIZE_STEP) ** ["", "k", "m", "g"].indexOf(found[2]!);
}
