// The skills that OpenClaw comes with are loaded unchanged and judged as their headers say. The fixture has facts of their headers only; where
// the package is installed (npm run official), its own files are read as well.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { openSkills, writeFiles, type SkillBench } from "../../test/fakes/skill-folders.ts";
import { RELEASE } from "../../test/official/install.ts";
import { asStrings, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import { asId, type AgentId } from "../core/ids.ts";
import { reasonLine } from "./gates.ts";

const FACTS = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../test/fakes/openclaw-skill-headers.json"), "utf8"),
) as readonly (JsonObject & { name: string; metadata: JsonObject })[];

/** The part of `metadata.openclaw` of a header that decides whether its skill is on. */
type Gates = { os: string[]; always: boolean; bins: string[]; anyBins: string[]; env: string[]; config: string[] };

const list = (value: unknown): string[] => [...asStrings(value)];

function gatesOf(metadata: JsonObject): Gates {
  const requires = fieldsOf(metadata["requires"]);
  return {
    os: list(metadata["os"]),
    always: metadata["always"] === true,
    bins: list(requires["bins"]),
    anyBins: list(requires["anyBins"]),
    env: list(requires["env"]),
    config: list(requires["config"]),
  };
}

/** The reasons that the gates of a header give on Linux, where these programs are installed and nothing is configured. */
function expectedReasons({ os, always, bins, anyBins, env, config }: Gates, programs: readonly string[]): string[] {
  const has = (name: string): boolean => programs.includes(name);
  return [
    os.length > 0 && !os.includes("linux") && "os",
    !always && !bins.every(has) && "bins",
    !always && anyBins.length > 0 && !anyBins.some(has) && "anyBins",
    !always && env.length > 0 && "env",
    !always && config.length > 0 && "config",
  ].filter((each) => each !== false);
}

/** Judges each skill of a folder with no program, with all that the headers name, and with every second one. */
async function checkAll(bench: SkillBench, headers: ReadonlyMap<string, Gates>): Promise<void> {
  const named = [...new Set([...headers.values()].flatMap(({ bins, anyBins }) => [...bins, ...anyBins]))];
  let installed: string[] = [];
  for (const programs of [[], named.filter((_, at) => at % 2 === 0), named]) {
    for (const name of programs.filter((each) => !installed.includes(each))) {
      writeFiles(bench.programs, { [name]: "" });
      chmodSync(join(bench.programs, name), 0o755);
    }
    installed = [...programs];
    const { verdicts, problems } = await bench.skills.of(asId<AgentId>("main"));
    assert.deepEqual(problems, []);
    assert.deepEqual(verdicts.map(({ skill }) => skill.name).toSorted(), [...headers.keys()].toSorted());
    for (const verdict of verdicts) {
      const expected = expectedReasons(headers.get(verdict.skill.name)!, programs);
      assert.deepEqual(
        verdict.reasons.map(({ code }) => code),
        expected,
        verdict.skill.name,
      );
      assert.doesNotMatch(reasonLine(verdict), /\n/);
      assert.equal(reasonLine(verdict) === "", expected.length === 0);
    }
  }
}

test("headers with the facts of those that OpenClaw comes with are judged as they say", async (t) => {
  const bench = openSkills(t);
  const headers = new Map<string, Gates>();
  for (const { name, metadata, ...rest } of FACTS) {
    headers.set(name, gatesOf(metadata));
    const more = Object.entries(rest).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
    // The form that these files have: one key of YAML with JSON over several lines.
    const block =
      Object.keys(metadata).length === 0
        ? ""
        : `metadata:\n  ${JSON.stringify({ openclaw: metadata }, null, 2).replaceAll("\n", "\n  ")}\n`;
    const text = `---\nname: ${name}\ndescription: What ${name} is for.\n${more.join("")}${block}---\n\nDo it.\n`;
    writeFiles(join(bench.workspace, "skills"), { [`${name}/SKILL.md`]: text });
  }
  assert.ok(headers.size > 20, String(headers.size));
  await checkAll(bench, headers);
});

const bundled = join(import.meta.dirname, `../../.cache/official-${RELEASE}/node_modules/openclaw/skills`);

test(
  "the skills of an installed OpenClaw are loaded unchanged",
  { skip: !existsSync(bundled) && "npm run official installs it" },
  async (t) => {
    const bench = openSkills(t);
    const headers = new Map<string, Gates>();
    for (const folder of readdirSync(bundled)) {
      const path = join(bundled, folder, "SKILL.md");
      if (!existsSync(path)) continue;
      const text = readFileSync(path, "utf8");
      const fields = fieldsOf(parse(text.split(/^---\s*$/m)[1]!));
      const metadata = fieldsOf(fieldsOf(fields["metadata"])["openclaw"]);
      headers.set(asString(fields["name"]) || folder, gatesOf(metadata));
      writeFiles(join(bench.workspace, "skills"), { [`${folder}/SKILL.md`]: text });
    }
    await checkAll(bench, headers);
  },
);
