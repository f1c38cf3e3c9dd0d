import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";

/** A picture as rows keep it: small ones inside the row, others as a file that is named by its content. */
export type KeptImage =
  | { mimeType: string; /** base64 */ data: string }
  | { mimeType: string; /** SHA-256, hex */ file: string; sizeBytes: number };
const HASH = /^[0-9a-f]{64}$/;
export type InlineImage = Extract<KeptImage, { data: string }>;

/** Any other file that is kept: its content lies in the media directory, named by its hash. */
export type KeptFile = {
  kind: "image" | "file" | "audio" | "video";
  name: string;
  mimeType: string;
  sizeBytes: number;
  /** SHA-256, hex. */ file: string;
};

/**
 * Pictures of messages. A large one would hold the loop and the store for a tenth of a second at every touch, so it is written
 * to a file of its own, once, before the row that names it; hashing and writing happen off the loop.
 */
export class Media {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** On disk when it resolves. Throws UNAVAILABLE when it cannot be stored. */
  async keep(image: InlineImage): Promise<KeptImage> {
    if (image.data.length <= LIMITS.inlineImageChars) return image;
    const bytes = Buffer.from(image.data, "base64");
    return { mimeType: image.mimeType, file: await this.#keepBytes("the picture", bytes), sizeBytes: bytes.length };
  }

  /** On disk when it resolves. Throws UNAVAILABLE when it cannot be stored, INVALID_REQUEST when it is too large. */
  async keepFile(file: Pick<KeptFile, "kind" | "name" | "mimeType">, bytes: Uint8Array): Promise<KeptFile> {
    if (bytes.length > LIMITS.mediaBytes)
      throw new GatewayError("INVALID_REQUEST", `the file has ${bytes.length} bytes; at most ${LIMITS.mediaBytes} are taken`);
    const hash = await this.#keepBytes("the file", bytes);
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
  async has(file: Pick<KeptFile, "file" | "sizeBytes">): Promise<boolean> {
    if (!HASH.test(file.file)) return false;
    const known = await stat(join(this.#dir, file.file)).catch(() => null);
    return known?.isFile() === true && known.size === file.sizeBytes;
  }

  /** The directory of kept files. */
  get dir(): string {
    return this.#dir;
  }

  async #keepBytes(what: string, bytes: Uint8Array): Promise<string> {
    const file = Buffer.from(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))).toString("hex");
    try {
      await this.#write(file, bytes);
    } catch (err) {
      throw new GatewayError("UNAVAILABLE", `${what} could not be stored: ${reasonOf(err)}`, {
        cause: err,
        retryAfterMs: 1_000,
        details: { code: "STORAGE_FAILED" },
      });
    }
    return file;
  }

  /** The picture itself. Throws UNAVAILABLE when its file is gone. */
  async load(image: KeptImage): Promise<InlineImage> {
    if ("data" in image) return image;
    if (!HASH.test(image.file)) throw new GatewayError("UNAVAILABLE", "a picture of this message has no valid name");
    try {
      const bytes = await readFile(join(this.#dir, image.file));
      return { mimeType: image.mimeType, data: bytes.toString("base64") };
    } catch (err) {
      throw new GatewayError("UNAVAILABLE", "a picture of this message can no longer be read", { cause: err });
    }
  }

  /** Written beside its place and renamed, so that a file of that name is always whole. */
  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#dir, name);
    const known = await stat(path).catch(() => null);
    if (known?.size === bytes.length) return;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const temporary = `${path}.${crypto.randomUUID()}.tmp`;
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  }
}
