import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const src = fileURLToPath(new URL("../../src/", import.meta.url));

/** The marked points of the source, read from it, so that a point that is added cannot be forgotten here. */
function allCrashPoints(): readonly string[] {
  const files = globSync("**/*.ts", { cwd: src, exclude: (name) => name === "gen" }).filter((name) => !name.endsWith(".test.ts"));
  const found = files.flatMap((name) =>
    [...readFileSync(src + name, "utf8").matchAll(/\bcrashPoint\("([a-z-]+)"\)/g)].map((match) => match[1]!),
  );
  return [...new Set(found)].toSorted();
}

/** Points of links between gateways: two linked gateways die at them, in peer-campaign.ts. */
const isOfLinks = (point: string): boolean => point.startsWith("peer-");

export const findPeerCrashPoints = (): readonly string[] => allCrashPoints().filter(isOfLinks);

/** Only with rules about what is kept: test/wire/retention.test.ts dies there. */
const isOfRetention = (point: string): boolean => point.startsWith("retention-");

/** The points that one gateway alone comes to. */
export const findCrashPoints = (): readonly string[] => allCrashPoints().filter((point) => !isOfLinks(point) && !isOfRetention(point));
