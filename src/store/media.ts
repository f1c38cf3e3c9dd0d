import { open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog, type Log } from "../core/log.ts";
import { makePrivateDir } from "../core/private-dir.ts";

/** A picture as rows keep it: small ones inside the row, others as a file that is named by its content. */
export type StoredImage =
  | { mimeType: string; /** base64 */ data: string }
  | { mimeType: string; /** SHA-256, hex */ file: string; sizeBytes: number };
const HASH = /^[0-9a-f]{64}$/;
export type InlineImage = Extract<StoredImage, { data: string }>;

/** Any other file that is kept: its content lies in the media directory, named by its hash. */
export type StoredFile = {
  kind: "image" | "file" | "audio" | "video";
  name: string;
  mimeType: string;
  sizeBytes: number;
  /** SHA-256, hex. */ file: string;
};

/** How much is kept. A file that would exceed it is refused. */
export type MediaQuota = { totalBytes: number; /** Received from one account within a day (UTC). */ accountBytesPerDay: number };

const noop = (): void => {};
const DAY_MS = 86_400_000;

/**
 * Pictures of messages. A large one would hold the loop and the store for a tenth of a second at every touch, so it is written
 * to a file of its own, once, before the row that names it; hashing and writing happen off the loop.
 */
export class MediaStore {
  readonly #dir: string;
  readonly #quota: () => MediaQuota;
  readonly #now: () => number;
  readonly #log: Pick<Log, "warn">;
  /** Bytes in the directory; null until they are counted. */
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

  /** Files were removed: what is there is counted again when somebody asks. */
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

  /** The content of a kept file. Throws UNAVAILABLE when it is gone. */
  async readFile(file: string): Promise<Uint8Array> {
    if (!HASH.test(file)) throw new GatewayError("UNAVAILABLE", "a kept file has no valid name");
    try {
      return await readFile(join(this.#dir, file));
    } catch (err) {
      throw new GatewayError("UNAVAILABLE", "a kept file can no longer be read", { cause: err });
    }
  }

  /** Whether a kept file is there, and whole. */
  async has(file: Pick<StoredFile, "file" | "sizeBytes">): Promise<boolean> {
    if (!HASH.test(file.file)) return false;
    const known = await stat(join(this.#dir, file.file)).catch(() => null);
    return known?.isFile() === true && known.size === file.sizeBytes;
  }

  /** The directory of kept files. */
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

  /** The picture itself. Throws UNAVAILABLE when its file is gone. */
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

  /** Its time is renewed, so that no sweep takes it while the row that names it now is being written. */
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

  /** Counts the bytes before they are written, so that files at the same time do not exceed the quota together. */
  async #reserve(what: string, bytes: number, account: string | undefined): Promise<() => void> {
    const quota = this.#quota();
    const counted = this.#total ?? (await directorySize(this.#dir));
    // From here on nothing waits: what others have reserved meanwhile is in the sum.
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

  /** Written beside its place and renamed, so that a file of that name is always whole. The directory may have been removed. */
  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#dir, name);
    await makePrivateDir(this.#dir, this.#log);
    const temporary = `${path}.${crypto.randomUUID()}.tmp`;
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (err) {
      await rm(temporary, { force: true });
      throw err;
    }
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
