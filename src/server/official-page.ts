import { createHash } from "node:crypto";
import { constants, readdirSync, readFileSync, statSync } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { findControlUi } from "../core/control-ui-root.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Exchange } from "./exchange.ts";
import { acceptedEncoding, CONTENT_TYPES, HASHED_NAME, IMMUTABLE } from "./static.ts";

const TYPES: Readonly<Record<string, string>> = { ...CONTENT_TYPES, ".webp": "image/webp", ".wasm": "application/wasm" };

/** What the page asks a gateway for, in paths that this gateway does not serve: the document would be no answer. */
const API = /^\/(?:api|v1|avatar|plugins)\//;

type Listing = {
  readonly dir: string;
  readonly files: ReadonlyMap<string, { readonly file: string; readonly encodings: ReadonlySet<string> }>;
  readonly document: Buffer;
  readonly policy: string;
  /** Changes with the document of another release. */
  readonly stamp: string;
};

/**
 * The built Control UI of OpenClaw: files of someone else, which are read again for each request, because they are many, and listed
 * again when their document is another one.
 */
export class OfficialPage {
  readonly #root: string;
  readonly #mount: string;
  readonly #log: Log;
  #listing: Listing | null = null;

  /** `mount`: the path of the page in the browser, without a slash at its end. */
  constructor(root: string, mount: string, log: Log) {
    this.#root = root;
    this.#mount = mount;
    this.#log = log;
  }

  /** Null, and a warning, while the directory cannot be used. */
  #list(): Listing | null {
    try {
      const dir = findControlUi(this.#root);
      const stamp = stampOf(join(dir, "index.html"));
      if (this.#listing?.dir !== dir || this.#listing.stamp !== stamp) this.#listing = { ...readListing(dir, this.#mount), stamp };
    } catch (err) {
      this.#listing = null;
      const fix = err instanceof GatewayError ? err.fix : undefined;
      this.#log.warn("the Control UI is not served", { cause: reasonOf(err), ...(fix !== undefined && { fix }) });
    }
    return this.#listing;
  }

  /** Lists the files before the first request, so that the log says what is wrong with them. */
  prepare(): void {
    this.#list();
  }

  /** `path` is below the mount and begins with a slash. A path that is no file is one of the page's own. */
  async serve(exchange: Exchange, path: string): Promise<void> {
    if (API.test(path)) return exchange.sendError(404, "not_found", "there is nothing here");
    const isFile = extname(path) in TYPES && path !== "/index.html";
    const listing = (isFile ? this.#listing : null) ?? this.#list();
    if (listing === null)
      return exchange.sendError(503, "unavailable", "the Control UI cannot be served; openclaw doctor says why", {
        fix: "Correct gateway.controlUi.root.",
      });
    exchange.response.setHeader("content-security-policy", listing.policy);
    if (!isFile) return exchange.bytes(200, TYPES[".html"]!, listing.document, { "cache-control": "no-cache" });
    const found = listing.files.get(path);
    const encoding = found && acceptedEncoding(exchange, found.encodings);
    const body = found === undefined ? null : await readInside(listing.dir, found.file + (encoding?.[1] ?? ""));
    if (body === null) return exchange.sendError(404, "not_found", "there is nothing here");
    const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
    const headers = {
      etag,
      vary: "accept-encoding",
      "cache-control": HASHED_NAME.test(path) ? IMMUTABLE : "no-cache",
      ...(encoding && { "content-encoding": encoding[0] }),
    };
    if (exchange.header("if-none-match") === etag) return void exchange.response.writeHead(304, headers).end();
    exchange.bytes(200, TYPES[extname(path)]!, body, headers);
  }
}

const stampOf = (file: string): string => {
  const { mtimeMs, size, ino } = statSync(file);
  return `${mtimeMs} ${size} ${ino}`;
};

/** Links are left out: `isFile` is false for them, and directories behind links are not entered. */
function readListing(dir: string, mount: string): Omit<Listing, "stamp"> {
  const names = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join("/"));
  const all = new Set(names);
  const files = new Map(
    names
      .filter((name) => extname(name) in TYPES)
      .map((name) => {
        const encodings = new Set([all.has(`${name}.br`) ? "br" : "", all.has(`${name}.gz`) ? "gzip" : ""]);
        return [`/${name}`, { file: join(dir, name), encodings }] as const;
      }),
  );
  if (!all.has("index.html")) throw new GatewayError("NOT_FOUND", `${join(dir, "index.html")} is not a file of its own`);
  const html = toDocument(readFileSync(join(dir, "index.html"), "utf8"), mount);
  return { dir, files, document: Buffer.from(html), policy: toPolicy(html) };
}

/** A file that was replaced with a link since it was listed, or whose directory was, is not read. */
async function readInside(dir: string, file: string): Promise<Buffer | null> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const real = await realpath(file);
      if (real !== file || !real.startsWith(dir + sep) || !(await handle.stat()).isFile()) return null;
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch {
    return null;
  }
}

/** The document with the path of the page. Without these two attributes it reloads once and loses its credential. */
const toDocument = (html: string, mount: string): string =>
  html
    .replaceAll('="./', `="${mount}/`)
    .replace("<html", `<html data-openclaw-control-ui-base-path="${mount}" data-openclaw-terminal-enabled="false"`);

const INLINE = /<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/g;

/**
 * Scripts run from the files and from the document as it is, which is named by its hashes: no text of a message becomes one. Styles are
 * less strict than on our own page, because this one sets them from its scripts.
 */
function toPolicy(html: string): string {
  const hashes = [...html.matchAll(INLINE)].map(([, text]) => ` 'sha256-${createHash("sha256").update(text!).digest("base64")}'`);
  return [
    "default-src 'self'",
    `script-src 'self'${hashes.join("")}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' data:",
    "worker-src 'self'",
    "frame-src 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}
