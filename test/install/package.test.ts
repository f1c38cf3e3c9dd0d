import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { VERSION } from "../../src/core/version.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const dir = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-package-")));
after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));

const prefix = join(dir, "prefix");
/** Nothing of this repository is in reach: another directory, another home, this Node first on the path. */
const env = {
  PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
  HOME: join(dir, "home"),
  OPENCLAW_DISCOVER_LOCAL_MODELS: "0",
};

function npm(args: readonly string[], cwd: string): { code: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync("npm", [...args, "--no-audit", "--no-fund", "--ignore-scripts"], { cwd, encoding: "utf8" });
  return { code: status, text: `${stdout}${stderr}` };
}

test("each pinned Node is a release that gets fixes", () => {
  const manifest = JSON.parse(readFileSync(join(root, "toolchain/package.json"), "utf8")) as {
    optionalDependencies: Record<string, string>;
  };
  const lock = JSON.parse(readFileSync(join(root, "toolchain/package-lock.json"), "utf8")) as {
    packages: Record<string, { version?: string; integrity?: string }>;
  };
  for (const [name, version] of Object.entries(manifest.optionalDependencies)) {
    const [major = 0, minor = 0] = version.split(".").map(Number);
    // Releases of Node 24 before 24.18 have faults that a peer can reach.
    assert.ok(major > 24 || (major === 24 && minor >= 18), `${name} ${version}`);
    assert.equal(lock.packages[`node_modules/${name}`]?.version, version, `${name} is locked`);
    assert.match(lock.packages[`node_modules/${name}`]?.integrity ?? "", /^sha512-/);
  }
});

const isBuilt = existsSync(join(root, "dist/main.js")) && existsSync(join(root, "dist/web/index.html"));

test(
  "the package installs globally and runs outside of the repository",
  { skip: !isBuilt && "dist/ is not built: npm run build" },
  async (t) => {
    const packed = npm(["pack", "--json", "--pack-destination", dir], root);
    assert.equal(packed.code, 0, packed.text);
    const tarball = readdirSync(dir).find((name) => name.endsWith(".tgz"));
    assert.ok(tarball, packed.text);

    const installed = npm(["install", "--global", "--prefix", prefix, join(dir, tarball)], dir);
    if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.test(installed.text)) return t.skip("the npm registry is not reachable");
    assert.equal(installed.code, 0, installed.text);

    const home = join(prefix, "lib/node_modules/openclaw-gateway");
    const shipped = readdirSync(home, { recursive: true, encoding: "utf8" }).filter((path) => !path.startsWith("node_modules"));
    for (const wanted of [
      "bin/openclaw.js",
      "dist/main.js",
      "dist/pi-rpc-extension.mjs",
      "dist/pi-shared-host.mjs",
      "dist/image-worker.js",
      "dist/web-worker.mjs",
      "dist/browser-driver.mjs",
      "dist/channel.js",
      "dist/types/channels/sdk.d.ts",
      "dist/tool.js",
      "dist/tool-worker.mjs",
      "dist/types/tools/plugins/sdk.d.ts",
      "dist/web/index.html",
      "LICENSE",
      "CHANGELOG.md",
      "toolchain/package-lock.json",
    ]) {
      assert.ok(shipped.includes(wanted), `${wanted} is not in the package`);
    }
    assert.ok(
      shipped.some((path) => path.startsWith("dist/migrations/")),
      "no migrations in the package",
    );
    assert.ok(!shipped.some((path) => /^(src|test|scripts)\b/.test(path)), "sources are in the package");

    const openclaw = join(prefix, "bin/openclaw");
    const version = spawnSync(openclaw, ["--version"], { cwd: dir, env, encoding: "utf8" });
    assert.equal(version.stdout.trim(), `openclaw-gateway ${VERSION}`, version.stderr);

    const gateway = spawn(openclaw, ["gateway", "--port", "0", "--json"], { cwd: dir, env, stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise((resolve) => gateway.once("exit", resolve));
    try {
      const { url } = await firstJson(gateway.stdout, gateway.stderr, ended);
      const http = url.replace(/^ws/, "http");
      assert.deepEqual(await (await fetch(`${http}/healthz`)).json(), { ok: true, status: "live" });
      assert.match(await (await fetch(`${http}/`)).text(), /<!doctype html>/i);
      const status = spawnSync(openclaw, ["status", "--json"], { cwd: dir, env, encoding: "utf8" });
      assert.equal(status.status, 0, status.stdout + status.stderr);
      assert.equal((JSON.parse(status.stdout) as { gateway: { usable: boolean } }).gateway.usable, true);
    } finally {
      gateway.kill("SIGTERM");
      await ended;
    }
  },
);

/** The JSON object that the gateway prints when it listens. */
function firstJson(stdout: NodeJS.ReadableStream, stderr: NodeJS.ReadableStream, ended: Promise<unknown>): Promise<{ url: string }> {
  let out = "";
  let err = "";
  stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve, reject) => {
    stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (out.trimEnd().endsWith("}")) resolve(JSON.parse(out) as { url: string });
    });
    void ended.then(() => reject(new Error(`the gateway ended: ${out}${err}`)));
  });
}
