import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { http, startServerBench } from "../../test/server-bench.ts";
import { stripBasePath } from "./exchange.ts";

test("a URL under the base path is read as if the gateway lay at the root; others are left alone", () => {
  const cases: readonly [string, string][] = [
    ["/gw", "/"],
    ["/gw/", "/"],
    ["/gw?x=1", "/?x=1"],
    ["/gw/chat?x=1", "/chat?x=1"],
    ["/gwen", "/gwen"],
    ["/healthz", "/healthz"],
    ["/gw//evil", "//evil"],
  ];
  for (const [url, expected] of cases) assert.equal(stripBasePath(url, "/gw"), expected, url);
  assert.equal(stripBasePath("/gw/chat", ""), "/gw/chat");
});

test("the page under a base path names it and loads everything from there", async () => {
  const dir = mkdtempSync(join(tmpdir(), "page-"));
  writeFileSync(
    join(dir, "index.html"),
    '<html data-base-path="/"><script src="./a.js"></script><link href="./b.css"><a href="https://x.example/">x</a></html>',
  );
  writeFileSync(join(dir, "a.js"), "1");
  const room = await startServerBench({ deps: { pageDir: dir, basePath: "/gw" } });
  const page = await http(room.port, "/gw/");
  assert.equal(page.status, 200);
  assert.equal(
    page.body,
    '<html data-base-path="/gw/"><script src="/gw/a.js"></script><link href="/gw/b.css"><a href="https://x.example/">x</a></html>',
  );
  assert.equal((await http(room.port, "/gw/a.js")).body, "1");
  assert.equal((await http(room.port, "/gw/healthz")).status, 200);
  assert.equal((await http(room.port, "/other/a.js")).status, 404);
  await room.stop();
  rmSync(dir, { recursive: true });
});
