import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";

/** A picture as rows keep it: small ones inside the row, others as a file that is named by its content. */
export type KeptImage =
  | { mimeType: string; /** base64 */ data: string }
  | { mimeType: string; /** SHA-256, hex */ file: string; sizeBytes: number };
export type InlineImage = Extract<KeptImage, { data: string }>;

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
    const file = Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
    try {
      await this.#write(file, bytes);
    } catch (err) {
      throw new GatewayError("UNAVAILABLE", `the picture could not be stored: ${reasonOf(err)}`, {
        cause: err,
        retryAfterMs: 1_000,
        details: { code: "STORAGE_FAILED" },
      });
    }
    return { mimeType: image.mimeType, file, sizeBytes: bytes.length };
  }

  /** The picture itself. Throws UNAVAILABLE when its file is gone. */
  async load(image: KeptImage): Promise<InlineImage> {
    if ("data" in image) return image;
    if (!/^[0-9a-f]{64}$/.test(image.file)) throw new GatewayError("UNAVAILABLE", "a picture of this message has no valid name");
    try {
      const bytes = await readFile(join(this.#dir, image.file));
      return { mimeType: image.mimeType, data: bytes.toString("base64") };
    } catch (err) {
      throw new GatewayError("UNAVAILABLE", "a picture of this message can no longer be read", { cause: err });
    }
  }

  /** Written beside its place and renamed, so that a file of that name is always whole. */
  async #write(name: string, bytes: Buffer): Promise<void> {
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
