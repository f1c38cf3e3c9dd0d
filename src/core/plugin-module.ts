import { existsSync, statSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Why the code of a plugin cannot be used, and what to do about it. */
export class PluginLoadError extends Error {
  readonly fix: string;
  constructor(message: string, fix: string, options?: ErrorOptions) {
    super(message, options);
    this.fix = fix;
  }
}

/** Code of a plugin: what Node imports, and what people call it. */
export type PluginModule = { specifier: string; name: string };

/** The module of this package under which plugins import what they are written with. */
export type PluginSdk = { name: string; url: string };

const FILE_EXTENSIONS = ["mjs", "js", "ts"] as const;
const PACKAGE_NAME = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
/** A package is asked for under this name, with where to look for it in the query. */
const PACKAGE_SPECIFIER = "openclaw-gateway/plugin-package";

/** The file of a plugin in a directory; null when there is none. The id is checked by the caller. */
export function findPluginFile(directory: string, id: string): string | null {
  return FILE_EXTENSIONS.map((ending) => join(directory, `${id}.${ending}`)).find((path) => existsSync(path)) ?? null;
}

/** The module of a file. Throws PluginLoadError for one that others can change. */
export function moduleOfFile(file: string): PluginModule {
  const { mode, mtimeMs, size } = statSync(file);
  if (process.platform !== "win32" && (mode & 0o002) !== 0)
    throw new PluginLoadError(`${file} can be written by every user of this machine`, `chmod o-w ${file}`);
  // A changed file is another module to Node: it can be fixed without restarting the gateway.
  return { specifier: `${pathToFileURL(file).href}?v=${mtimeMs}-${size}`, name: file };
}

/** The module of an npm package that is installed in the state directory. `key`: the configuration key that names it. */
export function moduleOfPackage(stateDir: string, wanted: unknown, key: string, example: string): PluginModule {
  if (typeof wanted !== "string" || !PACKAGE_NAME.test(wanted))
    throw new PluginLoadError(`${key} is not the name of an npm package`, `Set it to a name such as "${example}".`);
  if (!existsSync(join(stateDir, "node_modules", ...wanted.split("/"))))
    throw new PluginLoadError(`the package ${wanted} is not installed`, `npm install --prefix ${stateDir} ${wanted}`);
  const parent = pathToFileURL(join(stateDir, "package.json")).href;
  return { specifier: `${PACKAGE_SPECIFIER}?${new URLSearchParams({ wanted, parent }).toString()}`, name: `the package ${wanted}` };
}

/** The exports of a plugin's module. Rejects with whatever it throws while it is loaded, and when that takes longer than `timeoutMs`. */
export async function importPlugin({ specifier }: PluginModule, sdk: PluginSdk, timeoutMs: number): Promise<{ default?: unknown }> {
  registerSdk(sdk);
  let late: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`it was not loaded within ${timeoutMs / 1_000} s`)), timeoutMs);
  });
  return (await Promise.race([import(specifier), limit]).finally(() => clearTimeout(late))) as { default?: unknown };
}

const sdks = new Map<string, string>();

/** Every import of the published name is this gateway's own module, wherever the file lies: nothing has to be installed, and the error classes are ours. */
function registerSdk({ name, url }: PluginSdk): void {
  const isFirst = sdks.size === 0;
  sdks.set(name, url);
  if (!isFirst) return;
  registerHooks({
    resolve(specifier, context, next) {
      const sdk = sdks.get(specifier);
      if (sdk !== undefined) return { url: sdk, shortCircuit: true };
      if (!specifier.startsWith(`${PACKAGE_SPECIFIER}?`)) return next(specifier, context);
      const asked = new URLSearchParams(specifier.slice(PACKAGE_SPECIFIER.length + 1));
      return next(asked.get("wanted")!, { ...context, parentURL: asked.get("parent")! });
    },
  });
}
