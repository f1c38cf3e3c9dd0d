import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { serviceDefinition, type ServiceDefinition } from "./definition.ts";
import { launchdPlist } from "./launchd-plist.ts";
import { serviceNames } from "./names.ts";
import { systemdUnit } from "./systemd-unit.ts";
import { quoteWindows, windowsBatch, windowsTask } from "./windows-task.ts";

const home = mkdtempSync(join(tmpdir(), "service-"));
after(() => rmSync(home, { recursive: true, force: true }));

/** With everything that is special somewhere: blanks, quotes, percent and dollar signs, backslashes, letters beyond ASCII. */
const ODD = "a b\"c%h$HOME\\d&<e>'é";
const SERVICE: ServiceDefinition = {
  description: "OpenClaw Gateway",
  command: ["/usr/bin/node", "/opt/openclaw gateway/bin/openclaw.js", "gateway", "run", "--port", "18789"],
  workingDirectory: "/home/ann",
  environment: {
    HOME: "/home/ann",
    PATH: "/usr/bin:/bin",
    NAME: ODD,
    OPENCLAW_SERVICE_MARKER: "openclaw",
    OPENCLAW_SERVICE_KIND: "gateway",
  },
  environmentFile: "/home/ann/.openclaw/service.env",
  outputFile: "/home/ann/.openclaw/gateway/logs/service.log",
  user: null,
  notifies: true,
};
const golden = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
const has = (program: string): boolean => spawnSync(program, ["--version"]).error === undefined;

// The rules of systemd.syntax(7) and systemd.service(5), taken apart again.
const unquote = (line: string): string[] =>
  [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text!.replaceAll(/\\(.)/g, "$1").replaceAll("%%", "%"));

const unescape = (text: string): string =>
  text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");

// The rules of CommandLineToArgvW.
function parseWindows(line: string): string {
  if (!line.startsWith('"')) return line;
  return line
    .slice(1, -1)
    .replaceAll(/(\\*)"/g, (_, slashes: string) => `${"\\".repeat(Math.floor(slashes.length / 2))}"`)
    .replaceAll(/(\\+)$/g, (slashes) => "\\".repeat(slashes.length / 2));
}

test("the definitions for each system are those of the golden files", () => {
  assert.equal(systemdUnit(SERVICE), golden("user.service"));
  assert.equal(systemdUnit({ ...SERVICE, user: "openclaw", notifies: false }), golden("system.service"));
  assert.equal(launchdPlist("ai.openclaw.gateway", SERVICE), golden("agent.plist"));
  assert.equal(windowsTask(SERVICE, "C:\\Users\\Ann\\gateway.cmd", "HOST\\Ann"), golden("task.xml"));
  assert.equal(windowsBatch(SERVICE), golden("gateway.cmd"));
});

test("systemd accepts the units", { skip: !has("systemd-analyze") && "no systemd here" }, () => {
  const program = join(home, "program");
  writeFileSync(program, "#!/bin/sh\n");
  chmodSync(program, 0o755);
  for (const [scope, user] of [
    ["--user", null],
    ["--system", "root"],
  ] as const) {
    const unit = join(home, `openclaw-gateway${scope}.service`);
    writeFileSync(unit, systemdUnit({ ...SERVICE, command: [program, ODD], workingDirectory: home, user }));
    const { status, stderr } = spawnSync("systemd-analyze", [scope, "verify", "--man=no", unit], {
      encoding: "utf8",
      env: { ...process.env, XDG_RUNTIME_DIR: home, SYSTEMD_LOG_LEVEL: "warning" },
    });
    const about = stderr.split("\n").filter((line) => line.includes("openclaw-gateway"));
    assert.deepEqual([status, about], [0, []], stderr);
  }
});

test(
  "a program that systemd starts gets each argument and variable as it was",
  { skip: !has("systemd-analyze") && "no systemd here" },
  () => {
    const random = createRandom(7);
    for (let round = 0; round < 500; round++) {
      const words = Array.from({ length: 3 }, () => randomText(random));
      const unit = systemdUnit({ ...SERVICE, command: ["/bin/x", ...words], environment: { A: words[0]! } });
      const line = /^ExecStart=:(.*)$/m.exec(unit)![1]!;
      assert.deepEqual(unquote(line), ["/bin/x", ...words]);
      assert.deepEqual(unquote(/^Environment=(.*)$/m.exec(unit)![1]!), [`A=${words[0]}`]);
    }
  },
);

test("launchd's file is well-formed, whatever its texts have", () => {
  const random = createRandom(11);
  for (let round = 0; round < 500; round++) {
    const words = Array.from({ length: 3 }, () => randomText(random));
    const plist = launchdPlist("ai.openclaw.gateway", { ...SERVICE, command: ["/bin/x", ...words] });
    const array = /<array>([\s\S]*?)<\/array>/.exec(plist)![1]!;
    const found = [...array.matchAll(/<string>([^<>]*)<\/string>/g)].map(([, text]) => unescape(text!));
    assert.deepEqual(found.slice(-4), ["/bin/x", ...words]);
  }
});

test("launchd's shell reads variables as data and becomes the program", { skip: process.platform === "win32" && "no shell" }, () => {
  const file = join(home, "service.env");
  writeFileSync(file, `A=1 $(touch ${home}/made) 2\n# B=3\nnonsense\nC=\`id\`\n`);
  const plist = launchdPlist("x", { ...SERVICE, environmentFile: file, command: ["/usr/bin/env"] });
  const array = /<array>([\s\S]*?)<\/array>/.exec(plist)![1]!;
  const words = [...array.matchAll(/<string>([^<>]*)<\/string>/g)].map(([, text]) =>
    text!.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&"),
  );
  const { stdout } = spawnSync(words[0]!, words.slice(1), { encoding: "utf8", env: {} });
  assert.match(stdout, /^A=1 \$\(touch .*\/made\) 2$/m);
  assert.match(stdout, /^C=`id`$/m);
  assert.doesNotMatch(stdout, /^B=|nonsense/m);
});

