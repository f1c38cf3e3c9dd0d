import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { versionIn, type Install } from "./install.ts";
import { UPDATE_LIMITS } from "./limits.ts";
import type { Release, ReleaseDeps, ReleaseSource, ReleaseWish, StagedRelease } from "./release-source.ts";
import { newestTag } from "./versions.ts";

const REF = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$/;
/** What a build makes beside the sources. */
const BUILT = ["dist", "node_modules", "web/node_modules"] as const;

type GitInstall = Extract<Install, { kind: "git" }>;

/** Clones: the remote repository says what is new; a release is built in a worktree beside. */
export class GitReleases implements ReleaseSource {
  readonly stagingDir: string;
  readonly #root: string;
  readonly #deps: ReleaseDeps;

  constructor({ root }: GitInstall, deps: ReleaseDeps) {
    this.#root = root;
    this.#deps = deps;
    this.stagingDir = join(root, ".cache", "update");
  }

  async find(wish: ReleaseWish): Promise<Release> {
    const ref = await this.#findRef(wish);
    // A tag with a note is an object of its own; ^{} is the commit.
    const lines = (await this.#git(["ls-remote", "origin", ref, `${ref}^{}`])).split("\n").filter(Boolean);
    const sha = lines.at(-1)?.split(/\s/)[0];
    if (sha === undefined)
      throw new GatewayError("UNAVAILABLE", `the remote repository has no ${ref}`, { fix: "git ls-remote --tags origin lists its tags." });
    const spec = ref.replace(/^refs\/(?:tags|heads)\//, "");
    const version = ref.startsWith("refs/tags/") ? spec.replace(/^v/, "") : null;
    const isKnown = (await this.#tryGit(["cat-file", "-e", `${sha}^{commit}`])) !== null;
    const behind = isKnown ? await this.#tryGit(["rev-list", "--count", `HEAD..${sha}`]) : null;
    const isCurrent = (await this.#git(["rev-parse", "HEAD"])) === sha;
    return { version, sha, spec, commitsBehind: behind === null ? null : Number(behind), isCurrent };
  }

  async stage({ sha, spec, version: tagged }: Release, dir: string): Promise<StagedRelease> {
    const root = this.#root;
    const { env, run, signal } = this.#deps;
    const timeoutMs = UPDATE_LIMITS.stepMs;
    await this.#refuseChanges();
    const ref = tagged === null ? `refs/heads/${spec}` : `+refs/tags/${spec}:refs/tags/${spec}`;
    await this.#git(["fetch", "--quiet", "--no-tags", "origin", ref], timeoutMs);
    const tree = join(dir, "new");
    await this.#git(["worktree", "prune"]);
    await this.#git(["worktree", "add", "--quiet", "--force", "--detach", tree, sha!], timeoutMs);
    // Builds with the means of the new version: it may need others than this one.
    await run(process.execPath, [join(tree, "scripts", "bootstrap.js"), "build"], { cwd: tree, env, timeoutMs, signal });
    const version = versionIn(tree);
    if (version === null)
      throw new GatewayError("UNAVAILABLE", `${spec} has no package.json`, { fix: "Choose another release with --tag." });
    const replacements = BUILT.filter((name) => existsSync(join(tree, name))).map((name) => ({
      place: join(root, name),
      staged: join(tree, name),
    }));
    return { root: tree, version, replacements, prepare: () => this.#checkOut(sha!), finish: () => markBuilt(root) };
  }

  async cleanUp(dir: string): Promise<void> {
    const tree = join(dir, "new");
    if (existsSync(tree)) await this.#tryGit(["worktree", "remove", "--force", tree]);
    await rm(tree, { recursive: true, force: true });
    await this.#tryGit(["worktree", "prune"]);
  }

  async #git(args: readonly string[], timeoutMs: number = UPDATE_LIMITS.askMs): Promise<string> {
    const { env, run, signal } = this.#deps;
    return (await run("git", args, { cwd: this.#root, env, timeoutMs, signal })).trim();
  }

  #tryGit(args: readonly string[]): Promise<string | null> {
    return this.#git(args).catch(() => null);
  }

  /** Once the gateway is stopped, nothing interrupts it. */
  async #switchGit(args: readonly string[]): Promise<void> {
    const { env, run } = this.#deps;
    await run("git", args, { cwd: this.#root, env, timeoutMs: UPDATE_LIMITS.stepMs, signal: new AbortController().signal });
  }

  /** A branch moves forward only; for any other commit the clone leaves its branch, which stays as it is. */
  async #checkOut(sha: string): Promise<() => Promise<void>> {
    const before = await this.#git(["rev-parse", "HEAD"]);
    const branch = await this.#tryGit(["symbolic-ref", "--quiet", "--short", "HEAD"]);
    const isAhead = (await this.#tryGit(["merge-base", "--is-ancestor", before, sha])) !== null;
    if (branch !== null && isAhead) {
      await this.#switchGit(["reset", "--quiet", "--keep", sha]);
      return () => this.#switchGit(["reset", "--quiet", "--keep", before]);
    }
    await this.#switchGit(["checkout", "--quiet", "--detach", sha]);
    return () => this.#switchGit(["checkout", "--quiet", branch ?? before]);
  }

  async #findRef({ channel, tag }: ReleaseWish): Promise<string> {
    if (tag !== undefined) {
      if (!REF.test(tag) || tag.includes(".."))
        throw new GatewayError("INVALID_REQUEST", `"${tag.slice(0, 100)}" is not a tag`, {
          fix: "Name a tag of the repository, such as v1.2.3: git ls-remote --tags origin",
        });
      return `refs/tags/${tag}`;
    }
    if (channel === "dev") return `refs/heads/${await this.#developmentBranch()}`;
    const listed = await this.#git(["ls-remote", "--tags", "--refs", "origin"]);
    const newest = newestTag(
      listed.split("\n").map((line) => line.split("refs/tags/")[1] ?? ""),
      channel,
    );
    if (newest !== null) return `refs/tags/${newest}`;
    throw new GatewayError("UNAVAILABLE", `the remote repository has no ${channel === "beta" ? "" : "final "}release`, {
      fix: "openclaw update --channel dev follows its branch.",
    });
  }

  /** The branch that the clone follows, or the one that the remote shows first. */
  async #developmentBranch(): Promise<string> {
    const upstream = await this.#tryGit(["rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}"]);
    if (upstream?.startsWith("origin/")) return upstream.slice("origin/".length);
    const head = /^ref: refs\/heads\/(\S+)\s+HEAD$/m.exec(await this.#git(["ls-remote", "--symref", "origin", "HEAD"]));
    if (head) return head[1]!;
    throw new GatewayError("UNAVAILABLE", "the remote repository does not say which branch is its own", {
      fix: "Name a tag with --tag, or let the branch follow one: git branch --set-upstream-to=origin/main.",
    });
  }

  async #refuseChanges(): Promise<void> {
    const changes = (await this.#git(["status", "--porcelain", "--untracked-files=no"])).split("\n").filter(Boolean);
    if (changes.length === 0) return;
    const count = changes.length === 1 ? "a change" : `${changes.length} changes`;
    throw new GatewayError("CONFLICT", `the clone ${this.#root} has ${count} of its own`, {
      fix: "Commit or stash them first: git status shows them.",
    });
  }
}

/** ./openclaw builds again what looks newer than its build: the files of a checkout are as old as the checkout. */
export async function markBuilt(root: string): Promise<void> {
  const cache = join(root, ".cache");
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const ready = join(cache, "ready");
  const node = existsSync(ready) ? (await readFile(ready, "utf8")).split("\n", 1)[0] : "";
  await writeFile(join(cache, "dependencies"), "");
  await writeFile(ready, `${node || process.execPath}\n`);
}
