#!/usr/bin/env node
// Stands for `systemctl --user`: reads units as systemd does, starts their program, and remembers it in $FAKE_SYSTEMD. One unit at a time.
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const dir = process.env.FAKE_SYSTEMD;
mkdirSync(dir, { recursive: true });
const [scope, verb, ...rest] = process.argv.slice(2);
appendFileSync(join(dir, "calls"), `${process.argv.slice(2).join(" ")}\n`);
const say = (text, code = 1) => {
  process.stderr.write(`${text}\n`);
  process.exit(code);
};
if (scope !== "--user") say("System has not been booted with systemd as init system (PID 1). Can't operate.");
const unit = rest.at(-1) ?? "";
const file = join(process.env.HOME, ".config/systemd/user", unit);
const at = (name) => join(dir, `${unit}.${name}`);

const unquote = (line) =>
  [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text.replaceAll(/\\(.)/g, "$1").replaceAll("%%", "%"));
const pid = () => {
  const found = existsSync(at("pid")) ? Number(readFileSync(at("pid"), "utf8")) : 0;
  try {
    if (found > 0) process.kill(found, 0);
    return found;
  } catch {
    return 0;
  }
};

function start() {
  if (!existsSync(file)) say(`Unit ${unit} not found.`, 5);
  if (pid() > 0) return;
  const text = readFileSync(file, "utf8");
  const command = unquote(/^ExecStart=:(.*)$/m.exec(text)[1]);
  const env = Object.fromEntries(
    [...text.matchAll(/^Environment=(.*)$/gm)].map(([, line]) => unquote(line)[0].split(/=(.*)/s).slice(0, 2)),
  );
  const log = openSync(at("log"), "a");
  const child = spawn(command[0], command.slice(1), {
    cwd: /^WorkingDirectory=(.*)$/m.exec(text)[1],
    // What systemd adds by itself, and what only a test needs.
    env: { ...env, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, OPENCLAW_DISCOVER_LOCAL_MODELS: "0" },
    detached: true,
    stdio: ["ignore", log, log],
  });
  child.unref();
  writeFileSync(at("pid"), String(child.pid));
}

async function stop() {
  const running = pid();
  if (running === 0) return;
  process.kill(running, "SIGTERM");
  while (pid() > 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

switch (verb) {
  case "daemon-reload":
  case "reset-failed":
    break;
  case "enable":
    writeFileSync(at("enabled"), "");
    break;
  case "disable":
    rmSync(at("enabled"), { force: true });
    if (rest.includes("--now")) await stop();
    break;
  case "start":
    start();
    break;
  case "stop":
    await stop();
    break;
  case "restart":
    await stop();
    start();
    break;
  case "show": {
    const running = pid();
    process.stdout.write(
      `LoadState=loaded\nActiveState=${running > 0 ? "active" : "inactive"}\nSubState=${running > 0 ? "running" : "dead"}\nMainPID=${running}\nNRestarts=0\nExecMainStatus=0\nResult=success\nStatusText=ready\nUnitFileState=${existsSync(at("enabled")) ? "enabled" : "disabled"}\n`,
    );
    break;
  }
  case "list-unit-files":
    process.stdout.write("openclaw-gateway.service enabled enabled\nopenclaw-gateway-old.service enabled enabled\n");
    break;
  default:
    say(`Unknown command verb ${verb}.`);
}
