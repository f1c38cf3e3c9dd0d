import { readdir, readFile, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog, type Log } from "../core/log.ts";
import { makePrivateDir } from "../core/private-dir.ts";

/** An image as rows store it: small ones inside the row, others as a file named by its content hash. */
export type StoredImage =
  | { mimeType: string; /** base64 */ data: string }
  | { mimeType: string; /** SHA-256, hex */ file: string; sizeBytes: number };
const HASH = /^[0-9a-f]{64}$/;
export type InlineImage = Extract<StoredImage, { data: string }>;

/** Any other stored file: its content is in the media directory, named by its hash. */
export type StoredFile = {
  kind: "image" | "file" | "audio" | "video";
  name: string;
  mimeType: string;
  sizeBytes: number;
  /** SHA-256, hex. */ file: string;
};

/** Limits of the media directory. A file that would exceed them is refused. */
export type MediaQuota = { totalBytes: number; /** Received from one account within a day (UTC). */ accountBytesPerDay: number };

const noop = (): void => {};
const DAY_MS = 86_400_000;

/**
 * Images of messages. A large one would block the event loop and the store for a tenth of a second on each access, so it is written
 * once to a separate file, before the row that refers to it; hashing and writing happen off the event loop.
 */
export class MediaStore {
  readonly #dir: string;
  readonly #quota: () => MediaQuota;
  readonly #now: () => number;
  readonly #log: Pick<Log, "warn">;
  /** Bytes in the directory; null until counted. */
  #total: number | null = null;
  /** Bytes of each account on `#day`. */
  #received = new Map<string, number>();
  #day = 0;

  constructor(
    dir: string,
    quota: () => MediaQuota = () => ({ totalBytes: Infinity, accountBytesPerDay: Infinity }),
    now = Date.now,
    log: Pick<Log, "warn"> = silentLog,
  ) {
    this.#dir = dir;
    this.#quota = quota;
    this.#now = now;
    this.#log = log;
  }

  /** Files were removed: the bytes are counted again on demand. */
  invalidateSize(): void {
    this.#total = null;
  }

