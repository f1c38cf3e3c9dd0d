import type { Replacement } from "./exchange.ts";
import type { InstallerRun } from "./run-program.ts";
import type { UpdateChannel } from "./versions.ts";

/** What is installed next. */
export type Release = {
  /** Null: known only when it is staged. */
  readonly version: string | null;
  /** The commit of a clone. */
  readonly sha: string | null;
  /** The argument of npm, or the name of a tag or branch. */
  readonly spec: string;
  /** Commits between the clone and this one; null: not known. */
  readonly commitsBehind: number | null;
  /** It is what is installed. */
  readonly isCurrent: boolean;
};

export type ReleaseWish = {
  readonly channel: UpdateChannel;
  /** A dist-tag, a version, a git tag or the file of a package; takes precedence over the channel. */
  readonly tag: string | undefined;
};

/** A release that is complete beside the running one. */
export type StagedRelease = {
  readonly root: string;
  readonly version: string;
  readonly replacements: readonly Replacement[];
  /** Runs before the replacements, with no gateway running; resolves to what undoes it. */
  readonly prepare?: () => Promise<() => Promise<void>>;
  /** Runs after the replacements. */
  readonly finish?: () => Promise<void>;
};

export type ReleaseDeps = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly run: InstallerRun;
  readonly signal: AbortSignal;
};

/** Where releases of one kind of installation come from. */
export type ReleaseSource = {
  /** Asks the registry or the repository. Throws GatewayError when that cannot be reached, or has no such release. */
  find(wish: ReleaseWish): Promise<Release>;
  /** Where the new version and the runner of the update are put: on the file system of the installation. */
  readonly stagingDir: string;
  stage(release: Release, dir: string): Promise<StagedRelease>;
  /** After the end of the update, before the staging directory is removed. */
  cleanUp(dir: string): Promise<void>;
};
