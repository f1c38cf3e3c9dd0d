import { GatewayError } from "../core/errors.ts";
import { readLargeFrame } from "../protocol/scan.ts";
import type { Exchange } from "./exchange.ts";

/** The body as a JSON object, read in pieces so that a large one blocks no one. Rejects with GatewayError. */
export const readJsonBody = async (exchange: Exchange, limitBytes: number): Promise<Record<string, unknown>> =>
  parseJsonBody(await exchange.body(limitBytes));

/** The same for a body that was read. */
export async function parseJsonBody(bytes: Buffer): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    value = await readLargeFrame(bytes, () => new Promise((resolve) => setImmediate(resolve)));
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    throw new GatewayError("INVALID_REQUEST", err.details?.["code"] === "FRAME_NOT_JSON" ? "the body is not JSON" : err.message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new GatewayError("INVALID_REQUEST", "the body must be a JSON object");
  return value as Record<string, unknown>;
}
