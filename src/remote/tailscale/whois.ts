import type { Clock } from "../../core/clock.ts";
import { REMOTE_LIMITS } from "../limits.ts";
import { parseWhois } from "./answers.ts";
import type { TailscaleProgram } from "./program.ts";

type Known = { login: Promise<string | null>; until: number };

/** Asks Tailscale whose address it is. Answers are kept for a while, failures shortly. */
export class TailnetWhois {
  readonly #program: Pick<TailscaleProgram, "run">;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #known = new Map<string, Known>();

  constructor(program: Pick<TailscaleProgram, "run">, clock: Pick<Clock, "monotonic">) {
    this.#program = program;
    this.#clock = clock;
  }

  /** Whether the address belongs to this login; letter case does not matter. False when Tailscale does not say so. */
  async isLogin(address: string, login: string): Promise<boolean> {
    const found = await this.#loginOf(address);
    return found !== null && found.toLowerCase() === login.toLowerCase();
  }

  #loginOf(address: string): Promise<string | null> {
    const now = this.#clock.monotonic();
    const known = this.#known.get(address);
    if (known && known.until > now) return known.login;
    this.#known.delete(address);
    if (this.#known.size >= REMOTE_LIMITS.whoisEntries) this.#known.delete(this.#known.keys().next().value!);
    const entry: Known = { login: this.#ask(address), until: now + REMOTE_LIMITS.whoisKeepMs };
    this.#known.set(address, entry);
    void entry.login.then((login) => {
      if (login === null) entry.until = this.#clock.monotonic() + REMOTE_LIMITS.whoisFailureKeepMs;
    });
    return entry.login;
  }

  async #ask(address: string): Promise<string | null> {
    const { code, stdout } = await this.#program.run(["whois", "--json", address], REMOTE_LIMITS.whoisMs);
    return code === 0 ? parseWhois(stdout) : null;
  }
}
