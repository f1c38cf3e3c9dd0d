import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createDeflateRaw, createInflateRaw } from "node:zlib";

/**
 * ZIP archives with 64-bit sizes, as backups and diagnostics have them: written and read one file at a time, with little memory. The
 * directory at the end makes an archive readable by its parts, and shows at once when it is not complete.
 */

/** A file in an archive. */
export type ZipEntry = {
  readonly name: string;
  /** Type and permissions, as stat has them. */
  readonly mode: number;
  readonly bytes: number;
  readonly packedBytes: number;
  readonly crc: number;
  readonly isPacked: boolean;
  /** Where its header begins. */
  readonly at: number;
};

/** An archive that is not complete, not a ZIP, or not what it says. */
export class ZipError extends Error {}

const LOCAL_SIGNATURE = 0x04034b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const END_SIGNATURE = 0x06054b50;
const END64_SIGNATURE = 0x06064b50;
const LOCATOR_SIGNATURE = 0x07064b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR_BYTES = 20;
const EXTRA64 = 1;
/** ZIP 4.5: sizes of 64 bits. */
const VERSION = 45;
const UNIX = 3 << 8;
const UTF8 = 0x800;
const STORED = 0;
const DEFLATED = 8;
const BEYOND_32 = 0xffff_ffff;
const BEYOND_16 = 0xffff;
/** Entries and bytes of a directory; an archive with more is refused before anything of it is kept. */
const MAX_ENTRIES = 2_000_000;
const MAX_DIRECTORY_BYTES = 536_870_912;
const READ_BYTES = 262_144;

