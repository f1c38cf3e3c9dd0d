import { spawnSync } from "node:child_process";
import type { Part } from "../subject.ts";

const COMMANDS = [
  ["--version"],
  ["status"],
  ["agents", "list", "--bindings"],
  ["sessions", "list"],
  ["gateway", "call", "health"],
  ["doctor"],
];

export const cli: Part = {
  name: "cli",
  about: "Commands against a running gateway.",
  discardFirst: true,
  measure: (subject) =>
    subject.withGateway(subject.config(), (gateway) => {
      const env = { PATH: process.env["PATH"] ?? "", HOME: gateway.home, ...subject.env() };
      for (const command of COMMANDS) {
        const line = [process.execPath, subject.main, ...command, "--url", gateway.url, "--token", gateway.token()];
        const timed = ["bash", "-c", 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1', "bench", ...line];
        const { stderr } = spawnSync("/usr/bin/env", timed, { env, encoding: "utf8" });
        const [user = 0, system = 0] = stderr.trim().split(/\s+/).map(Number);
        subject.record(`openclaw ${command.join(" ")}`, "s CPU", user + system, 0.12);
      }
      return Promise.resolve();
    }),
};
