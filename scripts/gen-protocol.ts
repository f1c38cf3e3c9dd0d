// Generates src/protocol/gen: one validator per served method, the type of its served params, and the published method -> scope table.
// The schema and ajv are needed here only; the generated files import nothing.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Ajv } from "ajv";
import { buildSync } from "esbuild";
import { SERVED_METHODS } from "../src/protocol/served-methods.ts";
import { OWN_SCOPES } from "../src/protocol/param-schemas.ts";
import { checkRules, paramsOf, toParamsType } from "./param-schemas.ts";

type Published = { methods: Record<string, { scope: string }> };

const require = createRequire(import.meta.url);
const standalone = require("ajv/dist/standalone").default as (ajv: Ajv, refs: Record<string, string>) => string;
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

const problems = SERVED_METHODS.flatMap(checkRules);
if (problems.length > 0) throw new Error(`src/protocol/served-params.ts does not fit the schema:\n${problems.join("\n")}`);
const names = ["connect", ...SERVED_METHODS];
const ajv = new Ajv({ code: { source: true, esm: true, lines: false }, strict: false, unicode: false, validateFormats: false });
const exportNames: Record<string, string> = {};
for (const [index, name] of names.entries()) {
  const id = `params:${name}`;
  ajv.addSchema({ ...paramsOf(name), $id: id } as object, id);
  exportNames[`v${index}`] = id;
}
const table = names.map((name, index) => `${JSON.stringify(name)}:v${index}`).join(",");
const bundled = buildSync({
  stdin: { contents: `${standalone(ajv, exportNames)}\nexport const VALIDATORS={${table}};`, resolveDir: root, loader: "js" },
  bundle: true,
  format: "esm",
  platform: "node",
  minify: true,
  write: false,
});
const scopes = Object.fromEntries(SERVED_METHODS.map((name) => [name, scopeOf(name)]));

mkdirSync(target, { recursive: true });
write("validators.js", bundled.outputFiles[0]!.text);
write(
  "validators.d.ts",
  `export type SchemaFault = { instancePath: string; keyword: string; params: Record<string, unknown>; message?: string };
export type Validator = { (data: unknown): boolean; errors?: SchemaFault[] | null };
export declare const VALIDATORS: Record<string, Validator>;
`,
);
write(
  "params.d.ts",
  `/** The served params of each method, as its schema declares them. */\nexport type ParamsOf = {\n${SERVED_METHODS.map(toParamsType).join("")}};\n`,
);
write("scopes.js", `export const PUBLISHED_SCOPES=${JSON.stringify(scopes)};\n`);
write("scopes.d.ts", "export declare const PUBLISHED_SCOPES: Readonly<Record<string, string>>;\n");
