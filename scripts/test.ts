// Runs all tests: installs the servers that some of them need, generates and builds what they use, then `node --test`.
//   npm test [-- FILE...]   with files, only those, and nothing is installed
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, globSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

type RequiredServer = {
  program: string;
  dirs: readonly string[];
  skips: string;
  /** When it is not named like the program. */ package?: string;
};

/** Programs of Debian that tests drive, a font that they show, and what is skipped without them. */
const REQUIRED_SERVERS: readonly RequiredServer[] = [
  { program: "ngircd", dirs: ["/usr/sbin"], skips: "the tests against a real IRC server" },
  { program: "chromium", dirs: ["/usr/bin"], skips: "the tests of the page in a browser" },
  {
    program: "DejaVuSans.ttf",
    package: "fonts-dejavu-core",
    dirs: ["/usr/share/fonts/truetype/dejavu"],
    skips: "the comparison of screenshots of the page",
  },
];

function isInstalled({ program, dirs }: Pick<RequiredServer, "program" | "dirs">, mode = constants.X_OK): boolean {
  return [...(process.env["PATH"] ?? "").split(delimiter), ...dirs].some((dir) => {
    try {
      accessSync(join(dir, program), mode);
      return true;
    } catch (err) {
      const { code } = err as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "EACCES" || code === "ENOTDIR") return false;
      throw err;
    }
  });
}

/** apt-get as root, or through sudo without a password; null where there is neither. */
function aptGet(): readonly string[] | null {
  if (!isInstalled({ program: "apt-get", dirs: ["/usr/bin"] })) return null;
  if (process.getuid?.() === 0) return ["apt-get"];
  return spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0 ? ["sudo", "-n", "apt-get"] : null;
}

function run([program, ...args]: readonly string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status, stdout, stderr } = spawnSync(program!, args, { env, encoding: "utf8" });
  if (status !== 0) console.error(`${[program, ...args].join(" ")} ended with code ${status}:\n${`${stdout}${stderr}`.slice(-1_000)}`);
  return status === 0;
}

const fileExists = (one: RequiredServer): boolean => isInstalled(one, one.package === undefined ? constants.X_OK : constants.R_OK);

function installServers(): void {
  const missing = REQUIRED_SERVERS.filter((one) => !fileExists(one));
  if (missing.length === 0) return;
  const apt = aptGet();
  const names = missing.map((one) => one.package ?? one.program);
  if (apt) {
    console.error(`Installing ${names.join(" and ")} from Debian …`);
    if (run([...apt, "update", "-q"])) run([...apt, "install", "-y", "-q", "--no-install-recommends", ...names]);
  }
  for (const one of missing) {
    if (!fileExists(one))
      console.error(`Skipped: ${one.skips}, because ${one.program} is not installed${apt ? "" : " and there is no apt-get here"}.`);
  }
}

/** Runs a Node program with this terminal's streams; resolves to its exit code. */
function runNode(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

const testArguments = process.argv.slice(2);
if (testArguments.length === 0) installServers();
const built = await runNode([join(root, "scripts/build.ts"), "--quiet"]);
if (built === 0) {
  const files =
    testArguments.length > 0
      ? testArguments
      : globSync(["src/**/*.test.ts", "test/**/*.test.ts", "web/{src,test}/**/*.test.ts", "web/*.test.ts"], { cwd: root }).toSorted();
  process.exitCode = await runNode(["--test", "--test-concurrency=2", "--test-timeout=600000", ...files]);
} else {
  process.exitCode = built;
}
