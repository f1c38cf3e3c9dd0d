/** A configuration in a file of its own, for the scripted gateway: read, checked and written by the gateway's own methods. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diffConfig } from "../../src/config/diff.ts";
import { loadConfig } from "../../src/config/load.ts";
import { redactText } from "../../src/config/redact.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { AnswerCache } from "../../src/methods/answer-cache.ts";
import { configMethods } from "../../src/methods/config.ts";
import { EncodedJson } from "../../src/protocol/frames.ts";
import type { LoadedConfig } from "../../src/config/load.ts";
import type { Caller } from "../../src/protocol/method.ts";
import type { ConfigVersion } from "../../src/store/config-versions.ts";

type Params = Record<string, unknown>;

export const EXAMPLE = `{
  // The gateway listens for this machine only.
  gateway: {
    port: 18789,
    auth: { mode: "token", token: "invented-token-of-the-example" },
  },
  agents: { defaults: { model: "example/large-1" } },
  channels: {
    irc: { enabled: true, host: "irc.example.org", nick: "helper" },
  },
}
`;

const CALLER = { client: { id: "webchat-ui", mode: "webchat", version: "1" } } as unknown as Caller;

export class ScriptedConfig {
  readonly #dir = mkdtempSync(join(tmpdir(), "page-config-"));
  readonly #path = join(this.#dir, "openclaw.json");
  #loaded: LoadedConfig;
  #versions: (ConfigVersion & { text: string })[] = [];
  #author: string | null = null;
  #now = (): number => Date.now();
  #isOn = false;
  readonly #methods: ReturnType<typeof configMethods>;

  constructor() {
    writeFileSync(this.#path, EXAMPLE);
    this.#loaded = this.#read();
    this.#methods = configMethods({
      read: () => this.#read(),
      loaded: () => this.#loaded,
      configuration: () => this.#loaded,
      answers: new AnswerCache(silentMetrics),
      reload: async () => this.#take(),
      writeOptions: { env: {}, home: "/" },
      noteAuthor: (_, author) => void (this.#author = author),
      now: () => this.#now(),
      fileStamp: () => null,
      restart: () => {},
      versions: {
        list: () => this.#versions.map(({ id, at, author, changes, bytes }) => ({ id, at, author, changes, bytes })),
        text: (id) => this.#versions.find((each) => each.id === id)?.text,
      },
    });
  }

  #read(): LoadedConfig {
    return loadConfig({ path: this.#path, env: {}, home: "/" });
  }

  #take(): void {
    const next = this.#read();
    const changes = diffConfig(this.#loaded.config, next.config);
    if (this.#versions.length === 0) this.#keep(this.#loaded, null, []);
    this.#keep(next, this.#author, changes);
    this.#author = null;
    this.#loaded = next;
  }

  #keep({ raw }: LoadedConfig, author: string | null, changes: ConfigVersion["changes"]): void {
    const text = redactText(raw ?? "{}") ?? "";
    this.#versions.unshift({
      id: this.#versions.length + 1,
      at: this.#now(),
      author,
      changes,
      bytes: text.length,
      text,
      current: false,
    } as never);
  }

  reset(): void {
    this.#isOn = false;
  }

  /** From now on it answers, instead of the few lines that the channels need. */
  fill(text = EXAMPLE): void {
    this.#isOn = true;
    this.#versions = [];
    this.#now = () => Date.now();
    writeFileSync(this.#path, text);
    this.#loaded = this.#read();
  }

  /** The file as somebody else leaves it. */
  edit(text: string): void {
    writeFileSync(this.#path, text);
    this.#take();
  }

  /** Every time is this one. */
  freeze(now: number): void {
    this.#now = () => now;
  }

  file(): string {
    return this.#read().raw ?? "";
  }

  /** Undefined for a method that is none of these. Rejects with GatewayError. */
  answer(method: string, params: Params): unknown {
    if (!this.#isOn || !Object.hasOwn(this.#methods, method)) return undefined;
    const { run } = this.#methods[method as keyof ReturnType<typeof configMethods>];
    return new Promise((resolve) => resolve((run as (params: Params, caller: Caller) => unknown)(params, CALLER))).then((value) => {
      const { path, ...rest } = (value instanceof EncodedJson ? JSON.parse(value.toString()) : value) as Params;
      return { ...rest, ...(path !== undefined && { path: "/home/ann/.openclaw/openclaw.json" }) };
    });
  }

  close(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
