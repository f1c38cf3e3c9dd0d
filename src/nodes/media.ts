import { asString, fieldsOf } from "../core/json.ts";

/** Bytes of a file from a node, at most; a larger one is not read. */
const MEDIA_BYTES = 20_971_520;

const TYPES: Readonly<Record<string, string>> = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  heic: "image/heic",
  mp4: "video/mp4",
  mov: "video/quicktime",
  m4a: "audio/mp4",
};
const ENDINGS = new Map(Object.entries(TYPES).map(([ending, type]) => [type, ending === "jpeg" ? "jpg" : ending]));

/** First bytes of the types that nodes send: what a node calls a picture has to be one. */
const SIGNATURES: readonly [type: string, matches: (bytes: Buffer) => boolean][] = [
  ["image/jpeg", (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff],
  ["image/png", (bytes) => bytes.subarray(0, 8).toString("latin1") === "\u0089PNG\r\n\u001a\n"],
  ["image/webp", (bytes) => bytes.subarray(0, 4).toString("latin1") === "RIFF" && bytes.subarray(8, 12).toString("latin1") === "WEBP"],
  ["video/mp4", (bytes) => bytes.subarray(4, 8).toString("latin1") === "ftyp"],
];

/** A picture or a recording. */
export type NodeMedia = { bytes: Buffer; mimeType: string };

/** The file in the result of a command; null where there is none, or none that can be used. Its type is that of its content. Pure. */
export function toMediaBytes(payload: unknown): NodeMedia | null {
  const { base64, format } = fieldsOf(payload);
  if (asString(base64) === "" || asString(base64).length > (MEDIA_BYTES * 4) / 3 + 4) return null;
  const bytes = Buffer.from(asString(base64), "base64");
  if (bytes.length === 0) return null;
  const name = asString(format).toLowerCase();
  const named = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  const found = SIGNATURES.find(([, matches]) => matches(bytes))?.[0];
  // A format without a signature here is taken by its name, unless the content is of another type.
  const mimeType = found ?? (named !== undefined && !SIGNATURES.some(([type]) => type === named) ? named : "application/octet-stream");
  return { bytes, mimeType };
}

/** The same result without its content, which is in a file. Pure. */
export function withoutContent(payload: unknown): Record<string, unknown> {
  const { base64: _content, ...rest } = fieldsOf(payload);
  return rest;
}

/** A name that says from which node it is, of which command, which type and size. Nothing of it is what a node wrote. Pure. */
export function mediaFileName(file: { node: string; command: string; mimeType: string; bytes: number; at: number; index: number }): string {
  const { node, command, mimeType, bytes, at, index } = file;
  const time = new Date(at).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  const words = command.replaceAll(/[^A-Za-z0-9]+/g, "-").slice(0, 40);
  return `node-${node.slice(0, 8)}-${words}-${time}${index > 0 ? `-${index}` : ""}-${Math.ceil(bytes / 1_024)}kb.${ENDINGS.get(mimeType) ?? "bin"}`;
}
