// Bundles src/ into ES modules. What a start of the gateway loads lies in three files instead of one for each set of commands that
// shares it: resolving and compiling a file costs more than what is in most of them.
import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { rolldown, type InputOptions, type OutputChunk, type Plugin } from "rolldown";

const root = join(import.meta.dirname, "..");

/** Name in dist/ -> source. */
const ENTRIES = {
  main: "src/main.ts",
  // What channels outside of this package import; it shares its files with the gateway, so that there is one TerminalError.
  channel: "src/channels/sdk.ts",
  // The same for tools; their threads load it.
  tool: "src/tools/plugins/sdk.ts",
  // Started as threads.
  "channel-worker": "src/gateway/channel-worker.ts",
  "image-worker": "src/tools/image-worker.ts",
};

/** Sources that are loaded by another process or a thread, as files of their own without the gateway's: name in dist/ -> source. */
const SEPARATE_ENTRIES = {
  "backup-pack": "src/backup/pack-main.ts",
  "web-worker": "src/tools/web/web-worker.ts",
  "tool-worker": "src/tools/plugins/plugin-worker.ts",
  "browser-driver": "src/tools/browser/driver/main.ts",
  "pi-rpc-extension": "src/agents/pi/child/rpc-extension.ts",
  "pi-shared-host": "src/agents/pi/child/host-main.ts",
};

/** What `openclaw gateway` loads on top of the command line's own code. */
const START = ["src/cli/gateway-run.ts", "src/gateway/start-gateway.ts"];

const COMMON = {
  cwd: root,
  platform: "node" as const,
  // Pi and the browser's driver run as processes of their own; playwright comes as a bundle.
  external: ["@earendil-works/pi-coding-agent", "playwright-core", "undici"],
} satisfies InputOptions;

/**
 * Takes Node's own modules as they are instead of importing them: an import evaluates every export of a module, also those that load
 * others on first use. For node:http alone that is 44 ms of CPU and 12 MB at every start.
 */
const builtins: Plugin = {
  name: "builtins",
  transform: {
    filter: { id: { exclude: /node_modules/ }, code: /from "node:/ },
    handler: (code) => code.replace(/^import (?!type )([^;]+?) from "(node:[^"]+)";$/gm, toLookup),
  },
};

/** `import <names> from "<module>"` as a look-up; names that are types only are gone. */
function toLookup(_import: string, names: string, module: string): string {
  const found = `process.getBuiltinModule(${JSON.stringify(module)});`;
  if (!names.startsWith("{")) return `const ${names.replace("* as ", "")} = ${found}`;
  const values = names
    .slice(1, -1)
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && !name.startsWith("type "));
  return values.length > 0 ? `const { ${values.map((name) => name.replace(/ as /, ": ")).join(", ")} } = ${found}` : "";
}

const BACKSLASH_BEFORE = /\\\P{ASCII}/u;

/** V8 keeps a file with any character beyond ASCII in two bytes for each character, and has to decode it at every start. */
function toAscii({ fileName, code }: OutputChunk): string {
  const bad = BACKSLASH_BEFORE.exec(code);
  if (bad) throw new Error(`${fileName}: write ${JSON.stringify(bad[0])} without the backslash, which would be one of an escape sequence`);
  return code.replace(/\P{ASCII}/gu, (char) =>
    Array.from({ length: char.length }, (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );
}

type ModulesOf = (id: string, kind: "importedIds" | "dynamicallyImportedIds") => readonly string[];

/** All modules that `ids` load, with themselves. With `andLater` also what is loaded on first use. */
function closureOf(ids: readonly string[], modulesOf: ModulesOf, andLater = false): Set<string> {
  const seen = new Set(ids);
  for (const id of seen) {
    for (const next of modulesOf(id, "importedIds")) seen.add(next);
    if (andLater) for (const next of modulesOf(id, "dynamicallyImportedIds")) seen.add(next);
  }
  return seen;
}

/**
 * Module id -> file that it is in. `core`: what every command loads. `shared`: what the gateway and some commands load. `gateway`:
 * the rest of what a start of the gateway loads. Other modules are in files of their own or of those that load them.
 */
function groupModules(modulesOf: ModulesOf): Map<string, string> {
  const entries = Object.values(ENTRIES).map((file) => join(root, file));
  const [main, ...others] = entries as [string, ...string[]];
  const core = closureOf([main], modulesOf);
  const atStart = closureOf(
    START.map((file) => join(root, file)),
    modulesOf,
  );
  const onFirstUse = [...closureOf(entries, modulesOf, true)].flatMap((id) => modulesOf(id, "dynamicallyImportedIds"));
  const elsewhere = closureOf([...others, ...onFirstUse.filter((id) => !atStart.has(id))], modulesOf);
  const groups = new Map([...atStart].map((id) => [id, elsewhere.has(id) ? "shared" : "gateway"]));
  for (const id of core) groups.set(id, "core");
  // It waits for the command: a file that it loads meanwhile must not need its own.
  groups.delete(main);
  return groups;
}

export type BundledFile = { name: string; bytes: number; modules: readonly string[] };

/** Writes the bundles into `dir`. The same sources give the same bytes. */
export async function bundle(dir: string): Promise<BundledFile[]> {
  const gateway = await rolldown({ ...COMMON, input: ENTRIES, plugins: [builtins], preserveEntrySignatures: "allow-extension" });
  let groups: Map<string, string> | undefined;
  const output = { format: "esm", comments: false, topLevelVar: true } as const;
  const { output: chunks } = await gateway.generate({
    ...output,
    entryFileNames: "[name].js",
    // Beside main.js, so that what a module finds next to itself (`new URL("./migrations/", import.meta.url)`) is in dist/.
    chunkFileNames: "[name]-[hash].js",
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        {
          debugName: "what is loaded together",
          name(id, context) {
            groups ??= groupModules((each, kind) => context.getModuleInfo(each)?.[kind] ?? []);
            return groups.get(id) ?? null;
          },
        },
      ],
    },
  });
  await gateway.close();
  const separate = await Promise.all(
    Object.entries(SEPARATE_ENTRIES).map(async ([name, input]) => {
      const build = await rolldown({ ...COMMON, input: { [name]: input } });
      const { output: files } = await build.generate({ ...output, entryFileNames: "[name].mjs", codeSplitting: false });
      await build.close();
      return files;
    }),
  );
  return [chunks, ...separate].flat().flatMap((file) => (file.type === "chunk" ? [writeFile(dir, file)] : []));
}

function writeFile(dir: string, chunk: OutputChunk): BundledFile {
  const code = toAscii(chunk);
  writeFileSync(join(dir, chunk.fileName), code);
  const modules = chunk.moduleIds.filter((id) => id.startsWith(root)).map((id) => relative(root, id));
  return { name: chunk.fileName, bytes: code.length, modules };
}
