import { expectText, runOfficial, type OfficialBench } from "./official-bench.ts";

type Command = { args: readonly string[]; shows: RegExp };

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
];

export async function driveCommandLine(stage: OfficialBench): Promise<void> {
  for (const { args, shows } of COMMANDS) {
    await stage.task("CLI", `openclaw ${args.join(" ")}`, async () => {
      const { code, out, err } = await runOfficial(stage, args);
      if (code !== 0) throw new Error(`ended with ${code}: ${(err || out).trim().split("\n").at(-1)}`);
      expectText(out + err, shows);
      return "";
    });
  }
}
