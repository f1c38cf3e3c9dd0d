import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { MAIN, until } from "./gateway-process.ts";
import { COMPILE_CACHE } from "./warm-start.ts";

const run = promisify(execFile);
/** A server of its own, without a person's own configuration. */
const SERVER = ["-L", `tui-test-${process.pid}`, "-f", "/dev/null"];

/** Why tests of the terminal interface are skipped here, or false. */
export const noTmux: string | false = spawnSync("tmux", ["-V"]).error === undefined ? false : "tmux is not installed: npm run setup:tests";

export type TuiSize = { readonly width: number; readonly height: number };

let count = 0;

/** `openclaw tui` in tmux, as a person sees it. */
export class TuiInTmux {
  readonly #name: string;
  readonly #log: string;

  private constructor(name: string, log: string) {
    this.#name = name;
    this.#log = log;
  }

  static async start(
    home: string,
    { width, height }: TuiSize,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<TuiInTmux> {
    const name = `tui${(count += 1)}`;
    const log = join(tmpdir(), `${name}-${process.pid}.out`);
    const variables = { HOME: home, TMPDIR: tmpdir(), NODE_COMPILE_CACHE: COMPILE_CACHE, ...env };
    const command = [process.execPath, MAIN, "tui", ...args].map(quoted).join(" ");
    const tui = new TuiInTmux(name, log);
    const assigned = Object.entries(variables).map(([key, value]) => `${key}=${quoted(value)}`);
    // The program starts when its output is being kept: nothing of it is missed.
    const script = `until [ -e ${quoted(log)} ]; do sleep 0.05; done; ${assigned.join(" ")} ${command}; echo "ended with $?"; cat`;
    // A server that ended with its last session would meet the next one while it leaves.
    await tui.#tmux("start-server", ";", "set-option", "-g", "exit-empty", "off");
    await tui.#tmux("new-session", "-d", "-s", name, "-x", String(width), "-y", String(height), script);
    await tui.#tmux("pipe-pane", "-t", name, `cat > ${quoted(log)}`);
    return tui;
  }

  async screen(): Promise<string> {
    return await this.#tmux("capture-pane", "-p", "-t", this.#name);
  }

  /** Everything that the program has sent to the terminal. */
  output(): string {
    return readFileSync(this.#log, "utf8");
  }

  /** Waits until the screen shows `text`, and gives the screen. */
  async shows(text: RegExp | string, limitMs = 30_000): Promise<string> {
    let last = "";
    try {
      return await until(
        String(text),
        async () => {
          last = await this.screen();
          return (typeof text === "string" ? last.includes(text) : text.test(last)) && last;
        },
        limitMs,
      );
    } catch (err) {
      throw new Error(`${(err as Error).message}\nThe screen:\n${last}`, { cause: err });
    }
  }

  async hides(text: RegExp | string): Promise<string> {
    return await until(`no ${String(text)}`, async () => {
      const screen = await this.screen();
      return !(typeof text === "string" ? screen.includes(text) : text.test(screen)) && screen;
    });
  }

  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-t", this.#name, "-l", text);
  }

  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#tmux("send-keys", "-t", this.#name, key);
  }

  /** Types a line and sends it once it is in the editor: keys that come in one burst are a paste for some programs. */
  async say(text: string): Promise<void> {
    await this.type(text);
    await this.shows(text.slice(-40));
    await this.press("Enter");
  }

  /** A paste as a terminal makes it, in brackets. */
  async paste(text: string): Promise<void> {
    await this.#tmux("set-buffer", "-b", this.#name, text);
    await this.#tmux("paste-buffer", "-p", "-b", this.#name, "-t", this.#name);
  }

  async resize({ width, height }: TuiSize): Promise<void> {
    await this.#tmux("resize-window", "-t", this.#name, "-x", String(width), "-y", String(height));
  }

  async close(): Promise<void> {
    await this.#tmux("kill-session", "-t", this.#name);
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    const { stdout } = await run("tmux", [...SERVER, ...args], {
      env: { PATH: process.env["PATH"] ?? "", LANG: "C.UTF-8", TERM: "xterm-256color" },
    });
    return stdout;
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Ends what a failed test has left. */
export function endTmux(): void {
  if (noTmux === false) spawnSync("tmux", [...SERVER, "kill-server"]);
}
