import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { rounds } from "../../test/rounds.ts";
import JSON5 from "json5";
import { GatewayError } from "../core/errors.ts";
import { renameAt, getAt, mergePatch, setAt, unsetAt, writeConfig } from "./edit.ts";
import { formatPath, parsePath } from "./key-path.ts";

type Case = { name: string; text: string; edit: (text: string) => string; expected: string };

const CASES: readonly Case[] = [
  {
    name: "a replaced value keeps comments and its quotes",
    text: "{\n  // who\n  gateway: { bind: 'lan', /* tcp */ port: 1 }, // end\n}\n",
    edit: (text) => setAt(text, "gateway.bind", "it's"),
    expected: "{\n  // who\n  gateway: { bind: 'it\\'s', /* tcp */ port: 1 }, // end\n}\n",
  },
  {
    name: "an added key goes to the end, after the comment of the last one",
    text: '{\n  "a": 1, // one\n  "b": 2 // two\n  // tail\n}',
    edit: (text) => setAt(text, "c", 3),
    expected: '{\n  "a": 1, // one\n  "b": 2, // two\n  "c": 3\n  // tail\n}',
  },
  {
    name: "a comma at the end stays a comma at the end",
    text: "{\n\ta: 1,\n}\n",
    edit: (text) => setAt(text, "b.c", true),
    expected: "{\n\ta: 1,\n\tb: {\n\t\tc: true\n\t},\n}\n",
  },
  {
    name: "an object in one line stays in one line",
    text: "{ a: { b: 1 } }",
    edit: (text) => setAt(text, "a.c", 2),
    expected: "{ a: { b: 1, c: 2 } }",
  },
  {
    name: "strict JSON stays strict JSON",
    text: '{\n  "a": 1,\n  "b": 2\n}\n',
    edit: (text) => unsetAt(text, "b"),
    expected: '{\n  "a": 1\n}\n',
  },
  {
    name: "a removed key takes its line and its comment along",
    text: "{\n  a: 1, // one\n  b: 2, // two\n}",
    edit: (text) => unsetAt(text, "a"),
    expected: "{\n  b: 2, // two\n}",
  },
  {
    name: "a key in a line with others is removed alone",
    text: "{ a: 1, b: 2, c: 3 }",
    edit: (text) => unsetAt(text, "b"),
    expected: "{ a: 1, c: 3 }",
  },
  { name: "the last key of a line leaves no comma", text: "{ a: 1, b: 2 }", edit: (text) => unsetAt(text, "b"), expected: "{ a: 1 }" },
  {
    name: "removing what is not there changes nothing",
    text: "{ a: 1 } // x",
    edit: (text) => unsetAt(text, "b.c"),
    expected: "{ a: 1 } // x",
  },
  {
    name: "all of equal keys are removed",
    text: "{\n  a: 1,\n  b: 0,\n  a: 2\n}",
    edit: (text) => unsetAt(text, "a"),
    expected: "{\n  b: 0\n}",
  },
  {
    name: "of equal keys the one that counts is changed",
    text: "{ a: 1, a: 2 }",
    edit: (text) => setAt(text, "a", 3),
    expected: "{ a: 1, a: 3 }",
  },
  {
    name: "Windows line ends stay",
    text: "{\r\n  a: 1\r\n}\r\n",
    edit: (text) => setAt(text, "b", { c: 1 }),
    expected: "{\r\n  a: 1,\r\n  b: {\r\n    c: 1\r\n  }\r\n}\r\n",
  },
  { name: "a byte order mark stays", text: "\uFEFF{}", edit: (text) => setAt(text, "a", 1), expected: '\uFEFF{\n  "a": 1\n}' },
  {
    name: "an empty file becomes an object",
    text: " \n",
    edit: (text) => setAt(text, "gateway.port", 1),
    expected: '{\n  "gateway": {\n    "port": 1\n  }\n}\n',
  },
  {
    name: "an item is appended in the style of the list",
    text: "{ l: [\n  'a', // A\n  'b', // B\n] }",
    edit: (text) => setAt(text, "l[2]", "c"),
    expected: "{ l: [\n  'a', // A\n  'b', // B\n  \"c\",\n] }",
  },
  {
    name: "an item in the middle is removed with its comment",
    text: "{ l: [\n  'a', // A\n  'b', // B\n  'c', // C\n] }",
    edit: (text) => unsetAt(text, ["l", 1]),
    expected: "{ l: [\n  'a', // A\n  'c', // C\n] }",
  },
  {
    name: "a setting to the same value changes nothing",
    text: "{ a: 0x10, b: [1,2,] }",
    edit: (text) => setAt(setAt(text, "a", 16), "b", [1, 2]),
    expected: "{ a: 0x10, b: [1,2,] }",
  },
  {
    name: "a patch merges, replaces and removes",
    text: "{\n  // k\n  a: { x: 1, y: 2 },\n  b: [1],\n}",
    edit: (text) => mergePatch(text, { a: { x: null, z: 3 }, b: [2, 3], c: null }),
    expected: "{\n  // k\n  a: { y: 2, z: 3 },\n  b: [2, 3],\n}",
  },
  {
    name: "a patch replaces the listed objects",
    text: "{ a: { x: 1, y: 2 } }",
    edit: (text) => mergePatch(text, { a: { z: 3 } }, ["a"]),
    expected: "{ a: {\n  z: 3\n} }",
  },
  {
    name: "a key that is not an identifier is quoted",
    text: "{\n  a: 1,\n}",
    edit: (text) => setAt(text, ["m", "x/y.z"], 1),
    expected: '{\n  a: 1,\n  m: {\n    "x/y.z": 1\n  },\n}',
  },
];

