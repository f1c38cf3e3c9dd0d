import { relative, resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { errnoOf, openBeneath, readAtMost, UnsafePathError } from "../core/files.ts";
import { isObject, type JsonObject } from "../core/json.ts";
import { startProcess, type ChildProcessByStdio } from "../core/start-process.ts";
import { clip, toWellFormed } from "../core/text.ts";
import { HOOK_LIMITS } from "./limits.ts";
import type { TemplateData } from "./template.ts";

/** A function of a module in the directory of transforms. */
export type TransformSettings = { module: string; export?: string | undefined };

/** `changes`: what it returned; null: the request is dropped; undefined: it stays as it is. */
export type TransformResult = { changes: JsonObject | null | undefined } | { error: string };

/**
 * The process of one call. It gets the code, not a path. Node's permission model gives it no files, processes, threads or native code; that
 * of Node 24 knows no network, so that only modules that open no connection can be imported, and the globals that open one are removed.
 */
const PROGRAM = `
const { registerHooks, stripTypeScriptTypes } = require("node:module");
const ALLOWED = new Set(["assert", "assert/strict", "buffer", "crypto", "events", "path", "path/posix", "punycode", "querystring", "string_decoder", "url", "util", "zlib"]);
const { stdin, stdout } = process;
const parts = [];
stdin.on("data", (part) => parts.push(part));
stdin.on("end", () => run(JSON.parse(Buffer.concat(parts).toString())).then(
  (changes) => stdout.write(JSON.stringify(changes === undefined ? {} : { changes })),
  (err) => stdout.write(JSON.stringify({ error: String((err && err.message) || err).slice(0, 500) })),
));
async function run({ code, language, name, context }) {
  const url = "data:text/javascript;base64," + Buffer.from(language === "ts" ? stripTypeScriptTypes(code) : code).toString("base64");
  registerHooks({
    resolve(specifier, at, next) {
      if (specifier === url || ALLOWED.has(specifier.replace(/^node:/, ""))) return next(specifier, at);
      throw new Error("a transform cannot import " + specifier.slice(0, 100));
    },
  });
  for (const global of ["fetch", "WebSocket", "EventSource", "process", "require", "module", "exports", "__filename", "__dirname"]) delete globalThis[global];
  const loaded = await import(url);
  const transform = name === undefined ? (loaded.default ?? loaded.transform) : loaded[name];
  if (typeof transform !== "function") throw new Error("the module has no function " + (name ?? "as its default export"));
  return transform(context);
}
`;

/** `directory`: where files are named from; `root`: beneath which they have to be. */
export type TransformPlace = { root: string; directory: string };

/** Runs a transform once. Never rejects. */
export async function runTransform(
  { module, export: name }: TransformSettings,
  data: TemplateData,
  { clock, ...place }: TransformPlace & { clock: Pick<Clock, "after"> },
): Promise<TransformResult> {
  const code = await readModule(place, module);
  if ("error" in code) return code;
  const { payload, headers, path, query } = data;
  const url = `/${path}${Object.keys(query).length === 0 ? "" : `?${new URLSearchParams(query).toString()}`}`;
  const input = JSON.stringify({ ...code, name, context: { payload, headers, path, url } });
  const output = await runProgram(input, clock);
  if ("error" in output) return output;
  try {
    const answer = JSON.parse(output.text) as unknown;
    if (!isObject(answer)) return { error: "it returned what is not JSON" };
    if (answer["error"] !== undefined) return { error: shown(String(answer["error"])) };
    const { changes } = answer;
    if (changes !== undefined && changes !== null && !isObject(changes)) return { error: "it returned neither an object nor null" };
    return { changes };
  } catch (err) {
    return { error: `it returned what is not JSON: ${shown(reasonOf(err))}` };
  }
}

type Code = { code: string; language: "js" | "ts" };

async function readModule({ root, directory }: TransformPlace, module: string): Promise<Code | { error: string }> {
  const path = relative(root, resolve(directory, module));
  if (!/\.(?:ts|js|mjs)$/.test(path)) return { error: `${shown(module)} is not a file that ends in .js, .mjs or .ts` };
  try {
    const file = await openBeneath(root, path);
    try {
      const bytes = await readAtMost(file, HOOK_LIMITS.transformBytes + 1);
      if (bytes.length > HOOK_LIMITS.transformBytes)
        return { error: `${shown(module)} is larger than ${HOOK_LIMITS.transformBytes} bytes` };
      return { code: bytes.toString("utf8"), language: path.endsWith(".ts") ? "ts" : "js" };
    } finally {
      await file.close();
    }
  } catch (err) {
    if (!(err instanceof UnsafePathError) && errnoOf(err) === "") throw err;
    return { error: `${shown(module)} cannot be read beneath ${root}: ${shown(reasonOf(err))}` };
  }
}

function runProgram(input: string, clock: Pick<Clock, "after">): Promise<{ text: string } | { error: string }> {
  const { transformHeapMb, transformMs, transformOutputBytes } = HOOK_LIMITS;
  return new Promise((done) => {
    const args = ["--permission", "--no-warnings", `--max-old-space-size=${transformHeapMb}`, "--eval", PROGRAM];
    let child: ChildProcessByStdio<Writable, Readable, null>;
    try {
      child = startProcess(process.execPath, args, { env: {}, cwd: "/", stdio: ["pipe", "pipe", "ignore"] });
    } catch (err) {
      return done({ error: reasonOf(err) });
    }
    const parts: Buffer[] = [];
    let bytes = 0;
    const end = (result: { text: string } | { error: string }): void => {
      cancel();
      child.kill("SIGKILL");
      done(result);
    };
    const cancel = clock.after(transformMs, () => end({ error: `it did not end within ${transformMs / 1_000} s` }));
    child.on("error", (err) => end({ error: reasonOf(err) }));
    child.stdin.on("error", () => {});
    child.stdout.on("data", (part: Buffer) => {
      bytes += part.length;
      if (bytes > transformOutputBytes) end({ error: `it returned more than ${transformOutputBytes} bytes` });
      else parts.push(part);
    });
    child.on("close", (code, signal) => {
      const text = Buffer.concat(parts).toString("utf8");
      if (text === "")
        end({
          error: `its process ended without a result (${signal ?? `exit code ${code}`}); it may use ${transformHeapMb} MiB of memory`,
        });
      else end({ text });
    });
    child.stdin.end(input);
  });
}

const shown = (text: string): string =>
  clip(
    toWellFormed(text)
      .replaceAll(/[\p{Cc}\s]+/gu, " ")
      .trim(),
    300,
  );
