import { AddressTable } from "../network/addresses.ts";

let table: Promise<AddressTable> | null = null;
let users = 0;

/** One table of addresses for all resources of a monitor, open while one of them needs it. */
export const SharedAddressTable = {
  /** To be given back with `release`, once. @throws MusterError when the kernel does not answer */
  async acquire(): Promise<AddressTable> {
    users += 1;
    table ??= AddressTable.open();
    try {
      return await table;
    } catch (error) {
      table = null;
      users -= 1;
      throw error;
    }
  },

  release(): void {
    users -= 1;
    if (users > 0 || table === null) return;
    void table.then((open) => open.close());
    table = null;
  },
};

/** Takes away what a monitor that is dead left on the adapters of this machine. */
export async function removeStaleAddresses(): Promise<void> {
  const open = await AddressTable.open();
  try {
    await open.removeStale();
  } finally {
    open.close();
  }
}