/** Date and time as DOS has them, in UTC. */
function dosTime(ms: number): { date: number; time: number } {
  const at = new Date(ms);
  const year = Math.min(Math.max(at.getUTCFullYear(), 1980), 2107);
  return {
    date: ((year - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
    time: (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1),
  };
}

function extra64(...values: number[]): Buffer {
  const extra = Buffer.alloc(4 + values.length * 8);
  extra.writeUInt16LE(EXTRA64, 0);
  extra.writeUInt16LE(values.length * 8, 2);
  for (const [index, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + index * 8);
  return extra;
}

type WrittenEntry = ZipEntry & { readonly date: number; readonly time: number };

function localHeader(entry: WrittenEntry): Buffer {
  const name = Buffer.from(entry.name);
  const head = Buffer.alloc(LOCAL_BYTES);
  const extra = extra64(entry.bytes, entry.packedBytes);
  head.writeUInt32LE(LOCAL_SIGNATURE, 0);
  head.writeUInt16LE(VERSION, 4);
  head.writeUInt16LE(UTF8, 6);
  head.writeUInt16LE(entry.isPacked ? DEFLATED : STORED, 8);
  head.writeUInt16LE(entry.time, 10);
  head.writeUInt16LE(entry.date, 12);
  head.writeUInt32LE(entry.crc, 14);
  head.writeUInt32LE(BEYOND_32, 18);
  head.writeUInt32LE(BEYOND_32, 22);
  head.writeUInt16LE(name.length, 26);
  head.writeUInt16LE(extra.length, 28);
  return Buffer.concat([head, name, extra]);
}

function centralHeader(entry: WrittenEntry): Buffer {
  const name = Buffer.from(entry.name);
  const head = Buffer.alloc(CENTRAL_BYTES);
  const extra = extra64(entry.bytes, entry.packedBytes, entry.at);
  head.writeUInt32LE(CENTRAL_SIGNATURE, 0);
  head.writeUInt16LE(UNIX | VERSION, 4);
  head.writeUInt16LE(VERSION, 6);
  head.writeUInt16LE(UTF8, 8);
  head.writeUInt16LE(entry.isPacked ? DEFLATED : STORED, 10);
  head.writeUInt16LE(entry.time, 12);
  head.writeUInt16LE(entry.date, 14);
  head.writeUInt32LE(entry.crc, 16);
  head.writeUInt32LE(BEYOND_32, 20);
  head.writeUInt32LE(BEYOND_32, 24);
  head.writeUInt16LE(name.length, 28);
  head.writeUInt16LE(extra.length, 30);
  head.writeUInt32LE((entry.mode & 0xffff) * 0x1_0000, 38);
  head.writeUInt32LE(BEYOND_32, 42);
  return Buffer.concat([head, name, extra]);
}

function endOfDirectory(count: number, at: number, bytes: number): Buffer {
  const end = Buffer.alloc(END64_BYTES + LOCATOR_BYTES + END_BYTES);
  end.writeUInt32LE(END64_SIGNATURE, 0);
  end.writeBigUInt64LE(BigInt(END64_BYTES - 12), 4);
  end.writeUInt16LE(UNIX | VERSION, 12);
  end.writeUInt16LE(VERSION, 14);
  for (const offset of [24, 32]) end.writeBigUInt64LE(BigInt(count), offset);
  end.writeBigUInt64LE(BigInt(bytes), 40);
  end.writeBigUInt64LE(BigInt(at), 48);
  end.writeUInt32LE(LOCATOR_SIGNATURE, END64_BYTES);
  end.writeBigUInt64LE(BigInt(at + bytes), END64_BYTES + 8);
  end.writeUInt32LE(1, END64_BYTES + 16);
  const last = END64_BYTES + LOCATOR_BYTES;
  end.writeUInt32LE(END_SIGNATURE, last);
  for (const offset of [8, 10]) end.writeUInt16LE(Math.min(count, BEYOND_16), last + offset);
  end.writeUInt32LE(Math.min(bytes, BEYOND_32), last + 12);
  end.writeUInt32LE(Math.min(at, BEYOND_32), last + 16);
  return end;
}

export type AddOptions = {
  /** Type and permissions; a regular file with 0600 otherwise. */
  readonly mode?: number;
  /** Time of the last change, in milliseconds. */
  readonly changedAt: number;
  /** False: it is stored as it is, because it is small already (images, archives). */
  readonly pack?: boolean;
};

const REGULAR_FILE = 0o100_600;

/** Writes an archive to an open, empty file. The caller closes it, and syncs it. */
export class ZipWriter {
  readonly #handle: FileHandle;
  readonly #entries: WrittenEntry[] = [];
  #at = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Adds one file. Resolves to what was written of it. Rejects when the content cannot be read; the archive is useless then. */
  async add(
    name: string,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: AddOptions,
  ): Promise<{ bytes: number; sha256: string }> {
    const { mode = REGULAR_FILE, changedAt, pack = true } = options;
    const at = this.#at;
    const seen = { bytes: 0, crc: 0, hash: createHash("sha256") };
    const head = { name, mode, isPacked: pack, at, ...dosTime(changedAt) };
    await this.#append(localHeader({ ...head, bytes: 0, packedBytes: 0, crc: 0 }));
    const begin = this.#at;
    async function* measured(): AsyncGenerator<Uint8Array> {
      for await (const chunk of content) {
        seen.bytes += chunk.length;
        seen.crc = crc32(chunk, seen.crc);
        seen.hash.update(chunk);
        yield chunk;
      }
    }
    const write = async (source: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const chunk of source) await this.#append(chunk);
    };
    if (pack) await pipeline(measured, createDeflateRaw(), write);
    else await write(measured());
    const entry: WrittenEntry = { ...head, bytes: seen.bytes, packedBytes: this.#at - begin, crc: seen.crc };
    await writeAll(this.#handle, localHeader(entry), at);
    this.#entries.push(entry);
    return { bytes: seen.bytes, sha256: seen.hash.digest("hex") };
  }

  /** Writes the directory: without it the archive counts as not complete. Resolves to the bytes of the whole archive. */
  async finish(): Promise<number> {
    const begin = this.#at;
    for (const entry of this.#entries) await this.#append(centralHeader(entry));
    await this.#append(endOfDirectory(this.#entries.length, begin, this.#at - begin));
    return this.#at;
  }

  async #append(chunk: Uint8Array): Promise<void> {
    await writeAll(this.#handle, chunk, this.#at);
    this.#at += chunk.length;
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** Reads the files of an archive that anyone may have made: names, sizes and checksums are checked. */
export class ZipReader {
  readonly #handle: FileHandle;
  readonly entries: ReadonlyMap<string, ZipEntry>;

  private constructor(handle: FileHandle, entries: ReadonlyMap<string, ZipEntry>) {
    this.#handle = handle;
    this.entries = entries;
  }

  /** Rejects with ZipError, or the system's error. The caller closes the reader. */
  static async open(path: string): Promise<ZipReader> {
    const handle = await open(path, "r");
    try {
      return new ZipReader(handle, await readDirectory(handle));
    } catch (err) {
      await handle.close();
      throw err;
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** The content of one file. Throws ZipError when it is not the one that was written. */
  async *read(entry: ZipEntry): AsyncGenerator<Buffer> {
    const packed = this.#packed(entry);
    const content: AsyncIterable<Buffer> = entry.isPacked ? Readable.from(packed).pipe(createInflateRaw()) : packed;
    let bytes = 0;
    let crc = 0;
    try {
      for await (const chunk of content) {
        bytes += chunk.length;
        if (bytes > entry.bytes) break;
        crc = crc32(chunk, crc);
        yield chunk;
      }
    } catch (err) {
      throw new ZipError(`${entry.name} cannot be read: ${err instanceof Error ? err.message : String(err)}`, { cause: err });
    }
    if (bytes !== entry.bytes || crc !== entry.crc) throw new ZipError(`${entry.name} is damaged: its checksum does not match`);
  }

  /** A small file as a whole; refuses a larger one. */
  async readAll(entry: ZipEntry, maxBytes: number): Promise<Buffer> {
    if (entry.bytes > maxBytes) throw new ZipError(`${entry.name} has ${entry.bytes} bytes, more than the ${maxBytes} that are read`);
    const chunks: Buffer[] = [];
    for await (const chunk of this.read(entry)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async *#packed(entry: ZipEntry): AsyncGenerator<Buffer> {
    const head = await readExactly(this.#handle, entry.at, LOCAL_BYTES);
    if (head.readUInt32LE(0) !== LOCAL_SIGNATURE) throw new ZipError(`${entry.name} is not where the directory says`);
    const begin = entry.at + LOCAL_BYTES + head.readUInt16LE(26) + head.readUInt16LE(28);
    for (let done = 0; done < entry.packedBytes;) {
      const chunk = await readExactly(this.#handle, begin + done, Math.min(READ_BYTES, entry.packedBytes - done));
      done += chunk.length;
      yield chunk;
    }
  }
}

async function readExactly(handle: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  for (let done = 0; done < bytes;) {
    const { bytesRead } = await handle.read(buffer, done, bytes - done, at + done);
    if (bytesRead === 0) throw new ZipError("the archive is not complete: it ends too early");
    done += bytesRead;
  }
  return buffer;
}

async function readDirectory(handle: FileHandle): Promise<ReadonlyMap<string, ZipEntry>> {
  const { size } = await handle.stat();
  if (size < END_BYTES + LOCATOR_BYTES + END64_BYTES) throw new ZipError("the archive is not complete, or not a ZIP with 64-bit sizes");
  const end = await readExactly(handle, size - END_BYTES - LOCATOR_BYTES - END64_BYTES, END64_BYTES + LOCATOR_BYTES + END_BYTES);
  const isWhole =
    end.readUInt32LE(0) === END64_SIGNATURE &&
    end.readUInt32LE(END64_BYTES) === LOCATOR_SIGNATURE &&
    end.readUInt32LE(END64_BYTES + LOCATOR_BYTES) === END_SIGNATURE;
  if (!isWhole) throw new ZipError("the archive is not complete, or not a ZIP with 64-bit sizes");
  const [count, bytes, at] = [end.readBigUInt64LE(32), end.readBigUInt64LE(40), end.readBigUInt64LE(48)].map(Number) as [
    number,
    number,
    number,
  ];
  if (count > MAX_ENTRIES || bytes > MAX_DIRECTORY_BYTES || at + bytes > size)
    throw new ZipError("the directory of the archive is damaged");
  return parseDirectory(await readExactly(handle, at, bytes), count);
}

function parseDirectory(directory: Buffer, count: number): ReadonlyMap<string, ZipEntry> {
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  try {
    for (let index = 0; index < count; index++) {
      const { entry, next } = parseEntry(directory, at);
      if (entries.has(entry.name)) throw new ZipError(`the archive has two files with the name ${entry.name}`);
      entries.set(entry.name, entry);
      at = next;
    }
  } catch (err) {
    if (err instanceof RangeError) throw new ZipError("the directory of the archive is damaged", { cause: err });
    throw err;
  }
  return entries;
}

function parseEntry(directory: Buffer, at: number): { entry: ZipEntry; next: number } {
  if (directory.readUInt32LE(at) !== CENTRAL_SIGNATURE) throw new ZipError("the directory of the archive is damaged");
  const nameAt = at + CENTRAL_BYTES;
  const extraAt = nameAt + directory.readUInt16LE(at + 28);
  const extraBytes = directory.readUInt16LE(at + 30);
  const name = directory.toString("utf8", nameAt, extraAt);
  refuseUnsafeName(name);
  const method = directory.readUInt16LE(at + 10);
  if (method !== STORED && method !== DEFLATED) throw new ZipError(`${name} is packed by a method that is not supported`);
  if (directory.readUInt16LE(extraAt) !== EXTRA64) throw new ZipError("the archive does not have 64-bit sizes");
  return {
    entry: {
      name,
      mode: directory.readUInt32LE(at + 38) >>> 16,
      bytes: Number(directory.readBigUInt64LE(extraAt + 4)),
      packedBytes: Number(directory.readBigUInt64LE(extraAt + 12)),
      at: Number(directory.readBigUInt64LE(extraAt + 20)),
      crc: directory.readUInt32LE(at + 16),
      isPacked: method === DEFLATED,
    },
    next: extraAt + extraBytes + directory.readUInt16LE(at + 32),
  };
}

/** A name is a path below the directory into which the archive is unpacked; any program may have written it. */
function refuseUnsafeName(name: string): void {
  const parts = name.split("/");
  const isSafe = name !== "" && !/[\0\\]/.test(name) && parts.every((part) => part !== "" && part !== "." && part !== "..");
  if (!isSafe) throw new ZipError(`the archive has a file with the unsafe name ${JSON.stringify(name.slice(0, 100))}`);
}
