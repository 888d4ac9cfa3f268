import type { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";

/** Whom to believe: who shows this certificate, or one that the authority with this fingerprint has signed. */
export type Pin = { readonly certificate: string } | { readonly authority: string };

export class NotPinnedError extends Error {
  constructor(address: string) {
    super(`who answers at ${address} shows another certificate than the expected one`);
  }
}

/**
 * A TLS connection to who is known by a fingerprint (SHA-256, hexadecimal) alone. Nothing is written to it before the
 * certificate was compared: what goes through it are secrets.
 * @throws NotPinnedError, or the error of the connection
 */
export function connectPinned(url: URL, pin: Pin, limitMs: number): Promise<TLSSocket> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(url.port === "" ? 443 : url.port), rejectUnauthorized: false });
    const limit = setTimeout(() => socket.destroy(new Error(`${url.host} did not answer within ${limitMs} ms`)), limitMs);
    socket.once("error", reject);
    socket.once("close", () => clearTimeout(limit));
    socket.once("secureConnect", () => {
      clearTimeout(limit);
      const peer = socket.getPeerX509Certificate();
      if (peer === undefined || !isPinned(peer, pin)) return void socket.destroy(new NotPinnedError(url.host));
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

function isPinned(peer: X509Certificate, pin: Pin): boolean {
  if ("certificate" in pin) return plain(peer.fingerprint256) === plain(pin.certificate);
  const authority = peer.issuerCertificate;
  return authority !== undefined && plain(authority.fingerprint256) === plain(pin.authority) && peer.verify(authority.publicKey);
}

function plain(fingerprint: string): string {
  return fingerprint.replaceAll(":", "").toLowerCase();
}