test("a Windows program gets each argument as it was", () => {
  for (const word of ["plain", "a b", 'a"b', "C:\\dir\\", "C:\\a b\\", 'a\\"b', ""])
    assert.equal(parseWindows(quoteWindows(word)), word, word);
});

test("each profile has its own names, and a name that would be a path is refused", () => {
  assert.deepEqual(serviceNames({}), { systemd: "openclaw-gateway.service", launchd: "ai.openclaw.gateway", windows: "OpenClaw Gateway" });
  assert.deepEqual(serviceNames({ OPENCLAW_PROFILE: "work", OPENCLAW_SYSTEMD_UNIT: "other" }), {
    systemd: "openclaw-gateway-work.service",
    launchd: "ai.openclaw.work",
    windows: "OpenClaw Gateway (work)",
  });
  assert.equal(serviceNames({ OPENCLAW_SYSTEMD_UNIT: "chat" }).systemd, "chat.service");
  for (const name of ["../x", "a/b", ".hidden", "-x", "a b"])
    assert.throws(() => serviceNames({ OPENCLAW_SYSTEMD_UNIT: name }), /not a name/, name);
  assert.throws(() => serviceNames({ OPENCLAW_PROFILE: "../x" }), /not the name of a profile/);
});

test("a service gets no credential of the environment, and a control character in a path is refused", () => {
  const input = {
    env: {
      HOME: home,
      PATH: "/usr/bin:/evil",
      OPENCLAW_STATE_DIR: home,
      ANTHROPIC_API_KEY: "sk-1",
      OPENCLAW_GATEWAY_TOKEN: "t",
      HTTPS_PROXY: "http://u:p@proxy.test",
    },
    home,
    state: home,
    node: process.execPath,
    entry: join(home, "main.js"),
    port: undefined,
    wrapper: undefined,
    user: null,
    notifies: true,
  };
  const { environment, command } = serviceDefinition(input);
  assert.deepEqual(command, [process.execPath, join(home, "main.js"), "gateway", "run"]);
  assert.ok(!JSON.stringify(environment).includes("sk-1") && !("OPENCLAW_GATEWAY_TOKEN" in environment) && !("HTTPS_PROXY" in environment));
  assert.ok(!environment["PATH"]!.includes("/evil"));
  assert.equal(environment["OPENCLAW_STATE_DIR"], home);
  assert.throws(() => serviceDefinition({ ...input, entry: "/a\nb" }), /control character/);
  assert.throws(() => serviceDefinition({ ...input, wrapper: "relative" }), /cannot be the program/);
  const clone = join(home, "clone");
  for (const dir of ["bin", "scripts"]) mkdirSync(join(clone, dir), { recursive: true });
  for (const file of ["openclaw", "bin/openclaw.js", "scripts/bootstrap.js"]) writeFileSync(join(clone, file), "");
  assert.deepEqual(serviceDefinition({ ...input, entry: join(clone, "bin/openclaw.js"), port: 7 }).command, [
    join(clone, "openclaw"),
    "gateway",
    "run",
    "--port",
    "7",
  ]);
});

function createRandom(seed: number): () => number {
  let at = seed;
  return () => (at = (Math.imul(at, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

function randomText(random: () => number): string {
  const letters = [..."ab 0\"'%$\\&<>;|`é{}~#="];
  return Array.from({ length: 1 + Math.floor(random() * 12) }, () => letters[Math.floor(random() * letters.length)]!).join("");
}
