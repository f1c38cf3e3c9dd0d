// Generates src/protocol/gen: a file with the validator of each served method, the type of its served params, and the published
// method -> scope table.
// The schema and ajv are needed here only; the generated files import nothing.
import { globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { rolldown, type Plugin } from "rolldown";
import { SERVED_METHODS } from "../src/protocol/served-methods.ts";
import { OWN_SCOPES } from "../src/protocol/param-schemas.ts";
import { checkRules, paramsOf, toParamsType } from "./param-schemas.ts";
import { buildIfStale } from "./stale.ts";

type Published = { methods: Record<string, { scope: string }> };

const require = createRequire(import.meta.url);
const standalone = require("ajv/dist/standalone").default as (ajv: Ajv, validate: ValidateFunction) => string;
const root = join(import.meta.dirname, "..");
const target = join(root, "src/protocol/gen");

// The package does not export its schema file; its version entry tells where the package is.
const schemaFile = new URL("../protocol.schema.json", import.meta.resolve("@openclaw/gateway-protocol/version"));
const published = JSON.parse(readFileSync(schemaFile, "utf8")) as Published;

function scopeOf(method: string): string {
  const scope = published.methods[method]?.scope ?? OWN_SCOPES[method];
  if (!scope) throw new Error(`no scope for ${method}: add one to src/protocol/param-schemas.ts`);
  return scope;
}

/** Replaces a file only when its content differs, so that a running checker is not disturbed. */
function write(name: string, text: string): void {
  const path = join(target, name);
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

/** The validator of `method` as one CommonJS file without imports. */
async function validatorOf(ajv: Ajv, method: string): Promise<string> {
  const code = standalone(ajv, ajv.compile(paramsOf(method) as object));
  const file = join(root, `${method}.cjs`);
  const source: Plugin = { name: "source", resolveId: (id) => (id === file ? id : null), load: (id) => (id === file ? code : null) };
  const build = await rolldown({ input: file, cwd: root, platform: "node", plugins: [source] });
  const { output } = await build.generate({ format: "cjs", minify: true });
  await build.close();
  return output[0].code;
}

async function generate(): Promise<void> {
  const problems = SERVED_METHODS.flatMap(checkRules);
  if (problems.length > 0) throw new Error(`src/protocol/served-params/ does not fit the schema:\n${problems.join("\n")}`);
  const ajv = new Ajv({ code: { source: true, lines: false }, strict: false, unicode: false, validateFormats: false });
  const scopes = Object.fromEntries(SERVED_METHODS.map((name) => [name, scopeOf(name)]));
  mkdirSync(join(target, "validators"), { recursive: true });
  for (const name of ["connect", ...SERVED_METHODS]) write(`validators/${name}.cjs`, await validatorOf(ajv, name));
  const params = SERVED_METHODS.map(toParamsType).join("");
  write("params.d.ts", `/** The served params of each method, as its schema declares them. */\nexport type ParamsOf = {\n${params}};\n`);
  write("scopes.d.ts", "export declare const PUBLISHED_SCOPES: Readonly<Record<string, string>>;\n");
  write("scopes.js", `export const PUBLISHED_SCOPES=${JSON.stringify(scopes)};\n`);
}

const INPUTS = [
  "scripts/gen-protocol.ts",
  "scripts/param-schemas.ts",
  "src/protocol/served-methods.ts",
  "src/protocol/served-params.ts",
  ...globSync("src/protocol/served-params/*.ts", { cwd: root }),
  "src/protocol/param-schemas.ts",
  "package-lock.json",
];
await buildIfStale("protocol", INPUTS, join(target, "scopes.js"), generate);
