import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { silentLog } from "../../src/core/log.ts";
import type { SandboxProbe } from "../../src/tools/sandbox.ts";
import { Containers } from "../../src/tools/sandbox/containers/containers.ts";
import type { ContainerSettings } from "../../src/tools/sandbox/containers/settings.ts";

/** Has no files: the programs of this machine are bound into its containers. */
export const TEST_IMAGE = "openclaw-sandbox-test:empty";

/** Directories of an image, and the links by which /usr serves for all programs. */
const DIRECTORIES = ["dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "var/tmp"];
const LINKS = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/** Settings of containers that have the programs of this machine. */
export const testSettings = (more: Partial<ContainerSettings> = {}): ContainerSettings => ({
  engine: "podman",
  scope: "agent",
  image: TEST_IMAGE,
  containerPrefix: "openclaw-test-",
  readOnlyRoot: true,
  tmpfs: ["/tmp", "/var/tmp", "/run"],
  env: {},
  setupCommand: undefined,
  pidsLimit: 1_024,
  memory: "4g",
  memorySwap: undefined,
  cpus: undefined,
  binds: ["/usr:/usr:ro"],
  prune: { idleHours: 24, maxAgeDays: 7 },
  ...more,
});

/** Why there can be no containers of podman here, or false; makes the image that tests use. */
export function findContainerObstacle(): string | false {
  if (process.platform !== "linux") return "containers need Linux";
  if (spawnSync("podman", ["--version"]).error !== undefined) return "podman is not installed: npm run setup:tests";
  importImage();
  // What the gateway needs of an engine at the least. The limits of processes are lower than what a container asks for by itself.
  const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
  const args = ["run", "--rm", "--network", "none", "--volume", "/usr:/usr:ro", ...limits, TEST_IMAGE, "true"];
  const { status, stderr } = spawnSync("podman", args, { encoding: "utf8" });
  return status !== 0 && `podman cannot run a container here: ${stderr.trim()}`;
}

function importImage(): void {
  if (spawnSync("podman", ["image", "exists", TEST_IMAGE]).status === 0) return;
  const root = mkdtempSync(join(tmpdir(), "openclaw-image-"));
  try {
    for (const each of DIRECTORIES) mkdirSync(join(root, each), { recursive: true });
    for (const each of LINKS) if (isLink(`/${each}`)) symlinkSync(`usr/${each}`, join(root, each));
    const archive = spawnSync("tar", ["-C", root, "-c", "."], { maxBuffer: 1 << 26 });
    spawnSync("podman", ["import", "-", TEST_IMAGE], { input: archive.stdout });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function isLink(path: string): boolean {
  try {
    return readlinkSync(path) !== "";
  } catch {
    return false;
  }
}

/** Containers of one test, which are removed when it ends. */
export function testContainers(directory: string, log = silentLog): Containers {
  return new Containers({ engine: "podman", hidden: [], directory, stateId: basename(directory), log });
}

/** The sandbox of the escape tests. */
export async function probeContainers(containers: Containers): Promise<SandboxProbe> {
  const settings = testSettings();
  const probe = await containers.probe(settings);
  if (probe.sandboxFor === null) return { sandbox: null, reason: probe.reason, fix: probe.fix };
  return { sandbox: probe.sandboxFor(settings, { agentId: "main", sessionKey: "agent:main:main" }) };
}
