// The gateway build that a part measures.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ProtocolClient } from "../../src/client/client.ts";
import type { ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, WARM_AGENTS, type GatewayUnderTest } from "../wire/gateway-process.ts";
import { Figures } from "./measure.ts";

export type Config = Record<string, Record<string, unknown>>;

/** One figure-producing part of the benchmark. `measure` makes one run with one build. */
export type Part = {
  name: string;
  /** One sentence for `--help` and the documentation. */
  about: string;
  /** Runs at most, for parts that take long. */
  maxRuns?: number;
  /** The first run only fills the compile cache. */
  discardFirst?: true;
  /** Runs only when it is named. */
  onRequest?: true;
  measure(subject: Subject, options: { minutes: number }): Promise<void>;
};

/** A build under measurement with its figures. */
export class Subject {
  readonly main: string;
  readonly model: ModelServer;
  readonly #cache: string;
  figures = new Figures();

  constructor(main: string, model: ModelServer, cache: string) {
    this.main = main;
    this.model = model;
    this.#cache = cache;
  }

  record: Figures["record"] = (...args) => this.figures.record(...args);

  /** The environment of every process of this build, which starts its agents as an installed one does. */
  env(): Record<string, string> {
    return { ...WARM_AGENTS, NODE_COMPILE_CACHE: this.#cache };
  }

  /** The configuration with the scripted model, whose context window holds long conversations. */
  config(more: Config = {}): Config {
    const config = structuredClone(modelConfig(this.model.url)) as Config;
    const { models } = (config["models"]!["providers"] as Record<string, { models: Record<string, unknown>[] }>)["test"]!;
    models[0]!["contextWindow"] = 2_000_000;
    const agents = { ...config["agents"], ...more["agents"] };
    Object.assign(agents, { defaults: { ...(config["agents"]!["defaults"] as object), ...(more["agents"]?.["defaults"] as object) } });
    return { ...config, ...more, agents };
  }

  start(home: string, config: unknown): Promise<GatewayUnderTest> {
    return startGateway({ main: this.main, env: this.env(), home, ...(config === null ? {} : { config }) });
  }

  /** Runs `work` with a gateway in a new home; `prepare` fills the home before the start. */
  async withGateway(
    config: unknown,
    work: (gateway: GatewayUnderTest) => Promise<void>,
    prepare: (home: string) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const home = newHome();
    let gateway: GatewayUnderTest | undefined;
    try {
      await prepare(home);
      gateway = await this.start(home, config);
      await work(gateway);
    } finally {
      await gateway?.kill();
      dropHome(home);
    }
  }
}

export type Talker = { client: ProtocolClient; turn: (sessionKey: string, message: string) => Promise<void>; close: () => void };

/** A client that sends messages and waits for the end of each turn. */
export async function openTalker(gateway: GatewayUnderTest): Promise<Talker> {
  const client = await gateway.connect();
  await client.request("sessions.subscribe", {});
  const ends = new Map<string, PromiseWithResolvers<void>>();
  client.on((event) => {
    const { runId, state } = event.payload as { runId?: string; state?: string };
    if (event.event !== "chat" || runId === undefined) return;
    if (state === "final") ends.get(runId)?.resolve();
    else if (state === "error" || state === "aborted") ends.get(runId)?.reject(new Error(`a turn ended with ${state}`));
  });
  const turn = async (sessionKey: string, message: string): Promise<void> => {
    const idempotencyKey = crypto.randomUUID();
    const end = Promise.withResolvers<void>();
    ends.set(idempotencyKey, end);
    await client.request("chat.send", { sessionKey, message, idempotencyKey });
    await end.promise;
    ends.delete(idempotencyKey);
  };
  return { client, turn, close: () => client.close() };
}

export type Watchers = { received: () => Promise<number>; close: () => void };

/** Clients in a process of their own that watch every session. */
export async function openWatchers(gateway: GatewayUnderTest, count: number): Promise<Watchers> {
  const script = fileURLToPath(new URL("./listeners.ts", import.meta.url));
  const helper = spawn(process.execPath, [script, gateway.url, gateway.token(), String(count)], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  helper.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await until(`${count} clients`, () => output.includes("ready"), 120_000);
  return {
    received: async () => {
      const before = output.length;
      helper.stdin.write("count\n");
      await until("the count of the clients", () => output.indexOf("\n", before) !== -1, 30_000);
      return Number(/received (\d+)/.exec(output.slice(before))![1]);
    },
    close: () => void helper.kill(),
  };
}

export const cacheDir = (home: string, index: number): string => join(home, `compile-cache-${index}`);
