// Writes the table of the built-in tools into docs/tools.md, from their rows and what they say of themselves; with --check it only
// compares.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtInTools } from "../test/fakes/built-in-tools.ts";
import { firstSentence } from "../src/core/text.ts";
import { describeTools, isFound, TOOL_NAMES, TOOL_SOURCES, TOOLS, type ToolName } from "../src/tools/tool.ts";

const file = join(import.meta.dirname, "../docs/tools.md");
const BEGIN = "<!-- tools: node scripts/gen-tool-docs.ts -->";
const END = "<!-- /tools -->";

const tools = builtInTools();

function row(name: ToolName): string {
  const { section, effect, profiles } = TOOLS[name];
  const [description] = describeTools(tools, [name]);
  if (!description) throw new Error(`src/tools/built-in.ts creates no tool with the name ${name}, which src/tools/tool.ts has`);
  const does = firstSentence(description.description).replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("*", "\\*");
  return `| \`${name}\` | \`group:${section}\` | ${effect} | ${profiles.join(", ")} | ${isFound(name) ? "yes" : ""} | ${does} |`;
}

const table = [
  BEGIN,
  "",
  "| tool | group | effect | profiles besides `full` | found by words | what it does |",
  "| --- | --- | --- | --- | --- | --- |",
  ...TOOL_NAMES.filter((name) => !TOOL_SOURCES.includes(name)).map(row),
  "",
  END,
].join("\n");

const known = readFileSync(file, "utf8");
const [from, to] = [known.indexOf(BEGIN), known.indexOf(END)];
if (from < 0 || to < from) throw new Error(`docs/tools.md has no place for the table: ${BEGIN} ... ${END}`);
const text = known.slice(0, from) + table + known.slice(to + END.length);
if (!process.argv.includes("--check")) writeFileSync(file, text);
else if (text !== known) {
  console.error("docs/tools.md is not what the tools say; run: node scripts/gen-tool-docs.ts");
  process.exitCode = 1;
}
