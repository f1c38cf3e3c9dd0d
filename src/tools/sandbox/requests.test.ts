import assert from "node:assert/strict";
import { test } from "node:test";
import type { SandboxRequest } from "../sandbox.ts";
import { createBubblewrap } from "./bubblewrap.ts";
import { createOtherUser } from "./other-user.ts";

const STATE = "/home/user/.openclaw";
const WORKSPACE = `${STATE}/workspace`;
const REQUEST: SandboxRequest = {
  argv: ["/bin/sh", "-c", "true"],
  cwd: WORKSPACE,
  workspace: WORKSPACE,
  workspaceAccess: "rw",
  env: { HOME: "/home/user" },
  readable: [`${STATE}/skills`],
  network: false,
};

const options = {
  version: "1",
  architecture: "x64" as const,
  programs: { bwrap: "/usr/bin/bwrap", choom: "/usr/bin/choom", prlimit: "/usr/bin/prlimit" },
  userId: 1_234,
  otherUser: null,
  hidden: [STATE, "/home/user/gateway.json"],
};
const sandbox = createBubblewrap(options);
const ofRoot = createBubblewrap({ ...options, otherUser: createOtherUser({ perl: "/usr/bin/perl", setpriv: "/usr/bin/setpriv" }, "x64") });

/** The options that bubblewrap reads from its first input. */
const settingsOf = (more: Partial<SandboxRequest> = {}, from = sandbox): string[] =>
  Buffer.from(from.wrap({ ...REQUEST, ...more }).inputs[0]!)
    .toString()
    .split("\0");

/** The places of the sandbox that a kind of mount fills, in their order. */
const placesOf = (settings: readonly string[], kind: string): string[] =>
  settings.flatMap((each, index) => (each === kind ? [settings[index + (kind === "--tmpfs" ? 1 : 2)]!] : []));

test("a request that cannot be isolated is refused with the reason", () => {
  const refusals: readonly [Partial<SandboxRequest>, RegExp][] = [
    [{ cwd: "/home/user/other" }, /outside of the workspace .* Choose a directory in the workspace/],
    [{ cwd: `${WORKSPACE}-other` }, /outside of the workspace/],
    [{ workspace: STATE, cwd: STATE }, /contains \/home\/user\/\.openclaw, which no command may reach/],
    [{ workspace: "/home/user", cwd: "/home/user" }, /contains \/home\/user\/\.openclaw, which no command may reach/],
    [{ readable: ["/home/user/gateway.json"] }, /which no command may reach/],
    [{ readable: ["/home"] }, /which no command may reach/],
    [{ workspace: "/", cwd: "/" }, /contains/],
    [{ workspace: "/usr", cwd: "/usr" }, /contains \/usr/],
    [{ workspace: "/etc", cwd: "/etc" }, /contains \/etc/],
    [{ workspace: "/proc/1/cwd", cwd: "/proc/1/cwd" }, /\/proc is an interface of the kernel/],
    [{ readable: ["/dev"] }, /contains \/dev/],
    [{ readable: ["/sys/kernel"] }, /interface of the kernel/],
    [{ readable: [`${WORKSPACE}/../..`] }, /without detours/],
    [{ readable: ["relative"] }, /without detours/],
    [{ readable: ["/a\0--bind\0/\0/"] }, /without detours/],
    [{ env: { A: "x\0--bind\0/\0/" } }, /variable A contains a NUL character/],
    [{ env: { "A\0B": "x" } }, /cannot be the name/],
    [{ env: { "A=B": "x" } }, /cannot be the name/],
    [{ env: { "": "x" } }, /cannot be the name/],
  ];
  for (const [more, reason] of refusals) assert.throws(() => sandbox.wrap({ ...REQUEST, ...more }), reason);
});

test("of the host, only the workspace is bound to be changed, and that only if it may be", () => {
  assert.deepEqual(placesOf(settingsOf(), "--bind"), [WORKSPACE]);
  assert.deepEqual(placesOf(settingsOf({ workspaceAccess: "ro" }), "--bind"), []);
  assert.ok(placesOf(settingsOf({ workspaceAccess: "ro" }), "--ro-bind").includes(WORKSPACE));
  assert.ok(placesOf(settingsOf(), "--ro-bind").includes(`${STATE}/skills`));
});

test("outer directories are mounted before those in them, each place once", () => {
  const settings = settingsOf({ readable: ["/home/user/a/b", "/home/user/a", `${WORKSPACE}/skills`, "/tmp"] });
  const at = (kind: string, path: string): number => settings.findIndex((each, index) => each === kind && settings[index + 1] === path);
  const order = [at("--tmpfs", "/home/user"), at("--bind", WORKSPACE), at("--ro-bind", "/home/user/a"), at("--ro-bind", "/home/user/a/b")];
  assert.deepEqual(
    order.toSorted((a, b) => a - b),
    order,
  );
  assert.ok(!order.includes(-1));
  assert.equal(at("--tmpfs", "/tmp"), -1);
  // It is in the workspace already.
  assert.equal(at("--ro-bind", `${WORKSPACE}/skills`), -1);
});

const hasEmptyHome = (home: string, more: Partial<SandboxRequest> = {}): boolean =>
  placesOf(settingsOf({ env: { HOME: home }, ...more }), "--tmpfs").includes(home);

test("the home directory is empty unless something else is shown there", () => {
  for (const home of ["/home/user", "/root", "/var/lib/openclaw"]) assert.equal(hasEmptyHome(home), true, home);
  const others = ["/", "/usr", "/usr/local", "/etc", "/proc/1", "relative", WORKSPACE, `${WORKSPACE}/home`, ""];
  for (const home of others) assert.equal(hasEmptyHome(home), false, home);
  assert.equal(hasEmptyHome("/srv/home", { readable: ["/srv/home"] }), false);
});

test("the network and what is needed to use it come only on request", () => {
  assert.deepEqual([settingsOf().includes("--share-net"), settingsOf().includes("/etc/resolv.conf")], [false, false]);
  assert.deepEqual(
    [settingsOf({ network: true }).includes("--share-net"), settingsOf({ network: true }).includes("/etc/resolv.conf")],
    [true, true],
  );
});

test("the values of variables are not among the arguments, which all users of the host can read", () => {
  const { argv, env } = sandbox.wrap({ ...REQUEST, env: { KEY: "secret-value", LD_PRELOAD: "x", OPENCLAW_RUNNER: "marker" } });
  assert.deepEqual([argv.some((each) => each.includes("secret-value")), env], [false, { OPENCLAW_RUNNER: "marker" }]);
});

test("commands of root run as another user, which finds the paths where they were mounted for it", () => {
  const { argv } = ofRoot.wrap(REQUEST);
  assert.ok(argv.includes(WORKSPACE) && argv.includes(`${STATE}/skills`) && argv.includes("--reuid=1900000000"));
  const settings = settingsOf({}, ofRoot);
  const at = settings.indexOf("--bind");
  assert.deepEqual(settings.slice(at, at + 3), ["--bind", "/tmp/0", WORKSPACE]);
  assert.deepEqual(settings.filter((each) => each === `${STATE}/skills`).length, 1);
});

test("the name says as whom commands run", () => {
  assert.deepEqual([sandbox.name, ofRoot.name], ["bubblewrap 1, as user 1234", "bubblewrap 1, as user 1900000000 instead of root"]);
});
