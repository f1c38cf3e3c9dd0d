import { join } from "node:path";
import type { ToolName } from "../agents/runtime.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { StoredImage, MediaStore } from "../store/media.ts";
import { saveInboundFile, type FileRef } from "../turns/inbound-media.ts";

type Attachment = { type?: string; mimeType?: string; fileName?: string; content?: unknown };

/** The files of a request as a turn takes them: pictures that models read, and what the agent reads about all others. */
export type StoredAttachments = { images: readonly StoredImage[]; attached: readonly string[] };

const invalid = (message: string): GatewayError => detailError("ATTACHMENT_NOT_USABLE", message);

/**
 * Stores the attachments of a request, which are base64 with or without a `data:` prefix. Small text is given to the agent as it is; an
 * agent with tools gets the path of every file. Throws INVALID_REQUEST for what cannot be used, before anything of the request is stored.
 */
export async function storeAttachments(
  media: MediaStore,
  attachments: readonly unknown[] | undefined,
  tools: readonly ToolName[],
): Promise<StoredAttachments> {
  const given = attachments ?? [];
  if (given.length > LIMITS.messageFiles)
    throw invalid(`the message has ${given.length} attachments; at most ${LIMITS.messageFiles} are taken`);
  const files = given.map((raw, index) => decode(raw as Attachment, index + 1));
  const images: StoredImage[] = [];
  const attached: string[] = [];
  for (const { ref, bytes } of files) {
    const kept = await saveInboundFile({ media }, { tools, attached }, ref, bytes);
    if (kept.image) images.push(kept.image);
    else attached.push(tools.length > 0 ? await withPath(media, ref, bytes, kept.text) : kept.text);
  }
  return { images, attached };
}

/** A tool may need the file itself also where its text is in the message. */
async function withPath(media: MediaStore, ref: FileRef, bytes: Uint8Array, text: string): Promise<string> {
  const { file } = await media.saveFile({ kind: ref.kind, name: ref.name, mimeType: ref.mimeType }, bytes);
  const path = join(media.dir, file);
  return text.includes(path) ? text : `${text}\n[stored at ${path}]`;
}

function decode({ type, mimeType, fileName, content }: Attachment, number: number): { ref: FileRef; bytes: Uint8Array } {
  if (typeof content !== "string") throw invalid(`attachment ${number} has no content`);
  const prefix = /^data:([\w.+-]{1,64}\/[\w.+-]{1,64})?[^,]{0,100},/.exec(content.slice(0, 300));
  const text = prefix ? content.slice(prefix[0].length) : content;
  const size = Buffer.byteLength(text, "base64");
  if (size > LIMITS.attachmentBytes)
    throw invalid(`attachment ${number} has ${size} bytes; at most ${LIMITS.attachmentBytes} are taken for each`);
  const bytes = Buffer.from(text, "base64");
  // Whatever is not base64 is left out by the decoder, so that the lengths differ.
  if (text === "" || /[-_]/.test(text) || bytes.length !== size) throw invalid(`attachment ${number} is not base64`);
  const mime = typeof mimeType === "string" && mimeType !== "" ? mimeType : (prefix?.[1] ?? "application/octet-stream");
  const kind = /^(image|audio|video)\//.exec(mime)?.[1] as FileRef["kind"] | undefined;
  const name = typeof fileName === "string" && fileName !== "" ? fileName : (type ?? "file");
  return { ref: { kind: kind ?? "file", name, mimeType: mime, sizeBytes: size }, bytes };
}
