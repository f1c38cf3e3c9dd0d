import { expectText, runOfficial, type OfficialBench } from "./official-bench.ts";

/** `id`: the first group is the id of what was made; `{id}` in later commands is replaced by it. */
type Command = { args: readonly string[]; shows: RegExp; id?: RegExp };

const CALENDAR = [
  "--cron",
  "0 8 * * 1-5",
  "--tz",
  "Europe/Berlin",
  "--session",
  "isolated",
  "--message",
  "Say what is in my calendar file",
];

/** What people use it for, and what it prints when this gateway gives it what it wants. */
const COMMANDS: readonly Command[] = [
  { args: ["gateway", "probe"], shows: /reachable|Read probe: ok/i },
  { args: ["gateway", "call", "health"], shows: /"ok": true/ },
  { args: ["health"], shows: /main/ },
  { args: ["status"], shows: /reachable/i },
  { args: ["status", "--json"], shows: /"defaultId":\s*"main"/ },
  { args: ["agent", "--agent", "main", "--message", "hello from the command line"], shows: /You said: hello from the command line/ },
  { args: ["agents", "list"], shows: /main/ },
  { args: ["gateway", "call", "sessions.list"], shows: /agent:main/ },
  { args: ["channels", "status"], shows: /Gateway reachable/i },
  { args: ["models", "list"], shows: /test\/echo|echo/ },
  { args: ["devices", "list"], shows: /device|paired|pending/i },
  { args: ["logs", "--limit", "20", "--plain"], shows: /subsystem|gateway|client/i },
  { args: ["approvals", "pending"], shows: /No pending approvals/ },
  { args: ["approvals", "allowlist", "add", "--gateway", "/usr/bin/touch"], shows: /\/usr\/bin\/touch/ },
  { args: ["approvals", "get", "--gateway"], shows: /Allowlist[^]*\/usr\/bin\/touch/ },
  { args: ["system", "presence"], shows: /gateway/i },
  { args: ["system", "heartbeat", "last"], shows: /null|none|\{/i },
  { args: ["system", "event", "--text", "hello", "--mode", "now"], shows: /ok/ },
  { args: ["system", "heartbeat", "disable"], shows: /"enabled": false/ },
  { args: ["cron", "status"], shows: /"enabled": true/ },
  {
    args: ["cron", "add", "--name", "calendar", ...CALENDAR, "--announce", "--channel", "irc", "--to", "#calendar", "--json"],
    shows: /"nextRunAtMs": \d+[^]*every weekday at 08:00 Europe\/Berlin[^]*"perRunUsd"[^]*"stop": "openclaw cron disable/,
    id: /"id": "([^"]+)"/,
  },
  { args: ["cron", "list"], shows: /calendar\s+cron 0 8 \* \* 1-5/ },
  { args: ["cron", "show", "{id}"], shows: /next: in/ },
  { args: ["cron", "edit", "{id}", "--name", "my calendar"], shows: /"name": "my calendar"/ },
  { args: ["cron", "run", "{id}", "--wait"], shows: /"status": "ok"/ },
  { args: ["cron", "runs", "--id", "{id}"], shows: /You said: Say what is in my calendar file/ },
  { args: ["cron", "disable", "{id}"], shows: /"enabled": false/ },
  { args: ["cron", "enable", "{id}"], shows: /"enabled": true/ },
  { args: ["cron", "rm", "{id}"], shows: /"ok": true|"removed": true/ },
  { args: ["gateway", "usage-cost"], shows: /Usage cost \(30 days\)[^]*tokens/ },
];

export async function driveCommandLine(stage: OfficialBench): Promise<void> {
  let made = "";
  for (const { args, shows, id } of COMMANDS) {
    await stage.task("CLI", `openclaw ${args.join(" ")}`, async () => {
      const given = args.map((arg) => (arg === "{id}" ? made : arg));
      const { code, out, err } = await runOfficial(stage, given);
      if (code !== 0) throw new Error(`ended with ${code}: ${(err || out).trim().split("\n").at(-1)}`);
      expectText(out + err, shows);
      made = id?.exec(out)?.[1] ?? made;
      return "";
    });
  }
}
