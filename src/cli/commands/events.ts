import type { Command as Program } from "commander";
import { ApiClient } from "../../api/client.ts";
import { MusterError } from "../../model/errors.ts";
import type { ClusterEvent } from "../../model/events.ts";
import { compareOrdinalIds } from "../../model/identifiers.ts";
import { asking } from "../common.ts";
import type { CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { timeOption } from "../times.ts";
import { clock, data, json, talk } from "../output.ts";

interface EventOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly level?: string;
  readonly group?: string;
  readonly node?: string;
  readonly resource?: string;
  readonly after?: string;
  readonly since?: string;
  readonly until?: string;
  readonly code?: string;
}

/** Attempts to find a node again after the one that was followed has gone. */
const RECONNECTS_MAX = 120;
const RECONNECT_DELAY_MS = 500;

export function eventCommands(program: Program): void {
  asking(program.command("events").description("what happened; -f goes on"))
    .option("-f, --follow", "go on as things happen; another node takes over when the one that tells dies")
    .option("--level <level>", "critical, error, warning or information: this and worse")
    .option("--group <group>", "of this role")
    .option("--node <node>", "of this node")
    .option("--resource <resource>", "of this resource")
    .option("--after <id>", "after this event")
    .option("--since <time>", "from then on: 2026-05-04T02:00, or 90min, 12h, 3d ago")
    .option("--until <time>", "before then")
    .option("--code <number>", "with this number")
    .action(async (options: EventOptions) => {
      const { level, group, node, resource, after, code } = options;
      const filter = { level, group, node, resource, code, sinceMs: timeOption(options.since, "--since"), untilMs: timeOption(options.until, "--until") };
      const client = await connect(options);
      // With a filter that fits nothing yet there is no other place to go on from when the node that tells dies.
      const newest = options.follow === true ? (await client.get<ClusterEvent[]>("/v1/events")).at(-1)?.id : undefined;
      const past = await client.get<ClusterEvent[]>("/v1/events", { query: { ...filter, after } });
      if (!options.follow) {
        if (options.json) json(past);
        else for (const event of past) data(eventText(event));
        return;
      }
      for (const event of past) print(event, options);
      await follow(client, options, filter, latest([past.at(-1)?.id, newest, after]));
    });
}

function latest(ids: readonly (string | undefined)[]): string | undefined {
  return ids.filter((id) => id !== undefined).sort(compareOrdinalIds).at(-1);
}

async function follow(first: ApiClient, options: EventOptions, filter: Readonly<Record<string, string | undefined>>, after: string | undefined): Promise<void> {
  let client = first;
  let last = after;
  for (let failures = 0; failures < RECONNECTS_MAX; failures++) {
    try {
      for await (const event of client.events({ ...filter, after: last })) {
        failures = 0;
        last = event.id;
        print(event, options);
      }
    } catch (error) {
      if (error instanceof MusterError && error.code !== "MUSTER_NOT_REACHABLE" && error.code !== "MUSTER_NO_QUORUM") throw error;
    }
    if (failures === 0) talk("The node that told has gone; looking for another.");
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_DELAY_MS));
    client = await connect(options).catch(() => client);
  }
  throw new MusterError("MUSTER_NOT_REACHABLE", { address: client.address, problem: "no node came back" });
}

function print(event: ClusterEvent, options: EventOptions): void {
  data(options.json ? JSON.stringify(event) : eventText(event));
}

function eventText(event: ClusterEvent): string {
  return `${clock(event.wallTimeMs)}  ${event.id.padEnd(9)} ${event.level.padEnd(11)} ${event.text}${event.next === null ? "" : ` Next: ${event.next}`}`;
}
