import assert from "node:assert/strict";
import { sep } from "node:path";
import { test } from "node:test";
import { CliError } from "../core/errors.ts";
import { loadConfig } from "./load.ts";
import { createPaths } from "./paths.ts";
import { defaultPort, profileOf, profileOfDirectory, selectProfile, stateDirName } from "../core/profile.ts";

const HOME = "/home/ann";
const pathsOf = (profile: string) => createPaths({ HOME, OPENCLAW_PROFILE: profile });

const isWithin = (a: string, b: string): boolean => a === b || a.startsWith(b + sep);

test("two profiles on one machine never share a file", () => {
  const alphabet = "ab0-_";
  const names = Array.from({ length: 400 }, (_, seed) =>
    Array.from(
      { length: 1 + (seed % 5) },
      (_unused, place) => alphabet[(seed * 31 + place * 17 + ((seed >> place) & 7)) % alphabet.length],
    ).join(""),
  ).filter((name) => /^[a-z0-9]/.test(name));
  const profiles = [...new Set(["", "dev", "work", ...names])];
  for (const one of profiles)
    for (const other of profiles) {
      if (one === other) continue;
      const [a, b] = [pathsOf(one), pathsOf(other)];
      assert.ok(!isWithin(a.state, b.state), `${one} ${other}`);
      for (const path of [a.config, a.gateway, a.lastGood]) assert.ok(!isWithin(path, b.state) && isWithin(path, a.state));
    }
});

test("a profile has its own directory and port, unless they are configured", () => {
  assert.deepEqual(
    [pathsOf("").state, pathsOf("default").state, pathsOf("Work").state],
    ["/home/ann/.openclaw", "/home/ann/.openclaw", "/home/ann/.openclaw-work"],
  );
  assert.deepEqual([defaultPort(null), defaultPort("dev")], [18_789, 19_001]);
  assert.ok(defaultPort("work") >= 20_000 && defaultPort("work") < 60_000);
  assert.notEqual(defaultPort("work"), defaultPort("rescue"));
  const path = "/nowhere/openclaw.json";
  assert.equal(loadConfig({ path, env: { OPENCLAW_PROFILE: "work" }, home: HOME }).config.gateway.port, defaultPort("work"));
  assert.equal(loadConfig({ path, env: {}, home: HOME }).config.gateway.port, 18_789);
  assert.equal(profileOfDirectory(stateDirName("work")), "work");
  assert.equal(profileOfDirectory(".openclaw"), null);
  assert.equal(profileOfDirectory(".openclaw.bak"), undefined);
});

test("a selected profile wins over the places that the environment names; a directory that is named alone stays", () => {
  const env: Record<string, string | undefined> = { HOME, OPENCLAW_STATE_DIR: "/srv/one", OPENCLAW_CONFIG_PATH: "/srv/one.json" };
  assert.equal(createPaths({ ...env, OPENCLAW_PROFILE: "work" }).state, "/srv/one");
  selectProfile(env, "work");
  assert.deepEqual(createPaths(env), pathsOf("work"));
});

test("a name that would lead elsewhere is refused", () => {
  for (const name of ["../x", "a/b", ".", "-a", "a b", "x".repeat(65)])
    assert.throws(
      () => profileOf({ OPENCLAW_PROFILE: name }),
      (err: unknown) => err instanceof CliError && err.exit === 2,
    );
});
