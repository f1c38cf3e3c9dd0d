import { spawnSync } from "node:child_process";
import { until } from "../wire/gateway-process.ts";
import type { OfficialBench } from "./official-bench.ts";

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** `openclaw tui` in tmux, on a server of its own. */
export async function driveTui(stage: OfficialBench): Promise<void> {
  const { official, env, gateway } = stage;
  const tmux = (...args: string[]): string => {
    const { stdout, stderr, status, error } = spawnSync("tmux", ["-L", `official-${process.pid}`, ...args], { env, encoding: "utf8" });
    if (error) throw new Error(`tmux cannot be started: ${error.message}`);
    if (status !== 0) throw new Error(`tmux ${args[0]}: ${stderr.trim()}`);
    return stdout;
  };
  const screen = (): string => tmux("capture-pane", "-p", "-t", "tui");
  const shows = (text: RegExp, limitMs = 90_000): Promise<boolean> =>
    until(`${String(text)} on the screen:\n${screen()}`, () => text.test(screen()), limitMs);
  /** Keys that come in one burst are taken for a paste: Enter is pressed once the text is on the screen. */
  const type = async (text: string): Promise<void> => {
    tmux("send-keys", "-t", "tui", "-l", text);
    await until(`${text} in the editor`, () => screen().includes(text), 30_000);
    tmux("send-keys", "-t", "tui", "Enter");
  };
  const command = [process.execPath, official.program, "tui", "--url", gateway.url, "--token", gateway.token()].map(quoted).join(" ");
  tmux("new-session", "-d", "-s", "tui", "-x", "110", "-y", "34", command);
  try {
    await stage.task("TUI", "connects", async () => {
      await shows(/gateway connected/);
      return "";
    });
    await stage.task("TUI", "a message is answered", async () => {
      await type("hello from a terminal");
      await shows(/You said: hello from a terminal/);
      return "";
    });
    await stage.task("TUI", "/status", async () => {
      await type("/status");
      await shows(/test\/echo|echo/i);
      return "";
    });
    await stage.task("TUI", "the transcript is there after a restart", async () => {
      tmux("kill-session", "-t", "tui");
      tmux("new-session", "-d", "-s", "tui", "-x", "110", "-y", "34", command);
      await shows(/You said: hello from a terminal/);
      return "";
    });
  } finally {
    spawnSync("tmux", ["-L", `official-${process.pid}`, "kill-server"], { env });
  }
}
