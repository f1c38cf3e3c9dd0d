import { GatewayError } from "../core/errors.ts";

/** Detail codes of a write that the disk refused; see `Store.write`. */
const STORAGE_CODES: ReadonlySet<unknown> = new Set(["STORAGE_FULL", "STORAGE_FAILED"]);

/**
 * Whether a write failed because the disk refused it, so that the same write may succeed later. Everything else that a write
 * throws comes from the change itself and fails every time.
 */
export const isStorageError = (err: unknown): boolean =>
  err instanceof GatewayError && err.code === "UNAVAILABLE" && STORAGE_CODES.has(err.details?.["code"]);
