import type { ServiceDefinition } from "./definition.ts";

/** Exit codes after which a restart does not help: command line, permission, configuration, stopped by an update. */
const NO_RESTART = "2 77 78 79";

/** One argument of ExecStart. `%` begins a specifier; with the prefix `:` no variable is put in. */
export const quoteArgument = (text: string): string => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`;

/** A path that takes the rest of its line, where quotes would be part of it. */
const escapePath = (path: string): string => path.replaceAll("\\", "\\\\").replaceAll("%", "%%");

/** The unit of a gateway for systemd 244 and newer. The same definition gives the same bytes. Pure. */
export function systemdUnit(service: ServiceDefinition): string {
  const { command, environment, user, notifies } = service;
  const lines = [
    "# Written by `openclaw gateway install`; own settings belong into a drop-in (systemctl edit), which is kept.",
    "[Unit]",
    `Description=${service.description.replaceAll("%", "%%")}`,
    "After=network-online.target",
    "Wants=network-online.target",
    "StartLimitIntervalSec=300",
    "StartLimitBurst=10",
    "",
    "[Service]",
    ...(notifies
      ? [
          "Type=notify",
          "# Messages come from systemd-notify, which the gateway starts.",
          "NotifyAccess=all",
          "WatchdogSec=60",
          "TimeoutAbortSec=10",
        ]
      : ["Type=simple"]),
    `ExecStart=:${command.map(quoteArgument).join(" ")}`,
    `WorkingDirectory=${escapePath(service.workingDirectory)}`,
    ...(user === null ? [] : [`User=${user}`]),
    ...Object.entries(environment).map(([name, value]) => `Environment=${quoteArgument(`${name}=${value}`)}`),
    "# Keys of model providers, one NAME=value per line, chmod 600",
    `EnvironmentFile=-${escapePath(service.environmentFile)}`,
    "Restart=on-failure",
    "RestartSec=5",
    `RestartPreventExitStatus=${NO_RESTART}`,
    "SuccessExitStatus=143",
    "TimeoutStartSec=180",
    "TimeoutStopSec=30",
    "# SIGTERM to the gateway only: it stops its agents. Remaining processes are killed.",
    "KillMode=mixed",
    "# An agent process that runs out of memory ends its turn, not the gateway.",
    "OOMPolicy=continue",
    "TasksMax=1024",
    "UMask=0077",
    "LimitCORE=0",
    "NoNewPrivileges=yes",
    "RestrictSUIDSGID=yes",
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "",
    "[Install]",
    `WantedBy=${user === null ? "default.target" : "multi-user.target"}`,
    "",
  ];
  return lines.join("\n");
}
