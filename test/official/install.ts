import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The release of OpenClaw whose clients are driven. */
export const RELEASE = "2026.9.6";

export type OfficialInstall = { /** The entry file of its command line. */ program: string };

const CACHE = fileURLToPath(new URL("../../.cache/", import.meta.url));

/** OpenClaw from npm, below `.cache/` (about 650 MB), without its install scripts. Installed once for each release. */
export async function installOfficial(directory = process.env["OFFICIAL_OPENCLAW"]): Promise<OfficialInstall> {
  const home = directory ?? join(CACHE, `official-${RELEASE}`);
  const root = join(home, "node_modules", "openclaw");
  const isThere = (): boolean => {
    const manifest = join(root, "package.json");
    return existsSync(manifest) && (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version === RELEASE;
  };
  if (!isThere()) {
    console.error(`Installing openclaw ${RELEASE} into ${home} (about 650 MB) …`);
    mkdirSync(home, { recursive: true });
    await npm(["install", "--prefix", home, "--no-audit", "--no-fund", "--ignore-scripts", `openclaw@${RELEASE}`]);
    if (!isThere()) throw new Error(`npm reported success, but ${root} is not openclaw ${RELEASE}`);
  }
  return { program: join(root, "openclaw.mjs") };
}

function npm(args: readonly string[]): Promise<void> {
  const path = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
  return new Promise((resolve, reject) => {
    const child = spawn("npm", args, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, PATH: path } });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`npm ended with code ${code}`))));
  });
}