  /** On disk when it resolves. Throws UNAVAILABLE when it cannot be stored. */
  async saveImage(image: InlineImage, account?: string): Promise<StoredImage> {
    if (image.data.length <= LIMITS.inlineImageChars) return image;
    const bytes = Buffer.from(image.data, "base64");
    return { mimeType: image.mimeType, file: await this.#saveBytes("the picture", bytes, account), sizeBytes: bytes.length };
  }

  /**
   * On disk when it resolves. Throws UNAVAILABLE when it cannot be stored or the quota is used up, INVALID_REQUEST when it is too
   * large. `account` names where it was received, e.g. `telegram/default`.
   */
  async saveFile(file: Pick<StoredFile, "kind" | "name" | "mimeType">, bytes: Uint8Array, account?: string): Promise<StoredFile> {
    if (bytes.length > LIMITS.mediaBytes)
      throw new GatewayError("INVALID_REQUEST", `the file has ${bytes.length} bytes; at most ${LIMITS.mediaBytes} are taken`);
    const hash = await this.#saveBytes("the file", bytes, account);
    return { kind: file.kind, name: file.name, mimeType: file.mimeType, sizeBytes: bytes.length, file: hash };
  }

  /** The content of a stored file. Throws UNAVAILABLE when it is missing. */
  async readFile(file: string): Promise<Uint8Array> {
    if (!HASH.test(file)) throw new GatewayError("UNAVAILABLE", "a kept file has no valid name");
    try {
      return await readFile(join(this.#dir, file));
    } catch (err) {
      throw new GatewayError("UNAVAILABLE", "a kept file can no longer be read", { cause: err });
    }
  }

  /** Whether a stored file exists and is complete. */
  async has(file: Pick<StoredFile, "file" | "sizeBytes">): Promise<boolean> {
    if (!HASH.test(file.file)) return false;
    const known = await stat(join(this.#dir, file.file)).catch(() => null);
    return known?.isFile() === true && known.size === file.sizeBytes;
  }

  /** The directory of stored files. */
  get dir(): string {
    return this.#dir;
  }

  async #saveBytes(what: string, bytes: Uint8Array, account: string | undefined): Promise<string> {
    const file = Buffer.from(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))).toString("hex");
    if (await this.#isStored(file, bytes.length)) return file;
    let giveBack = noop;
    try {
      giveBack = await this.#reserve(what, bytes.length, account);
      await this.#write(file, bytes);
    } catch (err) {
      if (err instanceof GatewayError) throw err;
      giveBack();
      throw detailError("STORAGE_FAILED", `${what} could not be stored: ${reasonOf(err)}`, {
        cause: err,
        retryAfterMs: 1_000,
      });
    }
    return file;
  }

  /** The image content. Throws UNAVAILABLE when its file is missing. */
  async loadImage(image: StoredImage): Promise<InlineImage> {
    if ("data" in image) return image;
    if (!HASH.test(image.file)) throw new GatewayError("UNAVAILABLE", "a picture of this message has no valid name");
    try {
      const bytes = await readFile(join(this.#dir, image.file));
      return { mimeType: image.mimeType, data: bytes.toString("base64") };
    } catch (err) {
      throw new GatewayError("UNAVAILABLE", "a picture of this message can no longer be read", { cause: err });
    }
  }

  /** Updates the file time, so that no sweep removes the file while a new row that refers to it is being written. */
  async #isStored(name: string, bytes: number): Promise<boolean> {
    const path = join(this.#dir, name);
    const known = await stat(path).catch(() => null);
    if (known?.size !== bytes) return false;
    const now = new Date(this.#now());
    return await utimes(path, now, now).then(
      () => true,
      () => false,
    );
  }

  /** Counts the bytes before they are written, so that concurrent files do not exceed the quota together. */
  async #reserve(what: string, bytes: number, account: string | undefined): Promise<() => void> {
    const quota = this.#quota();
    const counted = this.#total ?? (await directorySize(this.#dir));
    // No await from here on, so the sum includes all concurrent reservations.
    const total = (this.#total ?? counted) + bytes;
    if (total > quota.totalBytes) throw quotaError(what, "all kept files", quota.totalBytes, "gateway.media.maxTotalBytes");
    const day = Math.floor(this.#now() / DAY_MS);
    if (day !== this.#day) this.#received = new Map();
    this.#day = day;
    const received = account === undefined ? 0 : (this.#received.get(account) ?? 0) + bytes;
    if (received > quota.accountBytesPerDay)
      throw quotaError(what, `files from ${account} in one day`, quota.accountBytesPerDay, "gateway.media.maxAccountBytesPerDay");
    this.#total = total;
    if (account !== undefined) this.#received.set(account, received);
    return () => {
      this.#total = null;
      if (account !== undefined) this.#received.set(account, Math.max(0, (this.#received.get(account) ?? 0) - bytes));
    };
  }

  /** Written to a temporary file and renamed, so that a file of that name is always complete. The directory may have been removed. */
  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#dir, name);
    await makePrivateDir(this.#dir, this.#log);
    await writeFileAtomic(path, bytes);
  }
}

async function directorySize(dir: string): Promise<number> {
  const names = await readdir(dir).catch((err: NodeJS.ErrnoException) => {
    if (err.code === "ENOENT" || err.code === "ENOTDIR") return [];
    throw err;
  });
  let bytes = 0;
  for (const name of names) bytes += (await stat(join(dir, name)).catch(() => null))?.size ?? 0;
  return bytes;
}

const quotaError = (what: string, whose: string, limit: number, key: string): GatewayError =>
  detailError("MEDIA_QUOTA", `${what} was not kept: ${whose} may have ${Math.floor(limit / 1_048_576)} MiB together`, {
    fix: `Raise ${key}, or delete sessions whose files are not needed any more.`,
  });
