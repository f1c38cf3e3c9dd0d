import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const PAGE = new URL("../../dist/web/", import.meta.url).pathname;
/** What a browser loads before the first view, compressed. */
const FIRST_LOAD_BYTES = 100 * 1_024;

const named = (): readonly string[] =>
  [...readFileSync(join(PAGE, "index.html"), "utf8").matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((match) => match[1]!);

/** Small files are sent as they are. */
function sizeOf(name: string): number {
  const compressed = `${name}.br`;
  const isCompressed = readdirSync(join(PAGE, name, "..")).includes(compressed.split("/").at(-1)!);
  return statSync(join(PAGE, isCompressed ? compressed : name)).size;
}

test("the first load of the page is at most 100 KiB, compressed", () => {
  const files = [...named(), "index.html"].map((name) => ({ name, bytes: sizeOf(name) }));
  assert.ok(files.some(({ name }) => name.endsWith(".js")) && files.some(({ name }) => name.endsWith(".css")), JSON.stringify(files));
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  assert.ok(bytes <= FIRST_LOAD_BYTES, `${bytes} bytes: ${JSON.stringify(files)}`);
});

const VIEWS =
  "channels approvals tools skills mcp browser nodes schedule usage models agents devices config audit overview sessions health logs settings trace"
    .split(" ")
    .map((name) => `${name}-view`);

test("the views beside the conversation are not in the first load", () => {
  const chunks = readdirSync(join(PAGE, "assets")).filter((name) => name.endsWith(".js"));
  for (const view of VIEWS) {
    const chunk = chunks.filter((name) => name.startsWith(view));
    assert.equal(chunk.length, 1, `${view} in ${chunks.join(", ")}`);
    assert.equal(named().includes(`assets/${chunk[0]}`), false);
  }
});
