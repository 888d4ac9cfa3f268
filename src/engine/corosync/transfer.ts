import type { Member, NodeId } from "../../model/identifiers.ts";
export interface TransferOptions { readonly certificate: string; readonly key: string; readonly authority: string; readonly port: number; readonly listenAddresses: readonly string[]; readonly peerOf: (node: NodeId) => { readonly name: string; readonly addresses: readonly string[] } | null }
export class Transfer {
  constructor(_options: TransferOptions & { clusterId: string; self: Member; protocolVersion: number; onNotice: (text: string) => void }) {}
  async listen(_f: (from: Member, request: Uint8Array) => Promise<Uint8Array>): Promise<void> {}
  async fetch(_from: Member, _request: Uint8Array, _timeoutMs: number): Promise<Uint8Array> { throw new Error("soon"); }
  async close(): Promise<void> {}
}
