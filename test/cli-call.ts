// Runs commands of our own command line in this process, with streams that remember what was printed.
import { Readable } from "node:stream";
import { runCli } from "../src/cli/run.ts";
import type { CliHost } from "../src/cli/invocation.ts";
import { selectProfile } from "../src/config/profile.ts";

export type CliCall = { code: number; out: string; err: string };
export type CliCallOptions = {
  env?: Record<string, string>;
  input?: string;
  /** Columns of a terminal; absent: a pipe. */
  columns?: number;
  signal?: AbortSignal;
  host?: Partial<CliHost>;
};

/** One command with `state` as its state directory. */
export async function callCli(state: string, words: readonly string[], options: CliCallOptions = {}): Promise<CliCall> {
  const call: CliCall = { code: -1, out: "", err: "" };
  const env: Record<string, string | undefined> = { HOME: state, OPENCLAW_STATE_DIR: state, NO_COLOR: "1", ...options.env };
  const terminal = options.columns === undefined ? {} : { isTTY: true, columns: options.columns };
  call.code = await runCli(words, {
    streams: {
      stdout: { write: (text: string) => (call.out += text), ...terminal },
      stderr: { write: (text: string) => (call.err += text) },
    },
    stdin: Readable.from(options.input === undefined ? [] : [options.input]),
    env,
    useProfile: (name) => selectProfile(env, name),
    cwd: state,
    now: Date.now,
    signal: options.signal ?? new AbortController().signal,
    startGateway: () => Promise.reject(new Error("this test starts no gateway")),
    verifyChannel: async () => ({ name: "mybot" }),
    ...options.host,
  });
  return call;
}

/** A value for each argument and each required flag of every command, so that a test can call them all. */
export const SAMPLE_ARGS: Readonly<Record<string, readonly string[]>> = {
  "gateway call": ["health"],
  chat: ["hello"],
  agent: ["--message", "hello"],
  "message send": ["--channel", "irc", "--to", "#team", "--message", "hello"],
  "route explain": ["irc", "default", "alice"],
  "usage allow": ["team"],
  "cron add": ["tea", "--at", "20m", "--message", "hello"],
  "cron edit": ["3f2a", "--disable"],
  "cron enable": ["3f2a"],
  "cron disable": ["3f2a"],
  "cron show": ["3f2a"],
  "cron get": ["3f2a"],
  "cron run": ["3f2a"],
  "cron rm": ["3f2a", "--yes"],
  "peers test": ["office"],
  "peers add": ["office", "--send", "main"],
  "peers pair": ["office"],
  "peers approve": ["office", "1a2b-3c4d-5e6f-7081-92a3-b4c5-d6e7-f809"],
  "peers remove": ["office"],
  "tasks show": ["3f2a"],
  "tasks cancel": ["3f2a"],
  "tasks retry": ["3f2a"],
  "tasks dismiss": ["3f2a"],
  "nodes approve": ["3f2a"],
  "nodes reject": ["3f2a"],
  "nodes rename": ["--node", "attic", "--name", "cellar"],
  "nodes remove": ["--node", "attic", "--yes"],
  "nodes invoke": ["--node", "attic", "--command", "system.which"],
  "nodes run": ["--node", "attic", "uname"],
  "nodes describe": ["--node", "attic"],
  "nodes camera list": ["--node", "phone"],
  "nodes camera snap": ["--node", "phone"],
  "nodes camera clip": ["--node", "phone"],
  "nodes screen record": ["--node", "phone"],
  "nodes location get": ["--node", "phone"],
  "nodes canvas present": ["--node", "phone"],
  "nodes canvas hide": ["--node", "phone"],
  "nodes notify": ["--node", "phone", "--title", "Tea"],
  "node allow": ["/usr/bin/uptime"],
  "node disallow": ["/usr/bin/uptime"],
  "memory search": ["wifi", "password"],
  "browser create-profile": ["--name", "work"],
  "browser delete-profile": ["--name", "work"],
  "browser set": ["media", "dark"],
  "browser open": ["https://example.org"],
  "browser navigate": ["https://example.org"],
  "browser focus": ["t1"],
  "browser click": ["e1"],
  "browser type": ["e1", "hello"],
  "browser fill": ["e1=hello"],
  "browser evaluate": ["document.title"],
  "browser press": ["Enter"],
  "browser hover": ["e1"],
  "browser select": ["e1", "large"],
  "browser drag": ["e1", "e2"],
  "browser upload": ["e1", "paper.pdf"],
  "browser dialog": ["accept"],
  "browser wait": ["hello"],
  "sandbox recreate": ["--all", "--yes"],
  "sessions show": ["agent:main:main"],
  "sessions delete": ["agent:main:main", "--yes"],
  "dead-letters show": ["3f2a"],
  "dead-letters retry": ["3f2a"],
  "dead-letters drop": ["3f2a", "--yes"],
  "agents add": ["work"],
  "agents delete": ["work", "--yes"],
  "agents bind": ["main", "--channel", "irc"],
  "agents unbind": ["main", "--channel", "irc"],
  "skills info": ["weather"],
  "skills install": ["./weather"],
  "skills update": ["weather", "--yes"],
  "skills approve": ["weather", "--yes"],
  "skills remove": ["weather", "--yes"],
  "models set": ["anthropic/claude-sonnet-5"],
  "channels add": ["irc", "--set", "host=irc.example.org", "--set", "nick=mybot"],
  "channels login": ["irc"],
  "channels logout": ["irc", "--yes"],
  "channels start": ["irc"],
  "channels stop": ["irc"],
  "channels remove": ["irc", "--yes"],
  "mcp add": ["files", "--command", "npx"],
  "mcp set": ["memory", '{"command":"npx"}'],
  "mcp unset": ["old"],
  "mcp login": ["memory", "--code", "x"],
  "mcp logout": ["memory"],
  "mcp tools": ["memory"],
  "mcp accept": ["memory"],
  "plugins inspect": ["weather"],
  "config get": ["gateway.port"],
  "config set": ["gateway.port", "18800"],
  "config unset": ["gateway.port"],
  "config schema": ["gateway.port"],
  "approvals show": ["3f2a"],
  "approvals resolve": ["3f2a", "deny"],
  "approvals allow": ["3f2a"],
  "approvals deny": ["3f2a"],
  "approvals set": ["package.json"],
  "approvals allowlist": ["add", "jira"],
  "exec-policy preset": ["cautious"],
  "exec-policy set": ["--mode", "ask"],
  "pairing approve": ["irc", "7Q4M2XKD"],
  "pairing dismiss": ["irc", "7Q4M2XKD"],
  "devices approve": ["--latest"],
  "devices reject": ["0c1f"],
  "devices remove": ["9be2", "--yes"],
  "devices rotate": ["9be2"],
  "devices revoke": ["9be2"],
  "tokens create": ["grafana"],
  "tokens revoke": ["grafana"],
  completion: ["bash"],
};
