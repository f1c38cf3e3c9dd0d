// The sources as a graph: files, the files that each imports, and the cycles among them. Used by the import check and by the
// report on the structure.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync, Visitor, type Program } from "oxc-parser";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

export type SourceFile = {
  /** Below the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  /** Imported files of this repository, type-only and dynamic imports included. */
  readonly imports: readonly string[];
  /** Specifiers of imported packages and Node modules. */
  readonly packages: readonly string[];
  /** Parsed on first use: the imports are known without it. */
  readonly program: () => Program;
};

export type Graph = ReadonlyMap<string, SourceFile>;

const PATTERNS = ["src/**/*.ts", "web/{src,test,dev}/**/*.{ts,tsx}", "web/*.ts", "test/**/*.ts", "scripts/**/*.ts"];

/** Reads and parses all sources; generated ones are left out. */
export function readSources(): Graph {
  const paths = globSync(PATTERNS, { cwd: ROOT }).filter((path) => !path.startsWith("src/protocol/gen/"));
  return new Map(paths.toSorted().map((path) => [path, readSource(path)]));
}

const isLocal = (spec: string): boolean => spec.startsWith(".");

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), "utf8");
  const parsed = parseSync(path, text);
  const { module, errors } = parsed;
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const specs = new Set([
    ...module.staticImports.map((each) => each.moduleRequest.value),
    ...module.staticExports.flatMap((each) => each.entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
    ...dynamicImports(text, module.dynamicImports),
  ]);
  const imports = [...specs].filter(isLocal).map((spec) => relative(ROOT, resolve(ROOT, dirname(path), spec)));
  return { path, text, imports, packages: [...specs].filter((spec) => !isLocal(spec)), program: () => parsed.program };
}

/** `import("./x.ts")` with a literal; a computed specifier names no file. */
function dynamicImports(text: string, found: readonly { moduleRequest: { start: number; end: number } }[]): string[] {
  return found.flatMap(({ moduleRequest: { start, end } }) => /^["'`]([^"'`$]+)["'`]$/.exec(text.slice(start, end))?.[1] ?? []);
}

/** Strongly connected components with more than one file, each sorted. */
export function findCycles(graph: Graph): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const cycles: string[][] = [];
  const visit = (path: string): void => {
    index.set(path, index.size);
    low.set(path, index.get(path)!);
    stack.push(path);
    onStack.add(path);
    for (const next of graph.get(path)!.imports) {
      if (!graph.has(next)) continue;
      if (!index.has(next)) {
        visit(next);
        low.set(path, Math.min(low.get(path)!, low.get(next)!));
      } else if (onStack.has(next)) low.set(path, Math.min(low.get(path)!, index.get(next)!));
    }
    if (low.get(path) !== index.get(path)) return;
    const component: string[] = [];
    for (let last = ""; last !== path;) {
      last = stack.pop()!;
      onStack.delete(last);
      component.push(last);
    }
    if (component.length > 1) cycles.push(component.toSorted());
  };
  for (const path of graph.keys()) if (!index.has(path)) visit(path);
  return cycles.toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1));
}

export type FunctionLength = { readonly path: string; readonly line: number; readonly lines: number };

/** Every function with a body: where it starts and how many lines it has. */
export function functionLengths({ path, text, program }: SourceFile): FunctionLength[] {
  const lineOf = lineCounter(text);
  const found: FunctionLength[] = [];
  const note = ({ start, end, body }: { start: number; end: number; body?: unknown }): void => {
    if (body) found.push({ path, line: lineOf(start), lines: lineOf(end) - lineOf(start) + 1 });
  };
  new Visitor({ FunctionDeclaration: note, FunctionExpression: note, ArrowFunctionExpression: note }).visit(program());
  return found;
}

/** The line of an offset, from 1. */
export function lineCounter(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

type Node = { readonly type: string; readonly start: number; readonly [key: string]: unknown };

/** Functions that only pass their parameters on, in their order, to one other function. */
export function forwarders({ path, text, program }: SourceFile): { path: string; line: number }[] {
  const lineOf = lineCounter(text);
  const found: { path: string; line: number }[] = [];
  const note = (node: unknown): void => {
    const { start, params, body } = node as Node & { params: readonly Node[]; body: Node | null };
    const call = onlyExpression(body);
    if (params.length === 0 || call?.type !== "CallExpression") return;
    const args = call["arguments"] as readonly Node[];
    const isSame = (arg: Node, at: number): boolean => arg.type === "Identifier" && arg["name"] === params[at]?.["name"];
    if (args.length === params.length && args.every(isSame)) found.push({ path, line: lineOf(start) });
  };
  new Visitor({ FunctionDeclaration: note, FunctionExpression: note, ArrowFunctionExpression: note }).visit(program());
  return found;
}

function onlyExpression(body: Node | null): Node | null {
  if (body === null) return null;
  if (body.type !== "BlockStatement") return body;
  const [only, second] = body["body"] as readonly Node[];
  if (!only || second) return null;
  return (
    only.type === "ReturnStatement" ? only["argument"] : only.type === "ExpressionStatement" ? only["expression"] : null
  ) as Node | null;
}

export type ClassSize = { readonly path: string; readonly name: string; readonly lines: number; readonly members: number };

/** The classes of a file: their lines, and how many members others can use. */
export function classSizes({ path, text, program }: SourceFile): ClassSize[] {
  const lineOf = lineCounter(text);
  const found: ClassSize[] = [];
  new Visitor({
    ClassDeclaration: ({ id, start, end, body }) => {
      const members = body.body as unknown as readonly (Node & { key?: Node; accessibility?: string })[];
      const isOpen = ({ key, accessibility }: (typeof members)[number]): boolean =>
        key !== undefined && key.type !== "PrivateIdentifier" && key["name"] !== "constructor" && (accessibility ?? "public") === "public";
      found.push({ path, name: id?.name ?? "", lines: lineOf(end) - lineOf(start) + 1, members: members.filter(isOpen).length });
    },
  }).visit(program());
  return found;
}

/** Names of the types that a file exports by a declaration of its own. */
function exportedTypes({ program }: SourceFile): string[] {
  return program().body.flatMap((node) => {
    if (node.type !== "ExportNamedDeclaration" || !node.declaration) return [];
    const { declaration } = node;
    const isType =
      declaration.type === "TSTypeAliasDeclaration" ||
      declaration.type === "TSInterfaceDeclaration" ||
      declaration.type === "ClassDeclaration";
    return isType && declaration.id ? [declaration.id.name] : [];
  });
}

/** Type names that more than one source exports, with the number of files. */
export function sharedTypeNames(graph: Graph): [name: string, files: string[]][] {
  const byName = new Map<string, string[]>();
  for (const file of graph.values()) {
    if (isTest(file.path) || !file.path.startsWith("src/")) continue;
    for (const name of exportedTypes(file)) byName.set(name, [...(byName.get(name) ?? []), file.path]);
  }
  return [...byName].filter(([, files]) => files.length > 1).toSorted(([, a], [, b]) => b.length - a.length);
}

/** The module of a source: the first folder below `src/`, or the file itself at the top. */
export function moduleOf(path: string): string | null {
  const [top, first] = path.split("/");
  return top === "src" ? (first ?? null) : null;
}

export const isTest = (path: string): boolean => path.endsWith(".test.ts");
