// Figures of the structure: files, functions, cycles, arrows between modules, exported names that two files share. For a table of
// before and after; nothing fails here.
//   npm run structure [-- --json]
import {
  classSizes,
  findCycles,
  forwarders,
  functionLengths,
  isTest,
  moduleOf,
  readSources,
  sharedTypeNames,
  type Graph,
} from "./source-graph.ts";

const linesOf = (text: string): number => text.split("\n").length - 1;
const LONG_FUNCTION = 70;
const LONG_TEST_FUNCTION = 120;

type Area = { readonly name: string; readonly has: (path: string) => boolean };
const AREAS: readonly Area[] = [
  { name: "src", has: (path) => path.startsWith("src/") && !isTest(path) },
  { name: "src tests", has: (path) => path.startsWith("src/") && isTest(path) },
  { name: "test", has: (path) => path.startsWith("test/") },
  { name: "web", has: (path) => path.startsWith("web/") },
  { name: "scripts", has: (path) => path.startsWith("scripts/") },
];

function areaFigures(graph: Graph, { name, has }: Area): Record<string, unknown> {
  const files = [...graph.values()].filter((file) => has(file.path));
  const lengths = files.flatMap(functionLengths).toSorted((a, b) => b.lines - a.lines);
  const limit = name === "src" || name === "scripts" ? LONG_FUNCTION : LONG_TEST_FUNCTION;
  const tooLong = lengths.filter(({ lines }) => lines > limit);
  const sizes = files.map((file) => ({ path: file.path, lines: linesOf(file.text) })).toSorted((a, b) => b.lines - a.lines);
  return {
    area: name,
    files: files.length,
    lines: sizes.reduce((sum, each) => sum + each.lines, 0),
    longestFile: sizes[0] && `${sizes[0].path} (${sizes[0].lines})`,
    functions: lengths.length,
    longestFunction: lengths[0] && `${lengths[0].path}:${lengths[0].line} (${lengths[0].lines})`,
    longFunctions: tooLong.map(({ path, line, lines }) => `${path}:${line} (${lines})`),
    limit,
  };
}

function moduleArrows(graph: Graph): { arrows: number; imports: number } {
  const pairs = new Map<string, number>();
  for (const file of graph.values()) {
    const from = moduleOf(file.path);
    if (from === null || isTest(file.path)) continue;
    for (const target of file.imports) {
      const to = moduleOf(target);
      if (to !== null && to !== from) pairs.set(`${from} ${to}`, (pairs.get(`${from} ${to}`) ?? 0) + 1);
    }
  }
  return { arrows: pairs.size, imports: [...pairs.values()].reduce((sum, count) => sum + count, 0) };
}

/** Assertions and tests, by their calls: moving a test must not lose one. */
function testFigures(graph: Graph): { tests: number; assertions: number } {
  const texts = [...graph.values()].filter(({ path }) => isTest(path) || path.startsWith("test/") || path.startsWith("web/test/"));
  const count = (pattern: RegExp): number => texts.reduce((sum, { text }) => sum + (text.match(pattern)?.length ?? 0), 0);
  return { tests: count(/^\s*(?:await )?(?:test|it|scenario|covers)\(/gm), assertions: count(/\bassert(?:\.\w+)?\(/g) };
}

const graph = readSources();
const cycles = findCycles(graph);
const shared = sharedTypeNames(graph);
const sources = [...graph.values()].filter(({ path }) => path.startsWith("src/") && !isTest(path));
/** The options of another object, which it keeps for itself. */
const OPTIONS_OF_ANOTHER = /\.options\.\w+/g;
const classes = sources.flatMap(classSizes);
const figures = {
  forwarders: sources.flatMap(forwarders).map(({ path, line }) => `${path}:${line}`),
  classes: classes.length,
  largestClasses: classes.toSorted((a, b) => b.members - a.members).slice(0, 5),
  longestClass: classes.toSorted((a, b) => b.lines - a.lines)[0],
  optionsReachedThrough: sources.reduce((sum, { text }) => sum + (text.match(OPTIONS_OF_ANOTHER)?.length ?? 0), 0),
  areas: AREAS.map((area) => areaFigures(graph, area)),
  modules: moduleArrows(graph),
  cycles,
  sharedTypeNames: shared.map(([name, files]) => ({ name, files })),
  ...testFigures(graph),
};

if (process.argv.includes("--json")) {
  console.log(JSON.stringify(figures, null, 2));
} else {
  for (const { area, files, lines, longestFile, functions, longestFunction, longFunctions, limit } of figures.areas) {
    console.log(`${String(area)}: ${String(files)} files, ${String(lines)} lines, ${String(functions)} functions`);
    console.log(`  longest file ${String(longestFile)}, longest function ${String(longestFunction)}`);
    for (const each of longFunctions as string[]) console.log(`  over ${String(limit)} lines: ${each}`);
  }
  console.log(`modules: ${figures.modules.arrows} arrows, ${figures.modules.imports} imports between them (check-imports.ts --draw)`);
  console.log(`tests: ${figures.tests} call sites, ${figures.assertions} assertions`);
  console.log(`forwarders: ${figures.forwarders.length}; options of another object: ${figures.optionsReachedThrough} uses`);
  for (const { name, path, members, lines } of figures.largestClasses)
    console.log(`  class ${name} (${path}): ${members} public members, ${lines} lines`);
  console.log(`  longest class: ${figures.longestClass?.name} (${figures.longestClass?.lines} lines)`);
  console.log(`cycles: ${cycles.length}`);
  for (const cycle of cycles) console.log(`  ${cycle.join(", ")}`);
  console.log(`type names that several files export: ${shared.length}`);
  for (const [name, files] of shared) console.log(`  ${name} x${files.length}: ${files.join(", ")}`);
}
