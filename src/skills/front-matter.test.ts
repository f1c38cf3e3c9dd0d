import assert from "node:assert/strict";
import { test } from "node:test";
import { plainHeader } from "../../test/fakes/skill-header.ts";
import { parseHeader } from "./front-matter.ts";
import { SKILL_LIMITS } from "./limits.ts";
import type { SkillHeader } from "./skill.ts";

const DEFAULTS = plainHeader("folder");
const NO_REQUIREMENTS = DEFAULTS.requires;

const FLOW = `name: vault
description: "Reads secrets: one at a time."
homepage: https://vault.example/docs
metadata:
  {
    "openclaw":
      {
        "emoji": "🔐",
        "os": ["darwin", "linux"],
        "requires": { "bins": ["vault"], "env": ["VAULT_TOKEN"], },
        "primaryEnv": "VAULT_TOKEN",
        "install":
          [
            {
              "id": "brew",
              "kind": "brew",
              "formula": "example/tap/vault",
              "bins": ["vault"],
              "label": "Install vault (brew)",
            },
          ],
      },
  }`;

const BLOCK = `name: notes
description: >
  Keeps notes,
  and finds them again.
metadata:
  openclaw:
    skillKey: my-notes
    always: true
    requires:
      anyBins:
        - one
        - two
      config: [channels.irc]`;

/** Forms that headers have -> what differs from the header of a folder with the description "d". */
const READ: readonly (readonly [title: string, yaml: string, expected: Partial<SkillHeader>])[] = [
  ["only a description", "description: d", {}],
  ["a quoted description", `description: 'it''s: "d"'`, { description: `it's: "d"` }],
  [
    "JSON over several lines in metadata",
    FLOW,
    {
      name: "vault",
      key: "vault",
      description: "Reads secrets: one at a time.",
      homepage: "https://vault.example/docs",
      emoji: "🔐",
      os: ["darwin", "linux"],
      requires: { ...NO_REQUIREMENTS, bins: ["vault"], env: ["VAULT_TOKEN"] },
      primaryEnv: "VAULT_TOKEN",
      install: [
        { id: "brew", kind: "brew", label: "Install vault (brew)", bins: ["vault"], os: [], command: "brew install example/tap/vault" },
      ],
    },
  ],
  ["JSON in one line", `description: d\nmetadata: { "openclaw": { "emoji": "🧭" } }`, { emoji: "🧭" }],
  [
    "JSON in a string",
    `description: d\nmetadata: '{"openclaw":{"requires":{"bins":["op"]}}}'`,
    { requires: { ...NO_REQUIREMENTS, bins: ["op"] } },
  ],
  [
    "YAML in metadata, and a folded description",
    BLOCK,
    {
      name: "notes",
      key: "my-notes",
      description: "Keeps notes, and finds them again.",
      isAlways: true,
      requires: { ...NO_REQUIREMENTS, anyBins: ["one", "two"], config: ["channels.irc"] },
    },
  ],
  ["the older key clawdbot", "description: d\nmetadata: {clawdbot: {os: [macos]}}", { os: ["darwin"] }],
  ["the new key before the older one", "description: d\nmetadata: {clawdbot: {os: [macos]}, openclaw: {os: linux}}", { os: ["linux"] }],
  [
    "switches",
    "description: d\nuser-invocable: false\ndisable-model-invocation: true",
    { isUserInvocable: false, isModelInvocable: false },
  ],
  [
    "switches as words",
    `description: d\nuser-invocable: "no"\ndisable-model-invocation: "yes"`,
    { isUserInvocable: false, isModelInvocable: false },
  ],
  ["a switch with another value", "description: d\nuser-invocable: sometimes", {}],
  ["keys that are not known", "description: d\nallowed-tools: Bash(git:*)\nlicense: MIT\ncommand-dispatch: tool\ncommand-tool: exec", {}],
  ["values of other types", "description: d\nmetadata: {openclaw: {requires: 5, install: brew, emoji: [x], os: {}, always: 'true'}}", {}],
  ["a number as description", "description: 42", { description: "42" }],
  ["line breaks and control characters", 'description: "a\\n- b\\u001b[31m\\u202ec\\0"', { description: "a - b [31m c" }],
  ["an address of another kind", "description: d\nhomepage: javascript:alert(1)", {}],
  ["a comment and an empty line", "# for us\n\ndescription: d # short", {}],
  ["Windows line ends", "description: d\r\nname: w\r", { name: "w", key: "w" }],
  [
    "a colon in a description without quotes",
    "description: Use it so: now\nmetadata: {openclaw: {emoji: x}}",
    { description: "Use it so: now", emoji: "x" },
  ],
  ["letters of other scripts", "name: 天気\ndescription: d", { name: "天気", key: "天気" }],
];

