import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import JSON5 from "json5";
import { setAt } from "./edit.ts";
import { jsonSchema, lookupSchema, schemaHints, walkSchema } from "./json-schema.ts";
import { checkConfigValue } from "./load.ts";

const validate = new Ajv({ strict: false, allErrors: true }).compile(jsonSchema());

test("the JSON Schema takes what the gateway takes, and refuses what it warns about", () => {
  const good = [
    {},
    {
      gateway: { port: 1, auth: { token: { source: "env", provider: "default", id: "T" }, passwordFile: "x" }, terminal: { anything: 1 } },
    },
    { agents: { defaults: { model: "a/b" }, entries: { a: { model: { primary: "a/b", fallbacks: [] } } }, list: [{ id: "x" }] } },
    { channels: { irc: { allowFrom: [1, "a"], accounts: { a: { sasl: { username: "me" } } } }, tlon: { x: 1 } }, hooks: {} },
    {
      session: { maintenance: { maxDiskBytes: false, pruneAfter: "30d" } },
      commands: { native: "auto", ownerAllowFrom: [1] },
      logging: { maxFileBytes: "2mb" },
      bindings: [{ agentId: "a", match: { channel: "irc" } }],
    },
  ];
  for (const value of good) {
    assert.ok(validate(value), JSON.stringify(validate.errors));
    assert.deepEqual(
      checkConfigValue(value, { T: "t", x: "" }).issues.filter(
        (issue) => issue.severity !== "info" && !/not served|does not exist/.test(issue.message),
      ),
      [],
    );
  }
  const bad = [
    { gatway: {} },
    { gateway: { port: 0 } },
    { gateway: { bind: "lann" } },
    { bindings: [{ agentId: "a" }] },
    { agents: { entries: { a: { model: 5 } } } },
  ];
  for (const value of bad) {
    assert.equal(validate(value), false, JSON.stringify(value));
    assert.ok(
      checkConfigValue(value).issues.some((issue) => issue.severity !== "info"),
      JSON.stringify(value),
    );
  }
});

test("every default of the schema is a value that the schema takes", () => {
  let text = '{ gateway: { auth: { trustedProxy: { userHeader: "x-user" } } } }';
  let defaults = 0;
  walkSchema((path, node) => {
    if (path.includes("*") || path.includes("[]") || !("default" in node) || node.default === undefined) return;
    defaults++;
    text = setAt(text, path, node.default);
  });
  assert.ok(defaults > 30, String(defaults));
  const value = JSON5.parse(text);
  assert.ok(validate(value), JSON.stringify(validate.errors));
  const written = checkConfigValue(value);
  assert.deepEqual(
    written.issues.filter(({ message }) => !message.includes("has no effect")),
    [],
  );
  assert.deepEqual(written.config.session, checkConfigValue({}).config.session);
});

test("every key has a sentence of its own and a short name", () => {
  let keys = 0;
  walkSchema((path, node) => {
    keys++;
    assert.match(node.doc, /^[A-Z`].*[.]$/, path);
  });
  assert.ok(keys > 250, String(keys));
  for (const [path, hint] of Object.entries(schemaHints())) assert.ok(hint.label.length > 0 && hint.help.length > 0, path);
});

test("answers to clients are small", () => {
  assert.ok(JSON.stringify({ schema: jsonSchema(), uiHints: schemaHints() }).length < 460_000);
  for (const path of [".", "gateway", "agents.defaults", "channels.irc"])
    assert.ok(JSON.stringify(lookupSchema(path)).length < 30_000, path);
});

test("a key is found by the path in the file and by the path in the documentation", () => {
  assert.deepEqual(
    lookupSchema(".")
      ?.children.slice(2, 4)
      .map((child) => [child.key, child.path, child.hasChildren]),
    [
      ["gateway", "gateway", true],
      ["agents", "agents", true],
    ],
  );
  const port = lookupSchema("gateway.port");
  assert.deepEqual([port?.schema["type"], port?.schema["default"], port?.reloadKind, port?.children], ["integer", 18_789, "restart", []]);
  assert.equal(lookupSchema("agents.entries.home.name")?.hintPath, "agents.entries.*.name");
  assert.equal(lookupSchema("agents.entries.*")?.children.length, lookupSchema("agents.entries.home")?.children.length);
  assert.equal(lookupSchema("bindings[3].match.peer.kind")?.hintPath, "bindings[].match.peer.kind");
  assert.deepEqual(
    lookupSchema("bindings")?.children.map((child) => child.path),
    ["bindings[]"],
  );
  assert.equal(lookupSchema("bindings[]")?.path, "bindings[]");
  assert.equal(lookupSchema("gateway.auth.tokenFile")?.schema["type"], "string");
  assert.equal(lookupSchema("channels.irc.nick")?.reloadKind, "hot");
  for (const path of ["gateway.nope", "gateway.port.x", "talk", "", "constructor", "gateway.__proto__", "a[", "[0]"])
    assert.equal(lookupSchema(path), null, path);
});

test("the published schema and the documentation are what the schema says", () => {
  const script = join(import.meta.dirname, "../../scripts/gen-config-docs.ts");
  execFileSync(process.execPath, [script, "--check"], { encoding: "utf8" });
});
