import { accessSync, closeSync, constants, openSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { isAbsent, readAtMostSync } from "../../core/files.ts";

export type FoundBrowser = { path: string } | { problem: string; fix: string };

/** Names of Chromium and its kin, the first one that is installed is used. */
const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "microsoft-edge-stable", "microsoft-edge"];
const MAC_PATHS = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
];
const INSTALL = "Install Chromium or Google Chrome (Debian: sudo apt install chromium), or set browser.executablePath.";
const SNAP_PROBLEM = "is from snap, which keeps it from the files of the gateway";
/** A script that starts another program is not longer. */
const SCRIPT_BYTES = 4_096;

/** The browser of this machine: the configured one, or the first of the usual ones. */
export function findBrowser(configured: string | undefined, searchPath: string | undefined): FoundBrowser {
  if (configured !== undefined) {
    if (!isExecutable(configured))
      return { problem: `browser.executablePath names ${configured}, which cannot be run`, fix: "Correct or remove the setting." };
    return isSnap(configured)
      ? { problem: `${configured} ${SNAP_PROBLEM}`, fix: "Name a browser from another source." }
      : { path: configured };
  }
  const paths = (searchPath || "/usr/local/bin:/usr/bin:/bin").split(delimiter).filter((each) => each !== "");
  const candidates = [...NAMES.flatMap((name) => paths.map((path) => join(path, name))), ...MAC_PATHS].filter(isExecutable);
  const path = candidates.find((each) => !isSnap(each));
  if (path !== undefined) return { path };
  const [snap] = candidates;
  return snap === undefined
    ? { problem: "no browser was found on this machine", fix: INSTALL }
    : { problem: `${snap} ${SNAP_PROBLEM}`, fix: `${INSTALL} It must not be from snap.` };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Whatever the reason is, it cannot be started.
    return false;
  }
}

/** Whether a program is, or starts, one of snap. */
function isSnap(path: string): boolean {
  try {
    const real = realpathSync(path);
    if (real.startsWith("/snap/") || real === "/usr/bin/snap") return true;
    const descriptor = openSync(real, "r");
    try {
      const head = readAtMostSync(descriptor, SCRIPT_BYTES).toString("latin1");
      return head.startsWith("#!") && head.includes("/snap/bin/");
    } finally {
      closeSync(descriptor);
    }
  } catch (err) {
    if (isAbsent(err)) return false;
    // A program that may be run but not read.
    return false;
  }
}
