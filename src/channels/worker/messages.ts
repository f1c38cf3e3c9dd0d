import { Secret } from "../../core/secret.ts";
import type { ChannelEvent, Link, ConnectionState, MediaKind, MediaUpload, OutboundPart } from "../channel.ts";
import type { ChannelPluginSource } from "../plugin-loader.ts";
import type { RpcMessage } from "./rpc.ts";
import type { SerializedError } from "./errors.ts";

/** Stores events that the platform considers delivered. Implemented in the store module. */
export type EventSpool = {
  append(body: string): Promise<number>;
  pending(): Iterable<{ seq: number; body: string }>;
  acknowledge(seqs: readonly number[]): void;
  close(): void;
};

/** Everything that a thread receives at its start. */
export type WorkerStart = {
  channel: string;
  account: string;
  /** Where the code of a channel comes from that is not built in. */
  pluginSource: ChannelPluginSource | null;
  config: PackedConfig;
  cursor: string | null;
  commands: readonly { name: string; description: string }[];
  /** The gateway offers a vault. */
  vault: boolean;
  /** Path of the spool. */
  spool: string;
};

export type ToWorkerMessage =
  | { t: "start"; start: WorkerStart }
  | { t: "abort"; reason: SerializedError }
  | { t: "done"; seqs: readonly number[] }
  | { t: "ping" }
  | RpcMessage;

export type WorkerLogLevel = "debug" | "info" | "warn" | "error";

export type FromWorkerMessage =
  | { t: "live"; link: number; methods: readonly string[] }
  | { t: "down" }
  | { t: "state"; state: Exclude<ConnectionState, "stopped" | "backoff">; cause: string | undefined }
  | { t: "alive" }
  | { t: "limited" }
  | { t: "log"; level: WorkerLogLevel; message: string; fields: Record<string, unknown> }
  | { t: "batch"; seq: number; body: string }
  | { t: "pong" }
  | { t: "ended"; error: SerializedError | null }
  | RpcMessage;

/** A configuration without its secrets, and the secrets with where they belong: a Secret does not survive the way to a thread. */
export type PackedConfig = { value: unknown; secrets: readonly { path: readonly (string | number)[]; text: string }[] };

/** Takes the secrets out of a configuration. The result holds them in the clear: it goes over a private port and nowhere else. */
export function packConfig(config: unknown): PackedConfig {
  const secrets: { path: (string | number)[]; text: string }[] = [];
  const walk = (value: unknown, path: readonly (string | number)[]): unknown => {
    if (value instanceof Secret) {
      secrets.push({ path: [...path], text: value.reveal() });
      return null;
    }
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
  };
  return { value: walk(config, []), secrets };
}

/** Puts the secrets back in their places. */
export function unpackConfig({ value, secrets }: PackedConfig): unknown {
  for (const { path, text } of secrets) {
    if (path.length === 0) return new Secret(text);
    const holder = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string | number, unknown>)[key], value);
    (holder as Record<string | number, unknown>)[path.at(-1)!] = new Secret(text);
  }
  return value;
}

/** A part of a reply on its way: its file is asked for by number when the channel wants its bytes. */
export type SerializedPart = Omit<OutboundPart, "media"> & { media?: SerializedMedia };
type SerializedMedia = { kind: MediaKind; name: string; mimeType: string; sizeBytes: number; file: number };

export function serializePart({ media, ...part }: OutboundPart, offer: (media: MediaUpload) => number): SerializedPart {
  if (!media) return part;
  const { kind, name, mimeType, sizeBytes } = media;
  return { ...part, media: { kind, name, mimeType, sizeBytes, file: offer(media) } };
}

export function deserializePart({ media, ...part }: SerializedPart, read: (file: number) => Promise<Uint8Array>): OutboundPart {
  if (!media) return part;
  const { file, ...rest } = media;
  return { ...part, media: { ...rest, read: () => read(file) } };
}

/** What a link can do, by name. */
export const LINK_METHODS = [
  "send",
  "edit",
  "lookup",
  "download",
  "typing",
  "react",
  "remove",
  "pin",
  "openThread",
  "poll",
] as const satisfies readonly (keyof Link)[];
export type LinkMethod = (typeof LINK_METHODS)[number];

export type EventBatch = { events: readonly ChannelEvent[]; cursor?: string };

/** Writes a batch for the spool. Throws TypeError for anything but a list of events, which could not be admitted later. */
export function serializeBatch(events: readonly ChannelEvent[], cursor: string | undefined): string {
  if (!Array.isArray(events) || !events.every(isEvent)) throw new TypeError("the channel did not pass a list of events with ids");
  if (cursor !== undefined && typeof cursor !== "string") throw new TypeError("a cursor must be a string");
  return JSON.stringify({ events, ...(cursor !== undefined && { cursor }) } satisfies EventBatch);
}

function isEvent(value: unknown): boolean {
  const event = value as Partial<ChannelEvent> | null;
  return typeof event === "object" && event !== null && typeof event.kind === "string" && typeof event.eventId === "string";
}

export const deserializeBatch = (body: string): EventBatch => JSON.parse(body) as EventBatch;
