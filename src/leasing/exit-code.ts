/** How the process ends when its main loop stood still for too long: the lease thread ends it. */
export const LEASE_EXIT_CODE = 82;
