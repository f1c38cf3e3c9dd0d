import { join } from "node:path";
import type { Link, MediaRef, ReplyTarget } from "../channels/channel.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Inbox } from "../store/inbox.ts";
import type { StoredImage, MediaStore } from "../store/media.ts";
import type { Store } from "../store/open.ts";
import { oneLine } from "./untrusted-text.ts";
import type { AttachmentRef, Payload, RunRow } from "./submission.ts";
import { toUserContent, type Transcript } from "./transcript.ts";

export type InboundMediaDeps = {
  store: Store;
  inbox: Inbox;
  transcript: Transcript;
  media: MediaStore;
  clock: Clock;
  log: Log;
  link: (channel: string, account: string) => Link | null;
  /** Size of a file that this account takes; never more than LIMITS.mediaBytes. */
  maxBytes: (target: ReplyTarget) => number;
};

/** What is known of a file before it is fetched. */
export type FileRef = Pick<AttachmentRef, "kind" | "name" | "mimeType" | "sizeBytes" | "ofReplied">;

/** What became of one file: its words for the agent, and the picture where it is one. */
type FetchedMedia = { text: string; image?: StoredImage };

/**
 * Fetches the files of a message before its turn begins. Each one is written down when it is here, so that a crash fetches only the
 * rest. The agent reads which files could not be fetched, and the turn continues. When `signal` aborts, the rest stays as it was.
 */
export async function fetchInboundMedia(deps: InboundMediaDeps, row: RunRow, signal: AbortSignal): Promise<Payload> {
  let { payload } = row;
  for (const [index, ref] of (payload.media ?? []).entries()) {
    if (!ref || !payload.target) continue;
    const fetched = await fetchOne(deps, payload, ref, signal);
    if (!fetched) return payload;
    payload = {
      ...payload,
      media: payload.media!.map((each, at) => (at === index ? null : each)),
      attached: (payload.attached ?? []).map((each, at) => (at === index ? fetched.text : each)),
      images: fetched.image ? [...payload.images, fetched.image] : payload.images,
    };
    const done = payload;
    await deps.store.write(() => {
      deps.inbox.replacePayload(row.runId, done);
      if (done.media!.every((each) => each === null)) deps.transcript.moveUserMessage(row.runId, () => toUserContent(done));
    });
  }
  return payload;
}

/** Null when the turn was stopped meanwhile. */
async function fetchOne(deps: InboundMediaDeps, payload: Payload, ref: AttachmentRef, signal: AbortSignal): Promise<FetchedMedia | null> {
  try {
    const bytes = await download(deps, payload.target!, ref, signal);
    return await saveInboundFile(deps, payload, ref, bytes);
  } catch (err) {
    if (signal.aborted) return null;
    deps.log.warn("a file could not be fetched", {
      channel: payload.target!.channel,
      account: payload.target!.account,
      cause: reasonOf(err),
    });
    return { text: `[the file ${quotedName(ref)} could not be fetched: ${oneLine(reasonOf(err), 200)}]` };
  }
}

async function download(deps: InboundMediaDeps, target: ReplyTarget, ref: MediaRef, signal: AbortSignal): Promise<Uint8Array> {
  const maxBytes = Math.min(deps.maxBytes(target), LIMITS.mediaBytes);
  if (ref.sizeBytes === null) throw new Error("its size is not known");
  if (ref.sizeBytes > maxBytes) throw new Error(`it has ${sizeOf(ref.sizeBytes)}, and at most ${sizeOf(maxBytes)} are taken`);
  const late = new AbortController();
  const cancel = deps.clock.after(LIMITS.mediaFetchMs, () =>
    late.abort(new Error(`it was not here after ${LIMITS.mediaFetchMs / 1000} s`)),
  );
  const either = AbortSignal.any([signal, late.signal]);
  try {
    const link = await linkOf(deps, target, either);
    if (!link.download) throw new Error("this channel cannot fetch files");
    const bytes = await Promise.race([link.download(ref, maxBytes, either), rejectOnAbort(either)]);
    if (bytes.length > maxBytes) throw new Error(`it is larger than ${sizeOf(maxBytes)}`);
    return bytes;
  } finally {
    cancel();
  }
}

/** After a restart the message may be here before its connection is. */
async function linkOf(deps: InboundMediaDeps, target: ReplyTarget, signal: AbortSignal): Promise<Link> {
  for (;;) {
    signal.throwIfAborted();
    const link = deps.link(target.channel, target.account);
    if (link) return link;
    await Promise.race([new Promise<void>((resolve) => void deps.clock.after(LIMITS.mediaLinkMs, resolve)), rejectOnAbort(signal)]);
  }
}

