import { GatewayError } from "../core/errors.ts";

/**
 * Whether a write failed because of the disk (detail code `STORAGE_…`; see `Store.write`), so that the same write may succeed
 * later. Other errors come from the change itself and recur.
 */
export const isStorageError = (err: unknown): boolean =>
  err instanceof GatewayError && err.code === "UNAVAILABLE" && String(err.details?.["code"] ?? "").startsWith("STORAGE_");
