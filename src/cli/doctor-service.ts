import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { homeDirectory } from "../config/environment.ts";
import { LIMITS } from "../core/limits.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { GatewayError } from "../core/errors.ts";
import { createBoots } from "../store/boots.ts";
import { openReadonlyStore } from "../store/open-readonly.ts";
import { findingUnless, okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { plural } from "./terminal-text.ts";

type Unit = { readonly file: string; readonly scope: "user" | "system"; readonly state: string; readonly program: readonly string[] };

const unquote = (line: string): string[] =>
  [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    (quoted ?? plain ?? "").replaceAll(/\\(.)/g, "$1").replaceAll("%%", "%"),
  );

/** The services of this machine that start a gateway: their files, without a question to the service manager. */
function readUnits({ host }: Invocation): Unit[] {
  const home = homeDirectory(host.env) ?? "/";
  const dirs = [
    [join(host.env["XDG_CONFIG_HOME"] || join(home, ".config"), "systemd/user"), "user"],
    ["/etc/systemd/system", "system"],
  ] as const;
  return dirs.flatMap(([dir, scope]) =>
    (existsSync(dir) ? readdirSync(dir) : [])
      .filter((name) => /^openclaw.*gateway.*\.service$/.test(name))
      .flatMap((name): Unit[] => {
        try {
          const text = readFileSync(join(dir, name), "utf8");
          const environment = [...text.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line]) => unquote(line!));
          const own = (variable: string): string | undefined =>
            environment.find((each) => each.startsWith(`${variable}=`))?.slice(variable.length + 1);
          const state = own("OPENCLAW_STATE_DIR") ?? join(own("HOME") ?? home, ".openclaw");
          return [{ file: join(dir, name), scope, state, program: unquote((/^ExecStart=:?(.*)$/m.exec(text)?.[1] ?? "").trim()) }];
        } catch {
          return []; // A link to nothing, or a file of another user.
        }
      }),
  );
}

/** Services of this state directory, and starts that ended without a stop. */
export function checkService(invocation: Invocation): DoctorFinding[] {
  const { state } = pathsOf(invocation);
  const units = process.platform === "linux" ? readUnits(invocation).filter((unit) => unit.state === state) : [];
  return [
    ...(units.length === 0 ? [okFinding("service", "no service is installed; openclaw gateway install installs one")] : []),
    ...units.map(checkProgram),
    ...(units.length > 1
      ? [
          {
            check: "duplicate-supervisor",
            severity: "problem" as const,
            title: `${plural(units.length, "service")} start a gateway for ${state}`,
            why: `a state directory has one gateway, and each of them keeps starting another: ${units.map(({ file }) => file).join(", ")}.`,
            fix: "remove all but one: systemctl disable --now <unit> (with --user for those of the user), then delete its file.",
          },
        ]
      : []),
    ...(units.some(({ scope }) => scope === "user") ? checkLinger(invocation) : []),
    ...checkBoots(invocation),
  ];
}

function checkProgram({ file, program, scope }: Unit): DoctorFinding {
  const missing = program.filter((word) => word.startsWith("/")).find((word) => !existsSync(word));
  return findingUnless(missing === undefined && program.length > 0, "service", `${file} starts a gateway`, {
    severity: "problem",
    title: `the service ${file} cannot start`,
    why: missing === undefined ? "it names no program." : `${missing} does not exist any more; Node or the gateway was moved.`,
    fix: scope === "system" ? "sudo openclaw gateway install --system" : "openclaw gateway install",
  });
}

/** The systemd of a user ends with the last session of that user, unless this file exists. */
function checkLinger({ host }: Invocation): DoctorFinding[] {
  const user = host.env["USER"] || host.env["LOGNAME"];
  if (!user || user === "root" || !existsSync("/var/lib/systemd")) return [];
  return [
    findingUnless(existsSync(join("/var/lib/systemd/linger", user)), "systemd-linger", "the service goes on after you sign out", {
      severity: "warning",
      title: "the service ends when you sign out",
      why: `systemd stops the services of ${user} with the last session, and starts them with the next one.`,
      fix: `sudo loginctl enable-linger ${user}`,
    }),
  ];
}

function checkBoots(invocation: Invocation): DoctorFinding[] {
  const { gateway } = pathsOf(invocation);
  // A running gateway owns the file and reports about it itself.
  if (findRunningGateway(gateway)) return [];
  try {
    const store = openReadonlyStore(gateway);
    if (!store) return [];
    try {
      const starts = createBoots(store).unclean(invocation.host.now() - LIMITS.crashLoopKeepMs).length;
      return [
        findingUnless(starts < LIMITS.crashLoopBoots, "crash-loop", "the gateway does not keep ending", {
          severity: "warning",
          title: `the service was started ${starts} times in the last day and ended without a stop`,
          why: "it crashed, was killed, or had no memory left.",
          fix: "openclaw logs --level error --limit 50; journalctl -k | grep -i oom shows whether memory was short.",
        }),
      ];
    } finally {
      store.close();
    }
  } catch (err) {
    // The check of the store says what is wrong with it; an older one has no such table.
    if (err instanceof GatewayError || (err as { errcode?: number }).errcode !== undefined) return [];
    throw err;
  }
}