const rejectOnAbort = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    const fail = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error("it was stopped"));
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });

/** What a file is, is decided by its content; what the sender calls it is only shown. */
export async function saveInboundFile(
  { media }: Pick<InboundMediaDeps, "media">,
  payload: Pick<Payload, "tools" | "attached"> & { target?: Payload["target"] },
  ref: FileRef,
  bytes: Uint8Array,
): Promise<FetchedMedia> {
  const from = payload.target ? `${payload.target.channel}/${payload.target.account}` : undefined;
  const picture = imageType(bytes);
  if (picture !== null && bytes.length <= LIMITS.imageBytes) {
    const image = await media.saveImage({ mimeType: picture, data: Buffer.from(bytes).toString("base64") }, from);
    return { text: describeAttachment(ref, bytes.length, picture), image };
  }
  const text = isTextLike(ref) && bytes.length <= LIMITS.inlineFileBytes ? decodeText(bytes) : null;
  const used = (payload.attached ?? []).reduce((sum, each) => sum + each.length, 0);
  if (text !== null && used + text.length <= LIMITS.inlineFilesChars)
    return { text: toFencedBlock(describeAttachment(ref, bytes.length), text) };
  const { file } = await media.saveFile({ kind: ref.kind, name: quotedName(ref), mimeType: typeOf(ref) }, bytes, from);
  // Without tools the agent could only repeat the path to others.
  const where = payload.tools.length > 0 ? `, stored at ${join(media.dir, file)}` : "";
  return { text: describeAttachment(ref, bytes.length, typeOf(ref), where) };
}

/** The type of a picture that models take, by its first bytes; null for everything else. Pure. */
export function imageType(bytes: Uint8Array): string | null {
  const at = (offset: number, ...wanted: number[]): boolean => wanted.every((byte, index) => bytes[offset + index] === byte);
  if (at(0, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "image/png";
  if (at(0, 0xff, 0xd8, 0xff)) return "image/jpeg";
  if (at(0, 0x47, 0x49, 0x46, 0x38) && (at(4, 0x37, 0x61) || at(4, 0x39, 0x61))) return "image/gif";
  if (at(0, 0x52, 0x49, 0x46, 0x46) && at(8, 0x57, 0x45, 0x42, 0x50)) return "image/webp";
  return null;
}

const TEXT_TYPE = /^(?:text\/[\w.+-]+|application\/(?:json|csv|xml|yaml|x-yaml|toml)|[\w.+-]+\/[\w.+-]+\+json)$/i;
const TEXT_NAME = /\.(?:txt|md|csv|tsv|json|jsonl|log|ya?ml|toml|xml)$/i;
const isTextLike = (ref: FileRef): boolean =>
  TEXT_TYPE.test(typeOf(ref)) || (typeOf(ref) === "application/octet-stream" && TEXT_NAME.test(ref.name));

/** Null when the bytes are no text after all. */
function decodeText(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") ? null : text;
  } catch (err) {
    if (err instanceof TypeError) return null;
    throw err;
  }
}

/** Fenced so that nothing in the text can end the fence. */
function toFencedBlock(head: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  return `${head}\n${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
}

const quotedName = (ref: FileRef): string => JSON.stringify(oneLine(ref.name, 120) || "without a name");
const typeOf = (ref: FileRef): string =>
  /^[\w.+-]{1,64}\/[\w.+-]{1,64}$/.test(baseType(ref)) ? baseType(ref) : "application/octet-stream";
const baseType = (ref: FileRef): string => ref.mimeType.split(";", 1)[0]!.trim().toLowerCase();

/** How a file is named to the agent, and in the transcript. Pure. */
export function describeAttachment(ref: FileRef, bytes: number | null = ref.sizeBytes, type = typeOf(ref), more = ""): string {
  return `[${ref.ofReplied ? "of the answered message: " : "attached "}${ref.kind} ${quotedName(ref)} (${type}${bytes === null ? "" : `, ${sizeOf(bytes)}`})${more}]`;
}

function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** The files of a message as they are kept until its turn: the first few are fetched, the others are only named. */
export function toPendingMedia(refs: readonly AttachmentRef[]): Pick<Payload, "media" | "attached"> {
  if (refs.length === 0) return {};
  const taken = refs.slice(0, LIMITS.messageFiles);
  const left = refs.length - taken.length;
  return {
    media: taken,
    attached: [...taken.map((ref) => describeAttachment(ref)), ...(left > 0 ? [`[${left} more files were not taken]`] : [])],
  };
}