for (const [title, yaml, expected] of READ)
  test(`a header is read: ${title}`, () => {
    assert.deepEqual(parseHeader(`---\n${yaml}\n---\n\n# Body\n---\nname: other\n---\n`, "folder"), {
      header: { ...DEFAULTS, ...expected },
    });
  });

/** Files that have no header -> why. */
const REFUSED: readonly (readonly [title: string, text: string, problem: RegExp])[] = [
  ["an empty file", "", /does not begin with front matter/],
  ["only a text", "# A skill\n", /does not begin with front matter/],
  ["front matter that does not end", "---\nname: x\ndescription: d\n", /does not begin with front matter/],
  ["front matter that begins later", "\n---\ndescription: d\n---\n", /does not begin with front matter/],
  ["a list", "---\n- a\n- b\n---\n", /not a list of keys and values/],
  ["broken YAML", "---\ndescription: [d\n---\n", /not valid YAML: /],
  ["a tab as indentation", "---\nmetadata:\n\ta: b\n---\n", /not valid YAML: /],
  ["a key twice", "---\ndescription: d\ndescription: e\n---\n", /not valid YAML: /],
  ["a key twice, and a colon without quotes", "---\ndescription: a: b\ndescription: e\n---\n", /not valid YAML: /],
  ["structure, and a colon without quotes", "---\ndescription: a: b\nmetadata:\n  openclaw: {}\n---\n", /not valid YAML: /],
  ["aliases", "---\na: &a [x, x]\nb: &b [*a, *a]\ndescription: d\n---\n", /has aliases/],
  ["no description", "---\nname: x\n---\n", /has no description/],
  ["an empty description", "---\nname: x\ndescription: '  '\n---\n", /has no description/],
  ["a name with a line break", '---\nname: "x\\u2028y/z"\ndescription: d\n---\n', /its name "x y\/z" has other characters/],
  ["a name that is a path", "---\nname: ../../etc\ndescription: d\n---\n", /its name "..\/..\/etc" has other characters/],
  ["a name with markup", "---\nname: </skills>\ndescription: d\n---\n", /has other characters/],
  ["a name that is too long", `---\nname: ${"x".repeat(65)}\ndescription: d\n---\n`, /more than 64/],
  ["metadata of another type", "---\ndescription: d\nmetadata: [1]\n---\n", /metadata is not an object/],
  ["too much front matter", `---\ndescription: ${"d".repeat(SKILL_LIMITS.frontMatterChars)}\n---\n`, /is longer than/],
];

for (const [title, text, problem] of REFUSED)
  test(`a file is refused: ${title}`, () => {
    const parsed = parseHeader(text, "folder");
    assert.match("problem" in parsed ? parsed.problem : "it was read", problem);
  });

test("a long description is cut, and a name falls back to that of the folder", () => {
  const parsed = parseHeader(`---\ndescription: ${"d".repeat(2_000)}\n---\n`, "my folder");
  assert.ok("header" in parsed);
  assert.equal(parsed.header.description.length, SKILL_LIMITS.descriptionChars);
  assert.equal(parsed.header.name, "my folder");
});
