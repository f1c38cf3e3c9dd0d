import type { Install } from "./install.ts";
import type { ReleaseDeps, ReleaseSource } from "./release-source.ts";

/** The one for an installation; null where none can replace it. */
export async function releaseSourceFor(install: Install, deps: ReleaseDeps): Promise<ReleaseSource | null> {
  if (install.kind === "git") return new (await import("./git-releases.ts")).GitReleases(install, deps);
  if (install.kind === "npm-global" || install.kind === "npm-local") return (await import("./npm-releases.ts")).npmReleases(install, deps);
  return null;
}
