import { createHash } from "node:crypto";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, normalize, relative } from "node:path";
import { errnoOf, fileProblemOf, isAtOrBeneath, openBeneath, readAtMost, UnsafePathError, writeFileAtomic } from "../../core/files.ts";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { HostError } from "./host-error.ts";
import { HOST_LIMITS } from "./limits.ts";

/** The directories of this machine that a gateway may use; none unless the person at this machine names some. */
export class SharedFiles {
  readonly #roots: readonly string[];

  private constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  /** Throws the system's error for a directory that is not there. */
  static async open(directories: readonly string[]): Promise<SharedFiles> {
    return new SharedFiles(await Promise.all(directories.map((each) => realpath(each))));
  }

  get isShared(): boolean {
    return this.#roots.length > 0;
  }

  async run(command: string, params: JsonObject): Promise<JsonObject> {
    try {
      switch (command) {
        case "file.stat":
          return await this.#stat(params);
        case "file.fetch":
          return await this.#fetch(params);
        case "file.write":
          return await this.#write(params);
        default:
          return await this.#list(params);
      }
    } catch (err) {
      if (err instanceof HostError) throw err;
      if (err instanceof UnsafePathError) throw new HostError("PATH_NOT_ALLOWED", err.message);
      throw new HostError(errnoOf(err) === "ENOENT" ? "NOT_FOUND" : "FILE_ERROR", `${asString(params["path"])}: ${fileProblemOf(err)}`);
    }
  }

  async #stat(params: JsonObject): Promise<JsonObject> {
    const { path } = await this.#locate(params);
    const { size, mtimeMs, ...kind } = await stat(path);
    return { path, type: kind.isDirectory() ? "directory" : "file", size, mtimeMs: Math.round(mtimeMs) };
  }

  async #fetch(params: JsonObject): Promise<JsonObject> {
    const { path, root } = await this.#locate(params);
    const limit = Math.min(asNumber(params["maxBytes"]) ?? HOST_LIMITS.fileBytes, HOST_LIMITS.fileBytes);
    const handle = await openBeneath(root, relative(root, path));
    try {
      const { size } = await handle.stat();
      if (size > limit) throw new HostError("PAYLOAD_TOO_LARGE", `${path} has ${size} bytes; the limit is ${limit}`);
      const bytes = await readAtMost(handle, size);
      return { path, size: bytes.length, mimeType: "application/octet-stream", sha256: sha256(bytes), base64: bytes.toString("base64") };
    } finally {
      await handle.close();
    }
  }

  async #write(params: JsonObject): Promise<JsonObject> {
    const { path } = await this.#locate(params);
    const bytes = Buffer.from(asString(params["contentBase64"]), "base64");
    if (bytes.length > HOST_LIMITS.fileBytes)
      throw new HostError("PAYLOAD_TOO_LARGE", `the content has ${bytes.length} bytes; the limit is ${HOST_LIMITS.fileBytes}`);
    const hash = sha256(bytes);
    const expected = asString(params["expectedSha256"]);
    if (expected !== "" && expected !== hash) throw new HostError("HASH_MISMATCH", "the content is not the one that was meant");
    const known = await stat(path).catch(() => null);
    if (known && params["overwrite"] !== true) throw new HostError("EXISTS", `${path} exists already; set overwrite to replace it`);
    if (known && !known.isFile()) throw new HostError("FILE_ERROR", `${path} is not a file`);
    await writeFileAtomic(path, bytes);
    return { path, size: bytes.length, sha256: hash, overwritten: known !== null };
  }

  async #list(params: JsonObject): Promise<JsonObject> {
    const { path } = await this.#locate(params);
    const limit = Math.min(asNumber(params["maxEntries"]) ?? 200, HOST_LIMITS.entries);
    const all = (await readdir(path, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const entries = await Promise.all(
      all.slice(0, limit).map(async (entry) => ({
        name: entry.name,
        isDir: entry.isDirectory(),
        ...(entry.isFile() && { size: (await stat(join(path, entry.name))).size }),
      })),
    );
    return { path, entries, total: all.length, truncated: all.length > entries.length };
  }

  /** The real path, which has to lie beneath a shared directory; of a file that is not there, its directory has to. */
  async #locate(params: JsonObject): Promise<{ path: string; root: string }> {
    const given = asString(params["path"]);
    if (!isAbsolute(given)) throw new HostError("INVALID_REQUEST", "path must be an absolute path");
    const wanted = normalize(given);
    const path = await realpath(wanted).catch(async (err: unknown) => {
      if (errnoOf(err) !== "ENOENT") throw err;
      return join(await realpath(dirname(wanted)), basename(wanted));
    });
    const root = this.#roots.find((each) => isAtOrBeneath(each, path));
    if (root === undefined)
      throw new HostError(
        "PATH_NOT_ALLOWED",
        `${given} is not in a directory that this machine shares (openclaw node run --files <directory>)`,
      );
    return { path, root };
  }
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
