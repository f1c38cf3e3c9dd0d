import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const dir = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-launcher-")));
after(() => rmSync(dir, { recursive: true, force: true }));

/** A clone in small: the real launcher and set-up, a build that writes one line, and an npm that makes an empty node_modules. */
function makeClone(name: string): {
  clone: string;
  run: (env?: Record<string, string>, command?: string) => { code: number | null; out: string; err: string };
  builds: () => number;
} {
  const clone = join(dir, name);
  for (const path of [
    "openclaw",
    "bin/openclaw.js",
    "bin/toolchain.js",
    "bin/cache-dir.js",
    "scripts/bootstrap.js",
    "toolchain/package.json",
    "toolchain/package-lock.json",
  ]) {
    mkdirSync(dirname(join(clone, path)), { recursive: true });
    copyFileSync(join(root, path), join(clone, path));
  }
  chmodSync(join(clone, "openclaw"), 0o755);
  mkdirSync(join(clone, "src"));
  writeFileSync(join(clone, "src/main.ts"), "");
  writeFileSync(join(clone, "package.json"), '{"type":"module"}');
  writeFileSync(join(clone, "package-lock.json"), '{"packages":{"":{}}}');
  const build = `import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
mkdirSync("dist", { recursive: true });
appendFileSync("builds", "x");
writeFileSync("dist/main.js", "console.log('ran', ...process.argv.slice(2)); process.exitCode = 7;");`;
  writeFileSync(join(clone, "scripts/build.ts"), `process.chdir(${JSON.stringify(clone)});\n${build}`);
  const tools = join(clone, "tools");
  mkdirSync(tools);
  symlinkSync(process.execPath, join(tools, "node"));
  writeFileSync(join(tools, "npm"), "#!/bin/sh\nmkdir -p node_modules\nprintf '{\"packages\":{}}' > node_modules/.package-lock.json\n", {
    mode: 0o755,
  });
  return {
    clone,
    run: (env = {}, command = join(clone, "openclaw")) => {
      const { status, stdout, stderr } = spawnSync(command, ["--flag", "a b"], {
        cwd: "/",
        encoding: "utf8",
        env: { PATH: `${tools}:/usr/bin:/bin`, HOME: join(dir, "home"), ...env },
      });
      return { code: status, out: stdout, err: stderr };
    },
    builds: () => (existsSync(join(clone, "builds")) ? readFileSync(join(clone, "builds"), "utf8").length : 0),
  };
}

/** Only what a shell script needs; neither node nor npm. */
function bareTools(name: string, programs: readonly string[]): string {
  const tools = join(dir, name);
  mkdirSync(tools);
  for (const program of programs) {
    const found = ["/bin", "/usr/bin"].map((each) => join(each, program)).find((path) => existsSync(path));
    if (found) symlinkSync(found, join(tools, program));
  }
  return tools;
}
const SHELL_TOOLS = ["sh", "dirname", "readlink", "find", "head"];

test("the first start sets up and builds, the second does neither, and both hand everything over", () => {
  const { run, builds } = makeClone("twice");
  const first = run();
  assert.equal(first.out, "ran --flag a b\n", first.err);
  assert.equal(first.code, 7);
  assert.match(first.err, /\[2\/3\].*\n(.*\n)*\[3\/3\] build/);
  const second = run();
  assert.deepEqual([second.code, second.out, second.err], [7, "ran --flag a b\n", ""]);
  assert.equal(builds(), 1);
});

test("a source that is newer than the build is built, a test that is newer is not", () => {
  const { clone, run, builds } = makeClone("newer");
  run();
  const later = new Date(statSync(join(clone, ".cache/ready")).mtimeMs + 5_000);
  writeFileSync(join(clone, "src/a.test.ts"), "");
  utimesSync(join(clone, "src/a.test.ts"), later, later);
  run();
  assert.equal(builds(), 1);
  utimesSync(join(clone, "src/main.ts"), later, later);
  run();
  assert.equal(builds(), 2);
});

test("it works through a chain of symbolic links, from any directory", () => {
  const { clone, run } = makeClone("linked");
  symlinkSync(join(clone, "openclaw"), join(dir, "link-one"));
  symlinkSync("link-one", join(dir, "link-two"));
  assert.equal(run({}, join(dir, "link-two")).out, "ran --flag a b\n");
});

test("a lock whose owner died does not stop the next start", () => {
  const { clone, run } = makeClone("stale");
  for (const name of ["dependencies.lock", "build.lock"]) {
    mkdirSync(join(clone, ".cache", name), { recursive: true });
    writeFileSync(join(clone, ".cache", name, "pid"), String(spawnSync("true").pid));
  }
  assert.equal(run().out, "ran --flag a b\n");
  assert.ok(!existsSync(join(clone, ".cache/build.lock")));
});

test("two first starts at once set up once, and both run", async () => {
  const { clone, builds } = makeClone("together");
  const env = { PATH: `${join(clone, "tools")}:/usr/bin:/bin`, HOME: join(dir, "home") };
  const start = (): Promise<number | null> =>
    new Promise((resolve) => spawn(join(clone, "openclaw"), [], { env, stdio: "ignore" }).once("exit", resolve));
  assert.deepEqual(await Promise.all([start(), start()]), [7, 7]);
  assert.equal(builds(), 1);
});

test("without Node it says what is missing and how to get it", () => {
  const { run } = makeClone("no-node");
  const { code, err } = run({ PATH: bareTools("no-node-tools", SHELL_TOOLS) });
  assert.equal(code, 1);
  assert.match(err, /^✗ Node is not installed\n {2}Why: .+\n {2}Fix: .+nodejs.+\n$/);
});

test("without npm it says so", () => {
  const { clone, run } = makeClone("no-npm");
  const tools = bareTools("no-npm-tools", SHELL_TOOLS);
  symlinkSync(process.execPath, join(tools, "node"));
  const { code, err } = run({ PATH: tools });
  assert.equal(code, 1);
  assert.match(err, /✗ npm is not installed\n {2}Why: .+\n {2}Fix: .+\n$/);
  assert.ok(!existsSync(join(clone, "dist")));
});

for (const [said, what] of [
  ["npm error code ENOTFOUND", /✗ the npm registry cannot be reached\n {2}Why: npm says ENOTFOUND\.\n {2}Fix: /],
  ["npm error code E404\nnpm error 404 Not Found", /✗ npm ci failed\n {2}Why: code E404; 404 Not Found\n {2}Fix: /],
] as const) {
  test(`"${said.split("\n")[0]}" becomes one line what, why and fix`, () => {
    const { clone, run } = makeClone(said.replaceAll(/\W/g, ""));
    writeFileSync(join(clone, "tools/npm"), `#!/bin/sh\necho '${said}' >&2\nexit 1\n`, { mode: 0o755 });
    const { code, err } = run();
    assert.equal(code, 1);
    assert.match(err, what);
  });
}

test("a failed build leaves no stamp, so that the next start tries again", () => {
  const { clone, run } = makeClone("broken");
  writeFileSync(join(clone, "scripts/build.ts"), "process.exitCode = 3;");
  const { code, err } = run();
  assert.equal(code, 1);
  assert.match(err, /✗ the build failed/);
  assert.ok(!existsSync(join(clone, ".cache/ready")));
});
