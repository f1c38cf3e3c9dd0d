import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { GatewayError } from "./errors.ts";

/** Below this path the gateway serves the Control UI of OpenClaw, where it is configured. */
export const OFFICIAL_PATH = "/official";

/** Where the built files may be below `gateway.controlUi.root`: the directory itself, an installed package, or a directory it is installed in. */
const PLACES = [[], ["dist", "control-ui"], ["node_modules", "openclaw", "dist", "control-ui"]] as const;

/**
 * The directory of the built Control UI of OpenClaw, without links in its path. Throws NOT_FOUND, which names the place that has no
 * `index.html`.
 */
export function findControlUi(root: string): string {
  const dir = PLACES.map((parts) => join(root, ...parts)).find((place) => existsSync(join(place, "index.html")));
  if (dir !== undefined) return realpathSync(dir);
  throw new GatewayError("NOT_FOUND", `${root} has no index.html, and no installed package openclaw with dist/control-ui/index.html`, {
    fix: "set gateway.controlUi.root to a directory in which openclaw is installed (npm install --prefix DIR --ignore-scripts openclaw), or to its dist/control-ui.",
  });
}
