import { GatewayError } from "../core/errors.ts";

/**
 * Whether a write failed because the disk refused it (detail code `STORAGE_…`; see `Store.write`), so that the same write may succeed
 * later. Everything else that a write throws comes from the change itself and fails every time.
 */
export const isStorageError = (err: unknown): boolean =>
  err instanceof GatewayError && err.code === "UNAVAILABLE" && String(err.details?.["code"] ?? "").startsWith("STORAGE_");
