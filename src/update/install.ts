import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { fieldsOf, tryParseJson } from "../core/json.ts";
import { VERSION } from "../core/version.ts";

/** How this copy of the program came to this machine. */
export type Install = {
  /** The directory of the package, or of the clone. */
  readonly root: string;
  readonly name: string;
  readonly version: string;
} & (
  | { readonly kind: "git" }
  /** `prefix`: what `npm install --global --prefix` got. */
  | { readonly kind: "npm-global"; readonly prefix: string }
  /** `project`: the directory of the package.json that depends on this one. */
  | { readonly kind: "npm-local"; readonly project: string }
  /** Of the image of a container. */
  | { readonly kind: "container" }
  | { readonly kind: "unknown"; readonly why: string }
);

type Env = Readonly<Record<string, string | undefined>>;

const PACKAGE = "openclaw-gateway";

/** Finds out how the copy in `root` was installed; only files of this machine are read. */
export function findInstall(root: string | null, env: Env): Install {
  if (root === null)
    return {
      root: "",
      name: PACKAGE,
      version: VERSION,
      kind: "unknown",
      why: "this process was not started by the program of the gateway",
    };
  const manifest = readManifest(root);
  const own = { root, name: manifest?.name ?? PACKAGE, version: manifest?.version ?? "0.0.0" };
  if (manifest === null) return { ...own, kind: "unknown", why: `${root} has no package.json` };
  // Our images say so; a clone or a package in any other container is one like elsewhere.
  if (env["OPENCLAW_SUPERVISOR_MODE"] === "external" && isContainer(env)) return { ...own, kind: "container" };
  // A file where the clone is a worktree.
  if (existsSync(join(root, ".git"))) return { ...own, kind: "git" };
  const modules = dirname(root);
  if (basename(modules) !== "node_modules" || basename(root) !== own.name)
    return { ...own, kind: "unknown", why: `${root} is neither a clone nor in a directory node_modules` };
  const above = dirname(modules);
  if (basename(above) === "lib" && !existsSync(join(above, "package.json"))) return { ...own, kind: "npm-global", prefix: dirname(above) };
  // npm on Windows has no directory lib.
  if (existsSync(join(above, `${own.name === PACKAGE ? "openclaw" : own.name}.cmd`)) && !existsSync(join(above, "package.json")))
    return { ...own, kind: "npm-global", prefix: above };
  if (existsSync(join(above, "package.json"))) return { ...own, kind: "npm-local", project: above };
  return { ...own, kind: "unknown", why: `${above} has no package.json, so npm did not install it there` };
}

export function isContainer(env: Env): boolean {
  return existsSync("/.dockerenv") || existsSync("/run/.containerenv") || env["KUBERNETES_SERVICE_HOST"] !== undefined;
}

/** What OpenClaw calls these kinds on the wire. */
export const wireKind = ({ kind }: Install): "package" | "git" | "unknown" =>
  kind === "git" ? "git" : kind === "npm-global" || kind === "npm-local" ? "package" : "unknown";

const ENTRIES = ["bin/openclaw.js", "dist/main.js", "src/main.ts"];

/** The directory that holds the package.json of the program that a process was started with; null: it was started with another one. */
export function rootOf(entry: string): string | null {
  let real = entry;
  try {
    real = realpathSync(entry);
  } catch {
    // It is gone; its place says where it was.
  }
  return ENTRIES.some((name) => real.split(sep).join("/").endsWith(`/${name}`)) ? dirname(dirname(real)) : null;
}

function readManifest(root: string): { name: string; version: string } | null {
  let text: string;
  try {
    text = readFileSync(join(root, "package.json"), "utf8");
  } catch {
    return null;
  }
  const { name, version } = fieldsOf(tryParseJson(text));
  return typeof name === "string" && typeof version === "string" ? { name, version } : null;
}

/** The version of the package in a directory; null when it has none. */
export const versionIn = (root: string): string | null => readManifest(root)?.version ?? null;
