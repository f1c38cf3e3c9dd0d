import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The release of OpenClaw whose clients are driven. */
export const RELEASE = "2026.9.6";
/** A release whose clients speak the protocol before. */
export const RELEASE_BEFORE = "2026.4.15";

export type OfficialInstall = { /** The entry file of its command line. */ program: string };

const CACHE = fileURLToPath(new URL("../../.cache/", import.meta.url));

/** OpenClaw from npm, below `.cache/` (about 650 MB), without its install scripts. Installed once for each release. */
export async function installOfficial(directory = process.env["OFFICIAL_OPENCLAW"]): Promise<OfficialInstall> {
  return await install(directory ?? join(CACHE, `official-${RELEASE}`), RELEASE);
}

/** The release before, below `.cache/`. It names a package for WhatsApp on a Git server, which its node host does not use: an empty one takes its place. */
export async function installOfficialBefore(): Promise<OfficialInstall> {
  const home = join(CACHE, `official-${RELEASE_BEFORE}`);
  if (!existsSync(join(home, "package.json"))) {
    mkdirSync(join(home, "absent"), { recursive: true });
    writeFileSync(join(home, "absent", "package.json"), JSON.stringify({ name: "absent", version: "1.0.0" }));
    writeFileSync(join(home, "package.json"), JSON.stringify({ private: true, overrides: { libsignal: "file:./absent" } }));
  }
  return await install(home, RELEASE_BEFORE);
}

async function install(home: string, release: string): Promise<OfficialInstall> {
  const root = join(home, "node_modules", "openclaw");
  const isThere = (): boolean => {
    const manifest = join(root, "package.json");
    return existsSync(manifest) && (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version === release;
  };
  if (!isThere()) {
    console.error(`Installing openclaw ${release} into ${home} (about 650 MB) …`);
    mkdirSync(home, { recursive: true });
    await npm(["install", "--prefix", home, "--no-audit", "--no-fund", "--ignore-scripts", `openclaw@${release}`]);
    if (!isThere()) throw new Error(`npm reported success, but ${root} is not openclaw ${release}`);
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
