import { gunzipSync } from "node:zlib";
import { checkContentPath, checkFileSize, ContentError, type ContentFile } from "../contents.ts";
import { SKILL_LIMITS } from "../limits.ts";

const BLOCK = 512;

export type ArchiveOptions = {
  /** Only what lies beneath it; empty: everything. */
  folder: string;
  /** The archive has one directory, whatever its name, with everything in it. */
  hasTopDirectory?: boolean;
};

/** The files of a tar archive, plain or compressed by gzip. Links and devices beneath the folder are refused with a ContentError. */
export function readArchive(bytes: Buffer, { folder, hasTopDirectory = false }: ArchiveOptions): readonly ContentFile[] {
  const files: ContentFile[] = [];
  const known = new Set<string>();
  const prefix = folder === "" ? "" : `${folder}/`;
  for (const entry of entriesOf(unpack(bytes))) {
    const inside = hasTopDirectory ? entry.path.replace(/^[^/]*\//, "") : entry.path;
    if (!inside.startsWith(prefix)) continue;
    const path = inside.slice(prefix.length);
    if (entry.kind === "directory" || path === "") continue;
    checkContentPath(path);
    if (known.has(path)) throw new ContentError(`${JSON.stringify(path)} is in it twice`);
    known.add(path);
    if (entry.kind === "other") throw new ContentError(`${JSON.stringify(path)} is neither a file nor a directory`);
    checkFileSize(path, entry.bytes.length);
    files.push({ path, bytes: entry.bytes, isExecutable: entry.isExecutable });
  }
  return files;
}

function unpack(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: SKILL_LIMITS.archiveBytes });
  } catch (err) {
    throw new ContentError("the archive is damaged, or too large", { cause: err });
  }
}

type ArchiveEntry = { path: string; kind: "file" | "directory" | "other"; isExecutable: boolean; bytes: Buffer };

/** Reads the headers of the formats ustar and pax. A longer path is in a record before its file. */
function* entriesOf(tar: Buffer): Generator<ArchiveEntry> {
  let longPath: string | null = null;
  for (let at = 0; at + BLOCK <= tar.length;) {
    const header = tar.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    const size = octalOf(header, 124, 12);
    const bytes = tar.subarray(at + BLOCK, at + BLOCK + size);
    if (bytes.length < size) throw new ContentError("the archive ends too early");
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const type = String.fromCharCode(header[156]!);
    if (type === "g") continue;
    if (type === "x" || type === "L") {
      longPath = type === "x" ? (paxPath(bytes) ?? longPath) : textOf(bytes, 0, bytes.length);
      continue;
    }
    const prefix = header.toString("latin1", 257, 262) === "ustar" ? textOf(header, 345, 155) : "";
    const path = longPath ?? [prefix, textOf(header, 0, 100)].filter((part) => part !== "").join("/");
    longPath = null;
    const kind = type === "0" || type === "\0" ? "file" : type === "5" ? "directory" : "other";
    yield { path: path.replace(/^(?:\.\/)+/, ""), kind, isExecutable: (octalOf(header, 100, 8) & 0o100) !== 0, bytes };
  }
}

function textOf(bytes: Buffer, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? field.length : end);
}

function octalOf(bytes: Buffer, at: number, length: number): number {
  const text = textOf(bytes, at, length).trim();
  if (!/^[0-7]*$/.test(text)) throw new ContentError("the archive is damaged, or of a format that is not supported");
  return Number.parseInt(text || "0", 8);
}

/** The path in a pax record, whose lines are `<length> <key>=<value>`. */
function paxPath(bytes: Buffer): string | undefined {
  for (let at = 0; at < bytes.length;) {
    const length = Number.parseInt(textOf(bytes, at, 20), 10);
    if (!(length > 0)) throw new ContentError("the archive is damaged");
    const [, key, value] = /^\d+ ([^=]+)=([^]*)\n$/.exec(bytes.toString("utf8", at, at + length)) ?? [];
    if (key === "path") return value;
    at += length;
  }
  return undefined;
}
