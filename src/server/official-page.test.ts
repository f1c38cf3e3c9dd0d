// Group: wire
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createHash } from "node:crypto";
import { findControlUi } from "../core/control-ui-root.ts";
import { BEARER, http, startServerBench, type ServerBench } from "../../test/server-bench.ts";

const SCRIPT = "window.before = 1;";
const DOCUMENT = `<!doctype html><html lang="en"><head><script>${SCRIPT}</script><script type="module" src="./assets/app-Ab12Cd34.js"></script></head></html>`;

let dir: string;
let files: string;
let bench: ServerBench;
before(async () => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "official-page-")));
  files = join(dir, "node_modules", "openclaw", "dist", "control-ui");
  mkdirSync(join(files, "assets"), { recursive: true });
  mkdirSync(join(dir, "outside"));
  writeFileSync(join(dir, "outside", "secret.js"), "secret");
  writeFileSync(join(dir, "secret.json"), "secret");
  writeFileSync(join(files, "index.html"), DOCUMENT);
  writeFileSync(join(files, "assets", "app-Ab12Cd34.js"), "plain");
  writeFileSync(join(files, "assets", "app-Ab12Cd34.js.br"), "brotli");
  writeFileSync(join(files, "assets", "later.js"), "mine");
  writeFileSync(join(files, "LICENSE"), "text");
  symlinkSync(join(dir, "secret.json"), join(files, "link.json"));
  symlinkSync(join(dir, "outside"), join(files, "linked"));
  bench = await startServerBench({
    deps: { official: { root: dir, mount: "/gw/official" }, basePath: "/gw", pageConfig: () => ({ basePath: "/gw", name: "x" }) },
  });
});
after(async () => {
  await bench.stop();
  rmSync(dir, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}) => http(bench.port, path, { headers });

test("the document names its path, and its policy names its own scripts and no others", async () => {
  const answer = await get("/gw/official/settings/agents");
  assert.equal(answer.status, 200);
  assert.match(answer.body, /<html data-openclaw-control-ui-base-path="\/gw\/official" data-openclaw-terminal-enabled="false" lang="en">/);
  assert.match(answer.body, /src="\/gw\/official\/assets\/app-Ab12Cd34\.js"/);
  const policy = String(answer.headers["content-security-policy"]);
  assert.ok(policy.includes(`script-src 'self' 'sha256-${createHash("sha256").update(SCRIPT).digest("base64")}';`), policy);
  assert.doesNotMatch(policy, /script-src[^;]*(?:unsafe|\*|https?:)/);
  for (const part of ["default-src 'self'", "object-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"])
    assert.ok(policy.includes(part));
  assert.equal((await get("/gw/official")).headers["location"], "/gw/official/");
});

test("its configuration needs a credential, and names the path of the page", async () => {
  assert.equal((await get("/gw/official/control-ui-config.json")).status, 401);
  const answer = await get("/gw/official/control-ui-config.json", BEARER);
  assert.deepEqual(JSON.parse(answer.body), { basePath: "/gw/official", name: "x" });
});

test("files below the directory are served, compressed where the client takes it", async () => {
  const plain = await get("/official/assets/app-Ab12Cd34.js");
  assert.equal(plain.body, "plain");
  assert.match(String(plain.headers["cache-control"]), /immutable/);
  assert.match(String(plain.headers["content-security-policy"]), /sha256-/);
  const packed = await get("/official/assets/app-Ab12Cd34.js", { "accept-encoding": "br" });
  assert.equal(packed.headers["content-encoding"], "br");
  assert.equal(packed.body, "brotli");
  assert.equal((await get("/official/assets/app-Ab12Cd34.js", { "if-none-match": String(plain.headers["etag"]) })).status, 304);
});

test("nothing outside of the directory is served, whatever the path and the links in it", async () => {
  const paths = [
    "/official/link.json",
    "/official/linked/secret.js",
    "/official/../../../../secret.json",
    "/official/%2e%2e/%2e%2e/%2e%2e/%2e%2e/secret.json",
  ];
  for (const path of [...paths, "/official/assets/none.js", "/official/api/x", "/official/v1/models", "/official/avatar/main"]) {
    const answer = await get(path);
    assert.equal(answer.status, 404, path);
    assert.doesNotMatch(answer.body, /secret/);
  }
});

test("a file that is replaced with a link after it was listed is not served", async () => {
  assert.equal((await get("/official/assets/later.js")).body, "mine");
  rmSync(join(files, "assets", "later.js"));
  symlinkSync(join(dir, "outside", "secret.js"), join(files, "assets", "later.js"));
  assert.equal((await get("/official/assets/later.js")).status, 404);
  renameSync(join(files, "assets"), join(files, "was"));
  symlinkSync(join(dir, "outside"), join(files, "assets"));
  writeFileSync(join(dir, "outside", "app-Ab12Cd34.js"), "secret");
  assert.equal((await get("/official/assets/app-Ab12Cd34.js")).status, 404);
  rmSync(join(files, "assets"));
  renameSync(join(files, "was"), join(files, "assets"));
});

test("another release in the same place is served without a restart, and without a document nothing is", async () => {
  writeFileSync(join(files, "assets", "new-Zz12Cd34.js"), "new");
  writeFileSync(join(files, "index.html"), DOCUMENT.replaceAll("app-Ab12Cd34", "new-Zz12Cd34"));
  utimesSync(join(files, "index.html"), 1, 1);
  assert.match((await get("/official/")).body, /new-Zz12Cd34/);
  assert.equal((await get("/official/assets/new-Zz12Cd34.js")).body, "new");
  rmSync(join(files, "index.html"));
  const answer = await get("/official/");
  assert.equal(answer.status, 503);
  assert.match(answer.body, /openclaw doctor says why.*gateway\.controlUi\.root/);
  assert.ok(!answer.body.includes(dir), "the path is for the log");
  assert.throws(() => findControlUi(dir), /has no index\.html/);
});

test("without the setting there is nothing below the path", async () => {
  const off = await startServerBench({});
  try {
    for (const path of ["/official", "/official/", "/official/control-ui-config.json"])
      assert.equal((await http(off.port, path)).status, 404, path);
  } finally {
    await off.stop();
  }
});