for (const { name, text, edit, expected } of CASES) {
  test(name, () => {
    const out = edit(text);
    assert.equal(out, expected);
    JSON5.parse(out.replace(/^\uFEFF/, ""));
  });
}

test("edits that cannot be made are refused with the reason", () => {
  const cases: [() => unknown, RegExp][] = [
    [() => setAt("{ a: }", "a", 1), /^line 1, column 6: unexpected "}"/],
    [() => setAt("{ l: [1] }", "l[5]", 1), /l\[5\] is not a position/],
    [() => setAt("{}", "a..b", 1), /is not a path/],
    [() => setAt("{}", ["__proto__", "x"], 1), /is not a path/],
    [() => setAt("{}", "a", undefined), /only values of JSON/],
    [() => mergePatch("{}", [1]), /must be an object/],
  ];
  for (const [run, message] of cases) {
    assert.throws(run, (err) => err instanceof GatewayError && err.code === "INVALID_REQUEST" && message.test(err.message));
  }
});

test("a patch never reaches a prototype", () => {
  assert.equal(
    mergePatch("{ a: 1 }", JSON.parse('{ "__proto__": { "polluted": 1 }, "b": { "__proto__": { "c": 1 } } }')).includes("__proto__"),
    false,
  );
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});

test("values are read without defaults", () => {
  const text = "{ a: { 'b.c': [ { d: 1 } ] } }";
  assert.deepEqual(
    [getAt(text, 'a["b.c"][0].d'), getAt(text, "a.x.y"), getAt(text, "constructor"), getAt("", "a")],
    [1, undefined, undefined, undefined],
  );
});

test("paths are written and read back", () => {
  for (const path of [["a", "b"], ["a", 0, "c"], ["groups", "#x.y"], ["m", "p/q"], ['q"', "'"], ["a b"]]) {
    assert.deepEqual(parsePath(formatPath(path)), path, formatPath(path));
  }
  for (const wrong of ["", ".", ".a", "a.", "a..b", "a[", "a[x]", "a]b", "a b", 'a["x]', "a[0]b"])
    assert.equal(parsePath(wrong), null, wrong);
});

/** Small deterministic random numbers (mulberry32). */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

const KEYS = ["a", "b", "c", "x-y", "d e", "__p"];

function randomValue(random: (below: number) => number, depth: number): unknown {
  const kind = random(depth > 2 ? 5 : 8);
  if (kind < 5) return [1, 'it\'s "x"\\\n', true, null, -0.5][kind];
  if (kind === 5) return Array.from({ length: random(4) }, () => randomValue(random, depth + 1));
  return Object.fromEntries(Array.from({ length: random(4) }, () => [KEYS[random(KEYS.length)]!, randomValue(random, depth + 1)]));
}

/** The value as text with random quotes, commas, comments and line breaks. */
function randomText(value: unknown, random: (below: number) => number): string {
  const gap = (): string => ["", " ", "\n  ", " /* c */ ", " // c\n", "\t"][random(6)]!;
  if (typeof value === "string")
    return random(2) ? JSON.stringify(value) : `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
  if (typeof value !== "object" || value === null) return String(value);
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item) => gap() + randomText(item, random) + gap())
    : Object.entries(value).map(([key, item]) => {
        const bare = /^\w+$/.test(key) && random(2) === 1;
        return `${gap()}${bare ? key : random(2) ? JSON.stringify(key) : `'${key}'`}${gap()}:${gap()}${randomText(item, random)}${gap()}`;
      });
  const body = parts.join(",") + (parts.length > 0 && random(2) ? `,${gap()}` : gap());
  return isList ? `[${body}]` : `{${body}}`;
}

/** The reference: RFC 7396 on plain values. */
function merged(current: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const base = typeof current === "object" && current !== null && !Array.isArray(current) ? { ...current } : {};
  const out = base as Record<string, unknown>;
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = merged(out[key], value);
  }
  return out;
}

test("after any edit of any text, the text means what was asked for, and comments outside of the change survive", () => {
  const random = createRandom(11);
  for (let round = 0; round < rounds(4_000); round++) {
    const before = Object.fromEntries(Array.from({ length: 1 + random(4) }, () => [KEYS[random(KEYS.length)]!, randomValue(random, 0)]));
    const text = `// first\n${randomText(before, random)} // last`;
    const patch = randomValue(random, 0);
    if (typeof patch === "object" && patch !== null && !Array.isArray(patch)) {
      const out = mergePatch(text, patch);
      assert.deepStrictEqual(JSON5.parse(out), merged(before, patch), `${text}\n--- ${JSON.stringify(patch)}\n${out}`);
      assert.ok(out.startsWith("// first\n") && out.endsWith(" // last"), out);
    }
    const key = KEYS[random(KEYS.length)]!;
    const value = randomValue(random, 0);
    if (Array.isArray((before as Record<string, unknown>)[key])) continue;
    const set = setAt(text, [key, "sub"], value);
    assert.deepStrictEqual(JSON5.parse(set)[key].sub, value, `${text}\n--- ${key} = ${JSON.stringify(value)}\n${set}`);
    assert.deepStrictEqual(
      JSON5.parse(unsetAt(set, [key])),
      Object.fromEntries(Object.entries(before).filter(([name]) => name !== key)),
      set,
    );
  }
});

