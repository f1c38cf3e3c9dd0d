import type { JsonObject } from "../../core/json.ts";

/** An object of Discord's JSON. */
export type DiscordObject = JsonObject;
export { asObject, asObjects, asString as textOf } from "../../core/json.ts";

export const OPCODE = {
  dispatch: 0,
  heartbeat: 1,
  identify: 2,
  resume: 6,
  reconnect: 7,
  invalidSession: 9,
  hello: 10,
  heartbeatAck: 11,
} as const;

/** Kinds of channels that matter to us. */
export const CHANNEL_TYPE = { direct: 1, groupDirect: 3, newsThread: 10, publicThread: 11, privateThread: 12 } as const;
/** The answer to a native command is still to come. */
export const FLAG_LOADING = 1 << 7;

/** Discord's epoch: 2015-01-01, in ms. */
const EPOCH = 1_420_070_400_000;

export const isSnowflake = (value: unknown): value is string => typeof value === "string" && /^\d{1,20}$/.test(value);

/** An id of Discord; throws when it is none, so that nothing else gets into a path. */
export function requireSnowflake(value: unknown, what: string): string {
  if (isSnowflake(value)) return value;
  throw new Error(`${what} is not a Discord id`);
}

/** When a thing with that id was made, in ms. */
export const snowflakeTime = (id: string): number => Number(BigInt(id) >> 22n) + EPOCH;
/** Whether the first id is newer than the second. */
export const isNewer = (a: string, b: string): boolean => BigInt(a) > BigInt(b);
export const isThread = (type: number): boolean =>
  type === CHANNEL_TYPE.newsThread || type === CHANNEL_TYPE.publicThread || type === CHANNEL_TYPE.privateThread;
