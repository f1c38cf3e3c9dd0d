import { existsSync } from "node:fs";
import { cp, mkdir, readFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { fieldsOf, tryParseJson } from "../core/json.ts";
import { versionIn, type Install } from "./install.ts";
import { UPDATE_LIMITS } from "./limits.ts";
import type { Release, ReleaseDeps, ReleaseSource, StagedRelease } from "./release-source.ts";
import { isVersion } from "./versions.ts";

type NpmInstall = Extract<Install, { kind: "npm-global" | "npm-local" }>;

const QUIET = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"] as const;
const TAG = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const DIST_TAGS = { stable: "latest", beta: "beta" } as const;

/** Installations by npm: the registry that npm is configured for says what is new. */
export function npmReleases(install: NpmInstall, { env, run, signal }: ReleaseDeps): ReleaseSource {
  const { root, name } = install;
  const cwd = install.kind === "npm-local" ? install.project : dirname(root);
  const npm = (args: readonly string[], at: string, timeoutMs: number): Promise<string> =>
    run("npm", args, { cwd: at, env, timeoutMs, signal });
  const stagingDir = install.kind === "npm-local" ? join(install.project, ".openclaw-update") : join(dirname(root), `.${name}-update`);
  return {
    stagingDir,
    async find({ channel, tag }) {
      if (tag !== undefined && isPackageFile(tag) && install.kind === "npm-local")
        throw new GatewayError("INVALID_REQUEST", "a package file can be installed globally only", {
          fix: "Name a version or a dist-tag: package.json would refer to the file by a path.",
        });
      if (tag !== undefined && isPackageFile(tag)) return { version: null, sha: null, spec: tag, commitsBehind: null, isCurrent: false };
      if (tag === undefined && channel === "dev")
        throw new GatewayError("INVALID_REQUEST", "the channel dev is for clones", {
          fix: "Choose --channel stable or beta, or run a clone of the repository: docs/updates.md.",
        });
      const wanted = tag ?? DIST_TAGS[channel as keyof typeof DIST_TAGS];
      if (!TAG.test(wanted)) throw new GatewayError("INVALID_REQUEST", `"${wanted.slice(0, 100)}" is not a dist-tag or a version`);
      const version = versionFrom(await npm(["view", `${name}@${wanted}`, "version", "--json"], cwd, UPDATE_LIMITS.askMs));
      if (version === null)
        throw new GatewayError("UNAVAILABLE", `the registry has no ${name}@${wanted}`, {
          fix: `npm view ${name} dist-tags shows what there is.`,
        });
      return { version, sha: null, spec: `${name}@${version}`, commitsBehind: null, isCurrent: version === install.version };
    },
    stage: (release, dir) =>
      install.kind === "npm-local" ? stageProject(install, release, dir, npm) : stageGlobal(install, release, dir, npm),
    cleanUp: async () => {},
  };
}

type Npm = (args: readonly string[], cwd: string, timeoutMs: number) => Promise<string>;

/** A file that `npm pack` has written. */
const isPackageFile = (tag: string): boolean => isAbsolute(tag) && /\.(?:tgz|tar\.gz)$/.test(tag) && existsSync(tag);

/** npm answers with a text, or with a list when several versions match. */
function versionFrom(output: string): string | null {
  const answer = tryParseJson(output.trim());
  const version = Array.isArray(answer) ? answer.at(-1) : answer;
  return typeof version === "string" && isVersion(version) ? version : null;
}

async function stageGlobal(install: NpmInstall, { spec }: Release, dir: string, npm: Npm): Promise<StagedRelease> {
  const prefix = join(dir, "new");
  await mkdir(prefix, { recursive: true });
  await npm(["install", "--global", "--prefix", prefix, ...QUIET, spec], dir, UPDATE_LIMITS.stepMs);
  const staged = [join(prefix, "lib", "node_modules", install.name), join(prefix, "node_modules", install.name)].find((path) =>
    existsSync(path),
  );
  return stagedAt(staged, spec, [{ place: install.root, staged: staged ?? "" }]);
}

/** The project is installed a second time, with the new version, and then takes over its dependencies as a whole. */
async function stageProject(
  install: Extract<Install, { kind: "npm-local" }>,
  { spec }: Release,
  dir: string,
  npm: Npm,
): Promise<StagedRelease> {
  const copy = join(dir, "new");
  await mkdir(copy, { recursive: true });
  await refuseRelativeDependencies(install.project, install.name);
  const files = ["package.json", "package-lock.json", ".npmrc"].filter((name) => existsSync(join(install.project, name)));
  for (const name of files) await cp(join(install.project, name), join(copy, name));
  await npm(["install", ...QUIET.filter((flag) => flag !== "--omit=dev"), spec], copy, UPDATE_LIMITS.stepMs);
  const changed = ["package.json", "package-lock.json", "node_modules"].filter((name) => existsSync(join(copy, name)));
  return stagedAt(
    join(copy, "node_modules", install.name),
    spec,
    changed.map((name) => ({ place: join(install.project, name), staged: join(copy, name) })),
  );
}

function stagedAt(root: string | undefined, spec: string, replacements: StagedRelease["replacements"]): StagedRelease {
  const version = root === undefined ? null : versionIn(root);
  if (root === undefined || version === null)
    throw new GatewayError("UNAVAILABLE", `npm installed nothing usable for ${spec}`, {
      fix: "Check that the package is that of the gateway.",
    });
  return { root, version, replacements };
}

/** A path that means another directory when the package.json is elsewhere. */
const isRelative = (spec: unknown): boolean => typeof spec === "string" && /^(?:(?:file|link):)?\.{1,2}\//.test(spec);

/** `own`: the package that is replaced. */
async function refuseRelativeDependencies(project: string, own: string): Promise<void> {
  const manifest = fieldsOf(tryParseJson(await readFile(join(project, "package.json"), "utf8")));
  const specs = ["dependencies", "devDependencies", "optionalDependencies"].flatMap((name) =>
    Object.entries(fieldsOf(manifest[name])).flatMap(([of, spec]) => (of === own ? [] : [spec])),
  );
  if (manifest["workspaces"] === undefined && !specs.some(isRelative)) return;
  throw new GatewayError("INVALID_REQUEST", `${project} has workspaces or dependencies in directories beside it`, {
    fix: "Such a project cannot be installed a second time beside itself: update it with npm install, with the gateway stopped.",
  });
}
