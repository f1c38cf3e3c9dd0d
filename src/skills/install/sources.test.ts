// Group: wire
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { skillText, temporaryDirectory, writeFiles } from "../../../test/fakes/skill-folders.ts";
import { fetchContent, parseOrigin, type FetchOptions, type SkillOrigin } from "./sources.ts";

const originOf = (text: string, folder = ""): SkillOrigin => parseOrigin(text, folder, "/")!;

/** A home directory of its own: no settings of the person who runs the tests. */
function fetchOptions(t: TestContext, env: Record<string, string> = {}): FetchOptions {
  const home = temporaryDirectory(t);
  return { env: { PATH: process.env["PATH"], HOME: home, ...env }, signal: new AbortController().signal };
}

async function contentOf(origin: SkillOrigin, options: FetchOptions): Promise<string[]> {
  const files = await fetchContent(origin, options);
  return files.map(({ path, bytes, isExecutable }) => `${path}${isExecutable ? "*" : ""} ${bytes.length}`);
}

/** A repository with two commits of a skill; the ids of both. */
function makeRepository(t: TestContext): { url: string; commits: string[] } {
  const directory = temporaryDirectory(t);
  const git = (...args: string[]): string =>
    execFileSync("git", ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main", ...args], {
      cwd: directory,
      encoding: "utf8",
    });
  git("init", "--quiet");
  const commit = (text: string): string => {
    writeFiles(directory, { "skills/weather/SKILL.md": skillText("weather", "", text), "README.md": "x" });
    git("add", "-A");
    git("commit", "--quiet", "-m", "x");
    return git("rev-parse", "HEAD").trim();
  };
  return { url: directory, commits: [commit("one"), commit("three")] };
}

test("a commit of a repository is fetched, and nothing but its files", async (t) => {
  const { url, commits } = makeRepository(t);
  const options = fetchOptions(t);
  const sizes = commits.map((_, index) => skillText("weather", "", ["one", "three"][index]!).length);
  for (const [index, commit] of commits.entries())
    assert.deepEqual(await contentOf(originOf(`git:${url}#${commit}`, "skills/weather"), options), [`SKILL.md ${sizes[index]}`]);
  assert.equal((await contentOf(originOf(`git:${url}#${commits[0]}`), options)).length, 2);
});

test("a commit that there is not, and a program as a repository, are refused", async (t) => {
  const { url } = makeRepository(t);
  const options = fetchOptions(t);
  const none = "0123456789".repeat(4);
  await assert.rejects(contentOf(originOf(`git:${url}#${none}`), options), /git failed: .*(not our ref|upload-pack)/);
  const mark = join(options.env["HOME"]!, "ran");
  await assert.rejects(
    contentOf({ kind: "git", origin: `git:ext::sh -c "touch ${mark}"#${none}`, folder: "" }, options),
    /transport 'ext' not allowed/,
  );
  assert.equal(existsSync(mark), false);
});

/** A registry with one package, whose scripts leave a mark when they run. */
async function startRegistry(t: TestContext, mark: string): Promise<string> {
  const directory = temporaryDirectory(t);
  writeFiles(directory, { "package/SKILL.md": skillText("weather"), "package/scripts/run.sh": "echo 1" });
  const scripts = Object.fromEntries(["preinstall", "install", "postinstall", "prepare", "prepack"].map((name) => [name, `touch ${mark}`]));
  writeFileSync(join(directory, "package/package.json"), JSON.stringify({ name: "weather-skill", version: "1.2.0", scripts }));
  execFileSync("tar", ["-czf", "package.tgz", "package"], { cwd: directory });
  const tarball = readFileSync(join(directory, "package.tgz"));
  const server = createServer((request, response) => {
    if (request.url?.endsWith(".tgz")) return void response.end(tarball);
    const { port } = server.address() as AddressInfo;
    const dist = {
      tarball: `http://127.0.0.1:${port}/weather-skill-1.2.0.tgz`,
      integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
    };
    const version = { name: "weather-skill", version: "1.2.0", scripts, dist };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ name: "weather-skill", "dist-tags": { latest: "1.2.0" }, versions: { "1.2.0": version } }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test("a package is fetched from its registry, and none of its scripts runs", async (t) => {
  const mark = join(temporaryDirectory(t), "ran");
  const options = fetchOptions(t, { npm_config_registry: await startRegistry(t, mark) });
  const files = await contentOf(originOf("npm:weather-skill@1.2.0"), options);
  assert.deepEqual(
    files.toSorted().map((file) => file.split(" ")[0]),
    ["SKILL.md", "package.json", "scripts/run.sh"],
  );
  assert.deepEqual(await contentOf(originOf("npm:weather-skill@1.2.0", "scripts"), options), ["run.sh 6"]);
  await assert.rejects(contentOf(originOf("npm:weather-skill@9.9.9"), options), /npm failed: /);
  assert.equal(existsSync(mark), false);
});

test("a directory is read as it is, and a program that is not installed is named", async (t) => {
  const directory = temporaryDirectory(t);
  writeFiles(directory, { "a/SKILL.md": "x", "a/.git/config": "x" });
  symlinkSync(join(directory, "a"), join(directory, "link"));
  const options = fetchOptions(t);
  assert.deepEqual(await contentOf(originOf(join(directory, "link")), options), ["SKILL.md 1"]);
  assert.deepEqual(await contentOf(originOf(directory, "a"), options), ["SKILL.md 1"]);
  const empty = join(directory, "empty");
  mkdirSync(empty);
  await assert.rejects(contentOf(originOf("npm:x@1.0.0"), { ...options, env: { PATH: empty } }), /npm is not installed/);
});
