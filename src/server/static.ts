import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import type { Exchange } from "./exchange.ts";

export const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};

type Asset = { file: string; type: string; encodings: ReadonlySet<string>; immutable: boolean };
type Loaded = { body: Buffer; etag: string };

/** Extension of a file that holds the same content compressed, by preference. */
const ENCODINGS = [
  ["br", ".br"],
  ["gzip", ".gz"],
] as const;

/** The compressed form that the client takes best, of those that are there. */
export function acceptedEncoding(exchange: Exchange, encodings: ReadonlySet<string>): (typeof ENCODINGS)[number] | undefined {
  const accepted = exchange.header("accept-encoding") ?? "";
  return ENCODINGS.find(([name]) => encodings.has(name) && new RegExp(`\\b${name}\\b`).test(accepted));
}

/** For names with a hash of the content. */
export const IMMUTABLE = "public, max-age=31536000, immutable";

/** Names that carry a content hash never change. */
export const HASHED_NAME = /-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/;

/**
 * The built page. The list of its files is read once, and only what is on the list is served: no path of a request is
 * ever joined to a directory. Contents are read at first use and kept.
 */
export class Page {
  readonly #assets = new Map<string, Asset>();
  readonly #loaded = new Map<string, Loaded>();

  readonly #basePath: string;

  /** Throws when the directory cannot be read. */
  constructor(dir: string, basePath: string) {
    this.#basePath = basePath;
    const names = readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join("/"));
    const all = new Set(names);
    for (const name of names) {
      const type = CONTENT_TYPES[extname(name)];
      if (!type || name.endsWith(".map")) continue;
      const encodings = new Set(ENCODINGS.filter(([, suffix]) => all.has(name + suffix)).map(([encoding]) => encoding as string));
      this.#assets.set(`/${name}`, { file: join(dir, name), type, encodings, immutable: HASHED_NAME.test(name) });
    }
  }

  /** Paths besides the page's own routes. */
  has(path: string): boolean {
    return this.#assets.has(path);
  }

  get usable(): boolean {
    return this.#assets.has("/index.html");
  }

  serve(exchange: Exchange, path: string): void {
    const asset = this.#assets.get(path)!;
    // The document that names its base path is made here, so the compressed form of the build does not fit.
    const made = this.#basePath !== "" && path === "/index.html";
    const encoding = made ? undefined : acceptedEncoding(exchange, asset.encodings);
    const { body, etag } = this.#load(asset.file + (encoding ? encoding[1] : ""));
    const headers: Record<string, string> = {
      etag,
      vary: "accept-encoding",
      "cache-control": asset.immutable ? IMMUTABLE : "no-cache",
      ...(encoding ? { "content-encoding": encoding[0] } : {}),
    };
    if (exchange.header("if-none-match") === etag) {
      exchange.response.writeHead(304, headers).end();
      return;
    }
    exchange.bytes(200, asset.type, body, headers);
  }

  #load(file: string): Loaded {
    let loaded = this.#loaded.get(file);
    if (!loaded) {
      const body =
        this.#basePath !== "" && file.endsWith("index.html")
          ? injectBasePath(readFileSync(file, "utf8"), this.#basePath)
          : readFileSync(file);
      loaded = { body, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"` };
      this.#loaded.set(file, loaded);
    }
    return loaded;
  }
}

/** The document with the path under which its page finds the gateway. */
function injectBasePath(html: string, basePath: string): Buffer {
  const named = html.replace(/ data-base-path="[^"]*"/, "").replace("<html", `<html data-base-path="${basePath}/"`);
  return Buffer.from(named.replaceAll(/(src|href)="(?:\.\/|\/)?(?=[\w-])(?!\w+:)/g, `$1="${basePath}/`));
}