const root = mkdtempSync(join(tmpdir(), "config-edit-"));
after(() => rmSync(root, { recursive: true, force: true }));

test("a file is replaced as a whole, keeps its mode and its link, and leaves the version before beside it", async () => {
  const path = join(root, "openclaw.json");
  await writeConfig(path, "{ gateway: { port: 1 } }", { env: {} });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(existsSync(`${path}.bak`), false);
  const link = join(root, "link.json");
  writeFileSync(join(root, "real.json"), "{}", { mode: 0o640 });
  symlinkSync("real.json", link);
  await writeConfig(link, "{ gateway: { port: 2 } }", { env: {} });
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.equal(readFileSync(join(root, "real.json"), "utf8"), "{ gateway: { port: 2 } }");
  assert.equal(statSync(join(root, "real.json")).mode & 0o777, 0o640);
  assert.equal(readFileSync(`${link}.bak`, "utf8"), "{}");
  assert.equal(statSync(`${link}.bak`).mode & 0o777, 0o600);
  assert.deepEqual(
    readdirSync(root).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("an edit that adds issues is refused with them, one that fixes or keeps issues is not", async () => {
  const path = join(root, "worse.json");
  writeFileSync(path, '{ gateway: { port: "x" }, session: { dmScope: "main" } }');
  const text = readFileSync(path, "utf8");
  await assert.rejects(writeConfig(path, setAt(text, "gateway.bind", "lam"), { env: {} }), (err) => {
    assert.ok(err instanceof GatewayError && err.code === "INVALID_REQUEST");
    assert.deepEqual(
      (err.details!["issues"] as { path: string }[]).map((issue) => issue.path),
      ["gateway.bind"],
    );
    return true;
  });
  await assert.rejects(writeConfig(path, "{", { env: {} }), /invalid config: the file is not JSON5/);
  await assert.rejects(writeConfig(path, "[]", { env: {} }), /must hold an object/);
  assert.equal(readFileSync(path, "utf8"), text);
  const issues = await writeConfig(path, setAt(text, "session.dmScope", "per-peer"), { env: {} });
  assert.deepEqual(
    issues.map((issue) => issue.path),
    ["gateway.port"],
  );
  assert.deepEqual(await writeConfig(path, setAt(readFileSync(path, "utf8"), "gateway.port", 1), { env: {} }), []);
});

test("of two edits that start from the same text, one succeeds and the other is refused", async () => {
  const path = join(root, "race.json");
  writeFileSync(path, "{}");
  const edits = [1, 2, 3].map((port) => writeConfig(path, setAt("{}", "gateway.port", port), { env: {}, base: "{}" }));
  const results = await Promise.allSettled(edits);
  assert.deepEqual(
    results.map((result) => result.status),
    ["fulfilled", "rejected", "rejected"],
  );
  assert.match(String((results[1] as PromiseRejectedResult).reason), /config changed since last load/);
  assert.equal(getAt(readFileSync(path, "utf8"), "gateway.port"), 1);
  await assert.rejects(writeConfig(path, "{}", { env: {}, base: null }), /config changed since last load/);
});

test("a key gets another name where it is, with its comments", () => {
  const text = "{ a: { 'b c': 1, // one\n  d: { /* in */ e: 2 } } }";
  assert.equal(renameAt(text, ["a", "b c"], "f"), '{ a: { "f": 1, // one\n  d: { /* in */ e: 2 } } }');
  assert.equal(renameAt(text, ["a", "d"], "long"), "{ a: { 'b c': 1, // one\n  long: { /* in */ e: 2 } } }");
  assert.equal(renameAt(text, ["a", "d"], "not-bare"), "{ a: { 'b c': 1, // one\n  \"not-bare\": { /* in */ e: 2 } } }");
  assert.equal(renameAt(text, ["a", "x"], "y"), text);
});
