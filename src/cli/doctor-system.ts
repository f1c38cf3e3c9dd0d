import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { reasonOf } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import { findingUnless, okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { formatDuration, plural } from "./terminal-text.ts";

const LOW_INODES = 0.05;
const NO_INODES = 0.005;
const CLOCK_TOLERANCE_MS = 120_000;
const WANTED_FILES = 4_096;
const WANTED_MEMORY = 536_870_912;

/** Types of file systems, as statfs(2) has them. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xff534d42: "CIFS",
  0xfe534d42: "SMB2",
  0x65735546: "FUSE",
  0x01021997: "9p",
  0x00c36400: "Ceph",
};
const MEMORY_FILE_SYSTEMS = new Set([0x01021994, 0x858458f6]);
const OVERLAY = 0x794c7630;
const SYNCED =
  /(?:^|\/)(?:Dropbox|OneDrive[^/]*|Google Drive|GoogleDrive|iCloud Drive|Mobile Documents|Nextcloud|pCloud[^/]*|Syncthing)(?:\/|$)/i;

/** The machine below the gateway: disk, clock, names, limits. Nothing leaves the machine. */
export function checkSystem(invocation: Invocation): DoctorFinding[] {
  const { state, gateway } = pathsOf(invocation);
  let existing = state;
  while (!existsSync(existing)) existing = dirname(existing);
  return [
    checkInodes(existing),
    ...checkFileSystem(existing, state),
    checkClock(gateway, invocation.host.now()),
    checkTimeSync(),
    checkNames(),
    checkOpenFiles(),
    checkMemory(),
    checkTemporary(),
  ].flat();
}

function checkInodes(path: string): DoctorFinding[] {
  const { files, ffree } = statfsSync(path);
  // Some file systems have no fixed number.
  if (files === 0) return [];
  const free = ffree / files;
  return [
    findingUnless(free >= LOW_INODES, "inodes", `${Math.round(free * 100)} % of the inodes are free`, {
      severity: free >= NO_INODES ? "warning" : "problem",
      title: `only ${ffree} inodes are free on the disk of ${path}`,
      why: "a disk without free inodes takes no new file, although it has space.",
      fix: "df -i shows the disk; remove directories with many small files.",
    }),
  ];
}

function checkFileSystem(existing: string, state: string): DoctorFinding[] {
  const type = Number(statfsSync(existing).type) >>> 0;
  const network = NETWORK_FILE_SYSTEMS[type];
  const inContainer = existsSync("/.dockerenv") || existsSync("/run/.containerenv");
  return [
    findingUnless(network === undefined, "state-file-system", "the state directory is on a local disk", {
      severity: "warning",
      title: `the state directory is on ${network ?? "the network"}`,
      why: "SQLite needs locks and syncs that such file systems often do not keep: the store can be damaged.",
      fix: "move it to a local disk (OPENCLAW_STATE_DIR), and back it up to the network: openclaw backup schedule, backup.dir.",
    }),
    findingUnless(
      !MEMORY_FILE_SYSTEMS.has(type) && !(type === OVERLAY && inContainer),
      "state-persistent",
      "the state directory outlives a restart",
      {
        severity: type === OVERLAY ? "problem" : "warning",
        title: type === OVERLAY ? "the state directory is inside of the container" : "the state directory is in memory",
        why: type === OVERLAY ? "it is lost when the container is replaced." : "it is lost when the machine restarts.",
        fix: type === OVERLAY ? "mount a volume there: docs/containers.md." : "set OPENCLAW_STATE_DIR to a directory on a disk.",
      },
    ),
    findingUnless(!SYNCED.test(state), "synced-directory", "no program synchronizes the state directory", {
      severity: "warning",
      title: `${state} is in a directory that another program synchronizes`,
      why: "it copies the store while it is written, and may bring back an older one.",
      fix: "set OPENCLAW_STATE_DIR to a directory outside of it.",
    }),
  ];
}

/** Files of the gateway from the future: the clock was set back, or is wrong now. */
function checkClock(gateway: string, now: number): DoctorFinding {
  const newest = ["owner.json", "store-ledger.json", "gateway.db", "logs/gateway.log"]
    .map((name) => statSync(join(gateway, name), { throwIfNoEntry: false })?.mtimeMs ?? 0)
    .reduce((latest, each) => Math.max(latest, each), 0);
  const ahead = newest - now;
  return findingUnless(ahead <= CLOCK_TOLERANCE_MS, "clock", "the clock is not behind the gateway's files", {
    severity: "warning",
    title: `the clock of this machine is at least ${formatDuration(ahead)} behind`,
    why: "files of the gateway are from the future: jobs run at the wrong time, and certificates and tokens do not hold.",
    fix: "timedatectl set-ntp true, or set the clock; openclaw doctor --deep compares it with a server.",
  });
}

function checkTimeSync(): DoctorFinding[] {
  if (!existsSync("/run/systemd/timesync")) return [];
  return [
    findingUnless(existsSync("/run/systemd/timesync/synchronized"), "clock-sync", "the clock is synchronized", {
      severity: "warning",
      title: "the clock of this machine is not synchronized",
      why: "systemd-timesyncd runs, and has reached no server.",
      fix: "timedatectl timesync-status shows why; allow UDP port 123.",
    }),
  ];
}

function checkNames(): DoctorFinding[] {
  if (process.platform !== "linux") return [];
  let servers = 0;
  try {
    servers = readFileSync("/etc/resolv.conf", "utf8").match(/^\s*nameserver\s+\S+/gm)?.length ?? 0;
  } catch {
    // Not there: the same as none in it.
  }
  return [
    findingUnless(servers > 0, "dns", `${plural(servers, "name server")} in /etc/resolv.conf`, {
      severity: "warning",
      title: "no name server is configured",
      why: "/etc/resolv.conf names none: models and channels are not found.",
      fix: "name one in /etc/resolv.conf, or start the service that writes it (systemd-resolved, NetworkManager).",
    }),
  ];
}

function checkOpenFiles(): DoctorFinding[] {
  if (process.platform !== "linux") return [];
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  if (limit === undefined) return [];
  return [
    findingUnless(Number(limit) >= WANTED_FILES / 4, "open-files", `${limit} files may be open`, {
      severity: "warning",
      title: `only ${limit} files may be open`,
      why: "each client, channel and command takes some; without one left, nothing new is accepted.",
      fix: `raise it: ulimit -n ${WANTED_FILES}, or LimitNOFILE=${WANTED_FILES} in the unit (this shell's limit may differ from the service's).`,
    }),
  ];
}

/** The limit of a container or unit; the memory of the machine is not what counts then. */
function checkMemory(): DoctorFinding[] {
  try {
    const text = readFileSync("/sys/fs/cgroup/memory.max", "utf8").trim();
    if (text === "max") return [];
    const bytes = Number(text);
    return [
      findingUnless(bytes >= WANTED_MEMORY, "memory-limit", `memory is limited to ${Math.round(bytes / 1_048_576)} MiB`, {
        severity: "warning",
        title: `memory is limited to ${Math.round(bytes / 1_048_576)} MiB`,
        why: "the gateway and one agent host take about 110 MiB; with sessions and a browser more than that.",
        fix: "give it 1 GiB or more (mem_limit of the container, MemoryMax of the unit).",
      }),
    ];
  } catch {
    return []; // Another version of control groups, or another system.
  }
}

function checkTemporary(): DoctorFinding {
  const dir = tmpdir();
  let problem: string | null = null;
  try {
    accessSync(dir, constants.W_OK | constants.X_OK);
  } catch (err) {
    problem = reasonOf(err);
  }
  return findingUnless(problem === null, "temporary-directory", `${dir} can be written`, {
    severity: "problem",
    title: `the temporary directory ${dir} cannot be used`,
    why: toSentence(problem ?? ""),
    fix: "create it, or set TMPDIR; a container with a read-only root needs a tmpfs at /tmp.",
  });
}

const DEEP_MS = 4_000;

/** Asks the servers of the configured models for their name and their time. */
export async function checkNetwork(invocation: Invocation): Promise<DoctorFinding[]> {
  if (!invocation.has("deep")) return [];
  const { providers } = configOf(invocation).config.models;
  const addresses = [
    ...new Set(Object.values(providers).flatMap(({ baseUrl }) => (baseUrl && URL.canParse(baseUrl) ? [new URL(baseUrl).origin] : []))),
  ];
  return (await Promise.all(addresses.map((origin) => checkServer(origin, invocation)))).flat();
}

async function checkServer(origin: string, invocation: Invocation): Promise<DoctorFinding[]> {
  const { lookup } = await import("node:dns/promises");
  const { hostname } = new URL(origin);
  try {
    await lookup(hostname.replaceAll(/[[\]]/g, ""));
  } catch (err) {
    return [
      {
        check: "dns",
        severity: "problem",
        title: `the name ${hostname} is not found`,
        why: toSentence(reasonOf(err)),
        fix: "check the name servers in /etc/resolv.conf, or baseUrl of the provider.",
      },
    ];
  }
  try {
    const sent = invocation.host.now();
    const answer = await fetch(origin, { method: "HEAD", redirect: "manual", signal: AbortSignal.timeout(DEEP_MS) });
    const theirs = Date.parse(answer.headers.get("date") ?? "");
    if (Number.isNaN(theirs)) return [okFinding("reachable", `${origin} answers`)];
    const skew = Math.abs(theirs - (sent + invocation.host.now()) / 2);
    return [
      findingUnless(skew <= CLOCK_TOLERANCE_MS, "clock", `the clock agrees with ${hostname}`, {
        severity: "warning",
        title: `the clock differs from that of ${hostname} by ${formatDuration(skew)}`,
        why: "jobs run at the wrong time, and certificates and tokens do not hold.",
        fix: "timedatectl set-ntp true, or set the clock.",
      }),
    ];
  } catch (err) {
    const cause = (err as { cause?: unknown }).cause ?? err;
    return [
      {
        check: "reachable",
        severity: "problem",
        title: `${origin} does not answer`,
        why: toSentence(reasonOf(cause)),
        fix: "check the network, the firewall, and HTTPS_PROXY; the gateway uses the proxy of its own environment.",
      },
    ];
  }
}
