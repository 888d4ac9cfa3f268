import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Certificates for tests, made with the openssl program: ECDSA P-256, valid for a day. */

export interface Credentials {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
}

export class TestAuthority {
  readonly #directory = mkdtempSync(join(tmpdir(), "muster-certificates-"));

  constructor() {
    this.#openssl("req", "-x509", ...NEW_KEY, "-keyout", this.#file("ca.key"), "-out", this.#file("ca.pem"), "-days", "1", "-subj", "/CN=test authority");
  }

  issue(name: string): Credentials {
    this.#openssl("req", ...NEW_KEY, "-keyout", this.#file("node.key"), "-out", this.#file("node.csr"), "-subj", `/CN=${name}`);
    this.#openssl("x509", "-req", "-in", this.#file("node.csr"), "-CA", this.#file("ca.pem"), "-CAkey", this.#file("ca.key"), "-CAcreateserial", "-out", this.#file("node.pem"), "-days", "1");
    return { certificate: readFileSync(this.#file("node.pem"), "utf8"), key: readFileSync(this.#file("node.key"), "utf8"), authority: readFileSync(this.#file("ca.pem"), "utf8") };
  }

  end(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  #openssl(...words: string[]): void {
    execFileSync("openssl", words, { stdio: "ignore", timeout: 10_000 });
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
