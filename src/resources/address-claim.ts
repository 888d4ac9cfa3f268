import type { Health, ResourceContext } from "../monitor/resource-type.ts";

/** What both types of addresses share: an address that is held until it is released. */
export interface AddressClaim {
  /** Why it does not serve; null = it does. Costs nothing. */
  problem(): string | null;
  /** May be called more than once. */
  release(): Promise<void>;
}

export interface AddressState {
  /** Set by the first start of taking it; an end that comes meanwhile waits for it. */
  taking: Promise<AddressClaim> | null;
  claim: AddressClaim | null;
}

export async function takeClaim(state: AddressState, taking: Promise<AddressClaim>): Promise<void> {
  state.taking = taking;
  state.claim = await taking;
}

export function looksAlive(_context: ResourceContext, { claim }: AddressState): Health {
  const reason = claim === null ? "the address is not held" : claim.problem();
  return reason === null ? true : { reason };
}

/** Taking is given up at once when the context's signal is aborted; what was done of it is undone by itself. */
export async function releaseClaim(_context: ResourceContext, { taking }: AddressState): Promise<void> {
  const claim = await taking?.catch(() => null);
  await claim?.release();
}
