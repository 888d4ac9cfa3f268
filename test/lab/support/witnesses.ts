import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { Server } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { QuorumView } from "../../../src/model/views.ts";
import { createAsk } from "../../../src/witness/s3.ts";
import { startObjectStore } from "../../unit/witness/object-store.ts";
import type { ObjectStore } from "../../unit/witness/object-store.ts";
import type { Scene } from "./scene.ts";

export type Kind = "none" | "fileShare" | "daemon" | "cloud";

const MUSTER = fileURLToPath(new URL("../../../bin/muster.js", import.meta.url));
const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"];
const RELAY = fileURLToPath(new URL("./programs/relay.ts", import.meta.url));
const ADDRESS = "10.77.0.250";
const DAEMON_PORT = 3_345;
const STORE_PORT = 9_000;
const STORE_SOCKET = "object-store.sock";
const BUCKET = "witness";

/** Every kind of witness, on the machine of the clients. */
export class Witnesses {
  readonly #scene: Scene;
  readonly #daemon: ChildProcess;
  readonly #fingerprint: string;
  readonly #store: ObjectStore;

  private constructor(scene: Scene, daemon: ChildProcess, fingerprint: string, store: ObjectStore) {
    this.#scene = scene;
    this.#daemon = daemon;
    this.#fingerprint = fingerprint;
    this.#store = store;
  }

  static async with(scene: Scene, body: (witnesses: Witnesses) => Promise<void>): Promise<void> {
    const store = await startObjectStore();
    try {
      const made = await createAsk({ endpoint: store.endpoint, bucket: BUCKET, region: "us-east-1", account: store.account, key: store.key })("PUT", "");
      if (made.status !== 200) throw made.refusal();
      const { client } = scene.lab;
      mkdirSync(join(scene.shared, "share"));
      const daemon = client.spawn([...NODE, MUSTER, "witness", "serve", "--listen", String(DAEMON_PORT), "--directory", "/run/witness"], { stdio: ["ignore", "pipe", "ignore"] });
      const printed = await new Promise<string>((resolve) => daemon.stdout!.once("data", (piece: Buffer) => resolve(piece.toString())));
      // The store is on the machine; hosts of the lab reach only each other, and files.
      const socket = join(scene.shared, STORE_SOCKET);
      const passing = await passOn(socket, Number(new URL(store.endpoint).port));
      client.spawn([...NODE, RELAY, ADDRESS, String(STORE_PORT), socket], { stdio: ["ignore", "ignore", "inherit"] });
      const witnesses = new Witnesses(scene, daemon, /Fingerprint=(\S+)/.exec(printed)![1]!, store);
      try {
        await body(witnesses);
      } finally {
        passing.close();
      }
    } finally {
      await store.stop();
    }
  }

  get sharePath(): string {
    return join(this.#scene.shared, "share");
  }

  get daemon(): ChildProcess {
    return this.#daemon;
  }

  /** Until the cluster has it, and it answers. */
  async use(kind: Kind): Promise<void> {
    await this.#scene.through((api) => api.send("PUT", "/v1/quorum", { body: { witness: kind === "none" ? null : { kind, properties: this.#properties(kind) } } }));
    let seen: QuorumView["witness"] = null;
    await this.#scene.cluster.until(`the witness is ${kind}`, 30_000, async () => {
      seen = (await this.#scene.through((api) => api.get<QuorumView>("/v1/quorum"))).witness;
      return kind === "none" ? seen === null : seen?.kind === kind && seen.state === "Online";
    }, () => JSON.stringify(seen));
  }

  #properties(kind: Exclude<Kind, "none">): Record<string, string> {
    switch (kind) {
      case "fileShare":
        return { SharePath: this.sharePath };
      case "daemon":
        return { Address: `${ADDRESS}:${DAEMON_PORT}`, Fingerprint: this.#fingerprint };
      case "cloud":
        return { EndpointInfo: `http://${ADDRESS}:${STORE_PORT}`, ContainerName: BUCKET, AccountName: this.#store.account, PrimaryKey: this.#store.key };
    }
  }
}

/** What comes to a socket in the file system goes to a port of this machine. */
async function passOn(path: string, port: number): Promise<Server> {
  const server = createServer((from) => {
    const to = connect(port, "127.0.0.1");
    for (const [one, other] of [[from, to], [to, from]] as const) one.on("error", () => other.destroy()).on("close", () => other.destroy()).pipe(other);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}
