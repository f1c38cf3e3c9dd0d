import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkEnvironment, normalizeEnvironment } from "./environment.ts";
import { isTimeZone, systemTimeZone } from "./time-zone.ts";

test("for any TZ the name is valid for Intl, and an invalid value is reported", () => {
  const cases: [tz: string | undefined, name: string | null, sound: boolean][] = [
    ["Europe/Berlin", "Europe/Berlin", true],
    [":Europe/Berlin", "Europe/Berlin", true],
    ["US/Eastern", "US/Eastern", true],
    ["EST5EDT", "EST5EDT", true],
    ["UTC", "UTC", true],
    ["UTC+8", "UTC", false],
    ["CET-1CEST,M3.5.0,M10.5.0/3", "UTC", false],
    ["Europe/Nowhere", "UTC", false],
    ["Etc/Unknown", "UTC", false],
    ["/etc/shadow", "UTC", false],
    ["/nonexistent", "UTC", false],
    ["", "UTC", false],
    [" ", "UTC", false],
    ["\u0000", "UTC", false],
    [undefined, null, true],
  ];
  for (const [TZ, name, sound] of cases) {
    const zone = systemTimeZone(TZ === undefined ? {} : { TZ });
    if (name !== null) assert.equal(zone.name, name, TZ);
    assert.ok(isTimeZone(zone.name), TZ);
    if (TZ !== undefined) assert.equal(zone.problem === null, sound, TZ);
    assert.equal(
      checkEnvironment(TZ === undefined ? {} : { TZ }).some((issue) => issue.name === "TZ"),
      zone.problem !== null,
    );
  }
});

test("a file of zones is named by where it lies", () => {
  const dir = mkdtempSync(join(tmpdir(), "zone-"));
  symlinkSync("/usr/share/zoneinfo/Asia/Tokyo", join(dir, "localtime"));
  assert.equal(systemTimeZone({ TZ: `:${join(dir, "localtime")}` }).name, "Asia/Tokyo");
  rmSync(dir, { recursive: true });
});

test("unused gateway variables are reported with a suggestion, unless the configuration refers to them", () => {
  const env = {
    OPENCLAW_STATEDIR: "x",
    OPENCLAW_TOKEN: "y",
    OPENCLAW_MINE: "z",
    OPENCLAW_STATE_DIR: "/s",
  };
  const issues = checkEnvironment(env, new Set(["OPENCLAW_MINE"]));
  assert.deepEqual(
    issues.map(({ name, fix }) => [name, /Use (\S+)\./.exec(fix)?.[1]]),
    [
      ["OPENCLAW_STATEDIR", "OPENCLAW_STATE_DIR"],
      ["OPENCLAW_TOKEN", "OPENCLAW_GATEWAY_TOKEN"],
    ],
  );
});

test("the time zone that is found is the one that other programs inherit", () => {
  const env: Record<string, string | undefined> = { TZ: "UTC+8", HTTPS_PROXY: "::::" };
  normalizeEnvironment(env);
  assert.deepEqual(env, { TZ: "UTC", HTTPS_PROXY: "::::" });
});
