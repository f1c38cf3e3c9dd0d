import assert from "node:assert/strict";
import { test } from "node:test";
import { asObjects, asStrings, type JsonObject } from "../../../core/json.ts";
import { seccompProfile } from "./seccomp-profile.ts";

const names = ["read", "mount", "keyctl", "socket", "ioctl", "openat", "chmod", "openat2", "clone", "clone3", "unshare"];
const GIVEN: JsonObject = {
  defaultAction: "SCMP_ACT_ERRNO",
  archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }],
  syscalls: [
    { names, action: "SCMP_ACT_ALLOW", args: [] },
    { names: ["socket"], action: "SCMP_ACT_ALLOW", args: null },
  ],
};

/** Whether a call with these arguments is allowed, as the kernel decides. */
function isAllowed(profile: JsonObject, name: string, ...args: bigint[]): boolean {
  return asObjects(profile["syscalls"]).some((rule) => {
    if (rule["action"] !== "SCMP_ACT_ALLOW" || !asStrings(rule["names"]).includes(name)) return false;
    return asObjects(rule["args"]).every(
      ({ index, value, valueTwo }) => ((args[Number(index)] ?? 0n) & BigInt(Number(value))) === BigInt(Number(valueTwo)),
    );
  });
}

test("what the sandbox of bubblewrap refuses is refused, and everything else is as the engine has it", () => {
  const profile = seccompProfile(GIVEN);
  const allows = (name: string, ...args: bigint[]): boolean => isAllowed(profile, name, ...args);
  assert.ok(allows("read"));
  for (const name of ["mount", "keyctl", "openat2", "clone3", "unshare", "unheard_of"]) assert.ok(!allows(name), name);
  assert.ok(allows("clone", 0x11n) && !allows("clone", 0x10000011n));
  for (const family of [1n, 2n, 10n, 16n]) assert.ok(allows("socket", family), String(family));
  for (const family of [3n, 17n, 40n]) assert.ok(!allows("socket", family), String(family));
  assert.ok(allows("chmod", 0n, 0o755n) && !allows("chmod", 0n, 0o4755n) && !allows("chmod", 0n, 0o2755n));
  assert.ok(allows("openat", 0n, 0n, 0o100n, 0o644n) && allows("openat", 0n, 0n, 0n, 0o4644n));
  assert.ok(!allows("openat", 0n, 0n, 0o100n, 0o4644n));
});

test("no request puts input into a terminal, whatever the half of the argument has that the kernel ignores", () => {
  const profile = seccompProfile(GIVEN);
  for (const upper of [0n, 1n << 32n, 1n << 63n]) {
    for (let request = 0x5400n; request < 0x5500n; request++) {
      const expected = request !== 0x5412n && request !== 0x541cn;
      assert.equal(isAllowed(profile, "ioctl", 3n, upper | request), expected, request.toString(16));
    }
  }
});

test("programs of other processors do not run, and a filter that allows by default is not used", () => {
  assert.deepEqual(seccompProfile(GIVEN)["archMap"], [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: [] }]);
  assert.throws(() => seccompProfile({ ...GIVEN, defaultAction: "SCMP_ACT_ALLOW" }), /allows what it does not name/);
});
