/** Where releases come from: `stable` are final ones, `beta` also pre-releases, `dev` the branch of development. */
export type UpdateChannel = "stable" | "beta" | "dev";

const VERSION = /^v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/;

/** Whether a text is a version, as Semantic Versioning has it; a `v` may come before it. */
export const isVersion = (text: string): boolean => VERSION.test(text);

/** Negative: `a` is older. By the rules of Semantic Versioning; texts that are no versions are older than all that are. Pure. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [VERSION.exec(a), VERSION.exec(b)];
  if (left === null || right === null) return Number(left !== null) - Number(right !== null);
  for (const part of [1, 2, 3]) {
    const difference = Number(left[part]) - Number(right[part]);
    if (difference !== 0) return difference;
  }
  return comparePreReleases(left[4], right[4]);
}

function comparePreReleases(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  const [left, right] = [a.split("."), b.split(".")];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [one, other] = [left[at], right[at]];
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    const areNumbers = [/^\d+$/.test(one), /^\d+$/.test(other)];
    if (areNumbers[0] && areNumbers[1]) {
      if (Number(one) !== Number(other)) return Number(one) - Number(other);
    } else if (areNumbers[0] !== areNumbers[1]) return areNumbers[0] ? -1 : 1;
    else if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}

/** The newest tag of a repository for a channel; null: none of them is a release. Pure. */
export function newestTag(tags: readonly string[], channel: Exclude<UpdateChannel, "dev">): string | null {
  const releases = tags.filter((tag) => isVersion(tag) && (channel === "beta" || !tag.includes("-")));
  return releases.toSorted(compareVersions).at(-1) ?? null;
}
