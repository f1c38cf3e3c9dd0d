import assert from "node:assert/strict";
import { test } from "node:test";
import {
  approvableSurface,
  approvalScopes,
  decideCommand,
  describeCommands,
  effectiveSurface,
  isWider,
  needsPerson,
  scopeOfCommand,
  type CommandReason,
} from "./command-policy.ts";
import { OPT_IN_COMMANDS, platformOf, type NodePlatform } from "./platform-commands.ts";

const surface = (commands: string[], caps: string[] = []) => ({ commands, caps, permissions: {} });
const NOTHING = { allow: [], deny: [] };

for (const [platform, deviceFamily, expected] of [
  ["linux", "Linux", "linux"],
  ["darwin", "Mac", "macos"],
  ["macos", "Mac", "macos"],
  ["win32", "Windows", "windows"],
  ["iOS 19.2", "iPhone", "ios"],
  ["ios", undefined, "ios"],
  ["android", undefined, "android"],
  ["Android 16 (SDK 36)", "Android", "android"],
  [undefined, "iPad", "ios"],
  // One word does not make a phone a machine with a shell, and two that differ make it nothing.
  ["linux", undefined, "unknown"],
  ["linux", "iPhone", "unknown"],
  ["iPhone Linux", "Linux", "unknown"],
  ["linux\u0301", "Linux", "linux"],
  [undefined, undefined, "unknown"],
] as const satisfies [string | undefined, string | undefined, NodePlatform][]) {
  test(`a node that says ${platform} and ${deviceFamily} is treated as ${expected}`, () => {
    assert.equal(platformOf({ ...(platform && { platform }), ...(deviceFamily && { deviceFamily }) }), expected);
  });
}

const all = surface(["camera.snap", "location.get", "system.run", "sms.send", "made.up"]);
for (const [command, platform, config, approved, reason] of [
  ["location.get", "ios", NOTHING, all, "allowed"],
  ["location.get", "ios", NOTHING, null, "not-approved"],
  ["location.get", "linux", NOTHING, all, "platform"],
  ["system.run", "linux", NOTHING, all, "allowed"],
  ["system.run", "ios", NOTHING, all, "platform"],
  ["system.run", "unknown", NOTHING, all, "platform"],
  ["camera.snap", "ios", NOTHING, all, "opt-in"],
  ["camera.snap", "ios", { allow: ["camera.snap"], deny: [] }, all, "configured"],
  ["camera.snap", "ios", { allow: ["camera.snap"], deny: ["camera.snap"] }, all, "denied"],
  ["camera.snap", "ios", { allow: ["camera.snap"], deny: [] }, surface([]), "not-approved"],
  ["location.get", "ios", { allow: [], deny: ["location.get"] }, all, "denied"],
  ["made.up", "linux", NOTHING, all, "platform"],
  ["made.up", "linux", { allow: ["made.up"], deny: [] }, all, "configured"],
  ["photos.latest", "ios", { allow: ["photos.latest"], deny: [] }, surface(["photos.latest"]), "not-declared"],
] as const satisfies [string, NodePlatform, object, object | null, CommandReason][]) {
  test(`${command} on ${platform} with ${JSON.stringify(config)} is ${reason}`, () => {
    const decision = decideCommand(command, { platform, declared: all, approved, config });
    assert.deepEqual([decision.reason, decision.isAllowed], [reason, reason === "allowed" || reason === "configured"]);
  });
}

test("what acts on a person's device never runs unless the configuration names it, on any platform", () => {
  const declared = surface([...OPT_IN_COMMANDS]);
  for (const platform of ["ios", "android", "macos", "windows", "linux", "watchos", "unknown"] as const)
    assert.deepEqual(effectiveSurface({ platform, declared, approved: declared, config: NOTHING }).commands, []);
});

test("a person can approve what the platform has and what may be named later, and nothing else", () => {
  assert.deepEqual(approvableSurface(all, "ios", NOTHING).commands, ["camera.snap", "location.get", "sms.send"]);
  assert.deepEqual(approvableSurface(all, "ios", { allow: ["made.up"], deny: [] }).commands, [
    "camera.snap",
    "location.get",
    "made.up",
    "sms.send",
  ]);
});

test("more commands, capabilities or permissions need another approval, fewer do not", () => {
  const approved = { commands: ["a.b"], caps: ["x"], permissions: { camera: true } };
  assert.equal(isWider(approved, null), true);
  assert.equal(isWider(approved, approved), false);
  assert.equal(isWider({ commands: [], caps: [], permissions: { camera: false } }, approved), false);
  for (const more of [{ commands: ["a.b", "c.d"] }, { caps: ["x", "y"] }, { permissions: { camera: true, mic: true } }])
    assert.equal(isWider({ ...approved, ...more }, approved), true);
});

test("programs and files of a machine are approved by an administrator", () => {
  assert.deepEqual(approvalScopes(surface([])), ["operator.pairing"]);
  assert.deepEqual(approvalScopes(surface(["location.get"])), ["operator.pairing", "operator.write"]);
  for (const command of ["system.run", "system.which", "file.fetch", "camera.snap"])
    assert.deepEqual(approvalScopes(surface(["location.get", command])), ["operator.pairing", "operator.admin"]);
});

test("files, browsers and terminals are for administrators, and the rules of a node are not called directly", () => {
  assert.equal(scopeOfCommand("location.get"), "operator.write");
  for (const command of ["browser.proxy", "fs.listDir", "terminal.upload", "file.write"])
    assert.equal(scopeOfCommand(command), "operator.admin");
  for (const command of ["system.execApprovals.get", "system.execApprovals.set"]) assert.equal(scopeOfCommand(command), null);
});

test("an agent asks a person before everything that is not harmless", () => {
  assert.deepEqual(["camera.list", "device.info", "system.notify"].map(needsPerson), [false, false, false]);
  assert.deepEqual(["camera.snap", "location.get", "contacts.search", "unheard.of"].map(needsPerson), [true, true, true, true]);
});

test("a request says in words what it would allow", () => {
  assert.deepEqual(describeCommands(["system.run", "system.run.prepare", "camera.snap", "made.up"]), [
    "run programs",
    "use cameras",
    "made.up",
  ]);
});
