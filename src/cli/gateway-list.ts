import { readdirSync } from "node:fs";
import { join } from "node:path";
import { homeDirectory } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import { profileOfDirectory } from "../core/profile.ts";
import { isAbsent } from "../core/files.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import type { CommandHandler } from "./command.ts";
import { pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge } from "./terminal-text.ts";

type GatewayRow = {
  /** Null: the default profile, or a directory that belongs to none. */
  profile: string | null;
  stateDir: string;
  running: boolean;
  pid: number | null;
  /** The port that it listens on, else the one of its configuration. */
  port: number;
  url: string | null;
  startedAt: number | null;
  /** The one that commands without --profile use. */
  current: boolean;
};

/** `openclaw gateway list` */
export const gatewayList: CommandHandler = (invocation) => {
  const { out, host } = invocation;
  const gateways = findGateways(invocation);
  out.result({ gateways }, () => {
    out.table(
      [
        { title: "profile" },
        { title: "state" },
        { title: "pid", align: "right" },
        { title: "port", align: "right" },
        { title: "started" },
        { title: "directory" },
      ],
      gateways.map((row) => [
        `${row.profile ?? "default"}${row.current ? " *" : ""}`,
        row.running ? "running" : "stopped",
        row.pid === null ? "-" : String(row.pid),
        String(row.port),
        row.startedAt === null ? "-" : formatAge(row.startedAt, host.now()),
        row.stateDir,
      ]),
    );
    const taken = gateways.find((row) => gateways.some((other) => other !== row && other.port === row.port));
    if (taken) out.note(`Two gateways have the port ${taken.port}: set gateway.port in one of their configurations.`);
  });
};

/** The state directories of all profiles of this user, and the one in use. */
function findGateways(invocation: Invocation): GatewayRow[] {
  const { env } = invocation.host;
  const current = pathsOf(invocation).state;
  const home = homeDirectory(env);
  const found =
    home === null
      ? []
      : listDirectory(home).flatMap((name) => {
          const profile = profileOfDirectory(name);
          return profile === undefined ? [] : [{ profile, stateDir: join(home, name) }];
        });
  const all = found.some(({ stateDir }) => stateDir === current) ? found : [...found, { profile: null, stateDir: current }];
  return all.map(({ profile, stateDir }) => {
    const owner = findRunningGateway(join(stateDir, "gateway"));
    const isCurrent = stateDir === current;
    const config = isCurrent ? pathsOf(invocation).config : join(stateDir, "openclaw.json");
    const port = owner?.port ?? loadConfig({ path: config, env: { ...env, OPENCLAW_PROFILE: profile ?? "" } }).config.gateway.port;
    return {
      profile,
      stateDir,
      running: owner !== null,
      pid: owner?.pid ?? null,
      port,
      url: owner?.url ?? null,
      startedAt: owner?.startedAt ?? null,
      current: isCurrent,
    };
  });
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path).toSorted();
  } catch (err) {
    if (isAbsent(err)) return [];
    throw err;
  }
}
