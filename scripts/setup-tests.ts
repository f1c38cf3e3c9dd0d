// Installs the system packages that some tests need. Debian and its relatives only; elsewhere it says which tests are skipped.
//   npm run setup:tests
import { spawnSync } from "node:child_process";
import { accessSync, constants, globSync, mkdirSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";

type RequiredServer = {
  program: string;
  dirs: readonly string[];
  skips: string;
  /** When it is not named like the program. */ package?: string;
};

/** Programs of Debian that tests drive, a font that they show, and what is skipped without them. */
const REQUIRED_SERVERS: readonly RequiredServer[] = [
  { program: "ngircd", dirs: ["/usr/sbin"], skips: "the tests against a real IRC server" },
  { program: "bwrap", package: "bubblewrap", dirs: ["/usr/bin"], skips: "the tests of the sandbox for commands" },
  { program: "podman", dirs: ["/usr/bin"], skips: "the tests of containers for commands" },
  // crun, the other one, needs control groups of version 2 only.
  { program: "runc", dirs: ["/usr/bin", "/usr/sbin"], skips: "the tests of containers for commands" },
  { program: "sshd", package: "openssh-server", dirs: ["/usr/sbin"], skips: "the tests of tunnels over a real sshd" },
  { program: "avahi-daemon", dirs: ["/usr/sbin"], skips: "the tests of discovery against a real avahi-daemon" },
  { program: "named-checkzone", package: "bind9-utils", dirs: ["/usr/bin", "/usr/sbin"], skips: "the test of the zone file against BIND" },
  { program: "avahi-browse", package: "avahi-utils", dirs: ["/usr/bin"], skips: "the tests of discovery against a real avahi-daemon" },
  { program: "tmux", dirs: ["/usr/bin"], skips: "the tests of the terminal interface" },
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

function run([program, ...args]: readonly string[], cwd?: string): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status, stdout, stderr } = spawnSync(program!, args, { env, encoding: "utf8", ...(cwd && { cwd }) });
  if (status !== 0) console.error(`${[program, ...args].join(" ")} ended with code ${status}:\n${`${stdout}${stderr}`.slice(-1_000)}`);
  return status === 0;
}

const fileExists = (one: RequiredServer): boolean => isInstalled(one, one.package === undefined ? constants.X_OK : constants.R_OK);

/** Installs what is missing; says what is skipped without it. */
function installServers(): void {
  const missing = REQUIRED_SERVERS.filter((one) => !fileExists(one));
  if (missing.length === 0) return;
  const apt = aptGet();
  const names = missing.map((one) => one.package ?? one.program);
  if (apt) {
    console.error(`Installing ${names.join(", ")} from Debian: some tests need them. Later runs skip this step.`);
    if (run([...apt, "update", "-q"])) run([...apt, "install", "-y", "-q", "--no-install-recommends", ...names]);
  }
  for (const one of missing) {
    if (fileExists(one)) continue;
    const why = apt ? "" : ", and neither root nor sudo without a password can install it with apt-get";
    console.error(`Skipped: ${one.skips}. ${one.program} is not installed${why}.`);
  }
}

/** The page tests need half of the CPU with it. Older releases of Debian do not have it. */
const HEADLESS_SHELL = { program: "chromium-headless-shell", dirs: ["/usr/bin"] } as const;

/** After Chromium, with which it shares files and whose version it has to have. */
function installHeadlessShell(): void {
  if (isInstalled(HEADLESS_SHELL) || !isInstalled({ program: "chromium", dirs: ["/usr/bin"] })) return;
  const apt = aptGet();
  const install = ["install", "-y", "-q", "--no-install-recommends", HEADLESS_SHELL.program];
  if (apt) {
    console.error("Installing chromium-headless-shell from Debian: the tests of the page take half as long with it.");
    if (run([...apt, "update", "-q"]) && run([...apt, ...install])) return;
  }
  console.error("chromium-headless-shell is not installed: the tests of the page run in chromium, and take longer.");
}

/** Where Prometheus is unpacked: an installation would start its server. */
const PROMETHEUS = join(import.meta.dirname, "..", ".cache", "prometheus");

/** promtool and Prometheus from Debian's package, beside the checkout; needs no root. */
function unpackPrometheus(): void {
  const skips = "the tests with Prometheus";
  if (isInstalled({ program: "promtool", dirs: [join(PROMETHEUS, "usr/bin")] })) return;
  if (!isInstalled({ program: "apt-get", dirs: ["/usr/bin"] }) || !isInstalled({ program: "dpkg-deb", dirs: ["/usr/bin"] }))
    return console.error(`Skipped: ${skips}. promtool is not installed, and there is no apt-get that could fetch it.`);
  mkdirSync(PROMETHEUS, { recursive: true });
  console.error("Unpacking Debian's prometheus (19 MB) below .cache: some tests need promtool. Later runs skip this step.");
  const isFetched = run(["apt-get", "download", "-q", "prometheus"], PROMETHEUS);
  const [file] = isFetched ? globSync("prometheus_*.deb", { cwd: PROMETHEUS }) : [];
  if (file === undefined || !run(["dpkg-deb", "-x", join(PROMETHEUS, file), PROMETHEUS])) return console.error(`Skipped: ${skips}.`);
  rmSync(join(PROMETHEUS, file));
}

installServers();
installHeadlessShell();
unpackPrometheus();
