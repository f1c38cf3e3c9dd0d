import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { detailError, GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { StoredFile, MediaStore } from "../store/media.ts";
import type { FetchedContent } from "../tools/web/guarded-fetch.ts";
import { collectOutboundMedia, describeFile, type MediaRoots } from "../turns/outbound-media.ts";
import type { MethodParams } from "../protocol/method.ts";

export type MediaParams = Pick<MethodParams<"send">, "mediaUrl" | "mediaUrls" | "buffer" | "filename" | "contentType">;

export type MediaDeps = MediaRoots & {
  media: MediaStore;
  /** Fetches an address that a client has named; refuses everything that is not on the public internet. */
  fetch: (url: string, maxBytes: number) => Promise<FetchedContent>;
};

const unusable = (message: string): GatewayError => detailError("MEDIA_NOT_USABLE", message);

/** How many files a request names. */
export const hasMedia = ({ mediaUrl, mediaUrls, buffer }: MediaParams): boolean => Boolean(mediaUrl ?? mediaUrls?.length ?? buffer);

/** Takes the files of a request into the media store, in their order. Throws INVALID_REQUEST, TOO_LARGE or UNAVAILABLE. */
export async function storeMedia(params: MediaParams, deps: MediaDeps): Promise<readonly StoredFile[]> {
  const urls = [...new Set([...(params.mediaUrl ? [params.mediaUrl] : []), ...(params.mediaUrls ?? [])])];
  if (urls.length + (params.buffer ? 1 : 0) > LIMITS.answerFiles) throw unusable(`at most ${LIMITS.answerFiles} files go with one message`);
  const kept: StoredFile[] = [];
  if (params.buffer) kept.push(await storeBase64(params.buffer, params.contentType, params.filename, deps));
  for (const url of urls) kept.push(await storeFromUrl(url, params.filename, deps));
  return kept;
}

async function storeFromUrl(url: string, filename: string | undefined, deps: MediaDeps): Promise<StoredFile> {
  const data = /^data:([\w.+-]+\/[\w.+-]+)?(?:;[\w-]+=[^;,]*)*;base64,/i.exec(url.slice(0, 500));
  if (data) return await storeBase64(url.slice(data[0].length), data[1], filename, deps);
  if (/^https?:/i.test(url)) {
    const { bytes, mimeType, url: from } = await deps.fetch(url, LIMITS.mediaBytes);
    return await deps.media.saveFile(toFileKind(filename ?? (basename(new URL(from).pathname) || "file"), mimeType), bytes);
  }
  const path = /^file:/i.test(url) ? toPath(url) : url;
  // One line is one file; the rules for what may be read are those for files that an answer names.
  const { media } = /[\r\n]/.test(path) ? { media: [] } : await collectOutboundMedia(`MEDIA:${path}`, deps);
  if (media[0]) return media[0];
  throw detailError("MEDIA_NOT_USABLE", `the file ${JSON.stringify(basename(path).slice(0, 80))} cannot be sent`, {
    fix: `It has to be a file of at most ${LIMITS.mediaBytes} bytes in the workspace of the agent.`,
  });
}

function toPath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (err) {
    throw detailError("MEDIA_NOT_USABLE", "the file address cannot be read", { cause: err });
  }
}

async function storeBase64(text: string, mimeType: string | undefined, filename: string | undefined, deps: MediaDeps): Promise<StoredFile> {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.length !== Buffer.byteLength(text, "base64")) throw unusable("the data of the file is not base64");
  return await deps.media.saveFile(toFileKind(filename ?? "file", mimeType), bytes);
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  "image/png": ".png",
  "image/jpeg": ".jpg",
  "image/gif": ".gif",
  "image/webp": ".webp",
  "audio/mpeg": ".mp3",
  "audio/ogg": ".ogg",
  "video/mp4": ".mp4",
  "application/pdf": ".pdf",
  "text/plain": ".txt",
};

/** What a file is: by its type where the name does not tell. */
function toFileKind(name: string, mimeType: string | undefined): Pick<StoredFile, "kind" | "name" | "mimeType"> {
  const byName = describeFile(name);
  if (byName.mimeType !== "application/octet-stream" || mimeType === undefined) return byName;
  const kind = /^(image|audio|video)\//.exec(mimeType)?.[1] as StoredFile["kind"] | undefined;
  const ending = byName.name.includes(".") || !Object.hasOwn(EXTENSIONS, mimeType) ? "" : EXTENSIONS[mimeType]!;
  return { kind: kind ?? "file", name: byName.name + ending, mimeType };
}
