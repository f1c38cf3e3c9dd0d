import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const DOCUMENTS = globSync(["*.md", "docs/**/*.md", "src/**/README.md"], { cwd: root });
/** Modules and folders that documents name with a path inside of `src/`. */
const MODULES = /^(?:agents|auth|channels|cli|client|config|core|gateway|methods|observe|protocol|routing|server|store|tools|turns)\//;

/** Paths of source files and folders in code spans; a placeholder such as `<id>` or `NNNN` makes a span an example. */
function namedPaths(text: string): string[] {
  return [...text.matchAll(/`([\w./-]+)`/g)]
    .map(([, span]) => span!)
    .filter(
      (span) => /^(?:src|test|scripts|docs|web|schema|toolchain)\/[\w./-]+$/.test(span) || (MODULES.test(span) && span.endsWith(".ts")),
    )
    .filter((span) => !span.includes("NNNN"));
}

for (const document of DOCUMENTS) {
  const text = readFileSync(join(root, document), "utf8");
  test(`every source path in ${document} exists`, () => {
    const missing = namedPaths(text).filter((path) => !existsSync(join(root, path)) && !existsSync(join(root, "src", path)));
    assert.deepEqual(missing, []);
  });
  test(`every link of ${document} to a file leads to one, and to an existing heading`, () => {
    const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !leadsSomewhere(document, target));
    assert.deepEqual(broken, []);
  });
}

function leadsSomewhere(document: string, target: string): boolean {
  if (/^[a-z]+:/.test(target)) return true;
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? join(root, document) : join(root, dirname(document), path);
  if (!existsSync(file)) return false;
  return anchor === undefined || headings(readFileSync(file, "utf8")).includes(anchor);
}

/** Anchors as GitHub derives them from headings. */
const headings = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
