import type { ProtocolClient } from "../../src/client/client.ts";
import { findCrashPoints } from "../crash/crash-points.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "../wire/gateway-process.ts";
import { join } from "node:path";
import { mkdirSync, writeFileSync } from "node:fs";
import type { PlatformUser, PlatformHarness, ScenarioPolicy } from "./platform-harness.ts";

type StatusRow = { connected?: boolean; running?: boolean; lastError?: string | null };
type DeadLetter = { id: string; kind: string; state: string; cause: string; text: string };

export type ScenarioOptions = {
  /** Everybody may use the commands that change a room, which are the owners' otherwise. */
  commandsForAll?: boolean;
  queueMode?: "followup";
  /** Tools that people on the channel have. */
  tools?: readonly string[];
  /** Entry file of the gateway; its sources by default. */
  main?: string;
  /** Environment of the gateway. */
  env?: Readonly<Record<string, string>>;
};

/** The model of the tests can be shown pictures. */
function withImageInput(config: Record<string, unknown>): Record<string, unknown> {
  const { models } = structuredClone(config) as { models: { providers: { test: { models: { input?: string[] }[] } } } };
  models.providers.test.models[0]!.input = ["text", "image"];
  return { ...config, models };
}

/** Plays one scenario with a process of its own. */
export async function runScenario(
  id: string,
  open: () => Promise<PlatformHarness>,
  policy: ScenarioPolicy,
  work: (run: ScenarioRun, ann: PlatformUser, bob: PlatformUser) => Promise<void>,
  options: ScenarioOptions = {},
): Promise<void> {
  const run = await ScenarioRun.open(id, await open(), policy, options);
  try {
    await work(run, ...run.platform.users);
  } finally {
    await run.close();
  }
}

/** The whole process with one channel, a model and people. */
export class ScenarioRun {
  readonly id: string;
  readonly platform: PlatformHarness;
  readonly model: ModelServer;
  readonly home = newHome();
  #gateway: GatewayUnderTest | null = null;
  #operator: ProtocolClient | null = null;
  #port: number | undefined;
  /** There is a block of the configuration, and with it a connection to wait for. */
  #isConfigured = false;
  readonly #options: ScenarioOptions;

  private constructor(id: string, platform: PlatformHarness, model: ModelServer, options: ScenarioOptions) {
    this.#options = options;
    this.id = id;
    this.platform = platform;
    this.model = model;
  }

  get gateway(): GatewayUnderTest {
    if (!this.#gateway) throw new Error("the gateway was not started");
    return this.#gateway;
  }

  get operator(): ProtocolClient {
    if (!this.#operator) throw new Error("the gateway was not started");
    return this.#operator;
  }

  static async open(id: string, platform: PlatformHarness, policy: ScenarioPolicy, options: ScenarioOptions = {}): Promise<ScenarioRun> {
    const run = new ScenarioRun(id, platform, await startModelServer(), options);
    try {
      run.writeConfig(policy);
      await run.start();
      return run;
    } catch (err) {
      await run.close();
      throw err;
    }
  }

  /** Writes the configuration; a running gateway takes it over by itself. `more`: further keys of the channel's block. */
  writeConfig({ mentionPatterns, ...policy }: ScenarioPolicy, more: Readonly<Record<string, unknown>> = {}): void {
    const block = this.platform.config(policy);
    this.#isConfigured = block !== null;
    const { queueMode, tools, commandsForAll } = this.#options;
    const config = {
      ...withImageInput(modelConfig(this.model.url)),
      agents: {
        defaults: { model: { primary: "test/echo" }, skipBootstrap: true },
        ...(tools && { entries: { main: { tools: { allow: tools } } } }),
      },
      session: { dmScope: "per-channel-peer" },
      ...(commandsForAll && { commands: { allowFrom: { "*": ["*"] } } }),
      messages: { ...(queueMode && { queue: { mode: queueMode } }), ...(mentionPatterns && { groupChat: { mentionPatterns } }) },
      ...(block && { channels: { [this.id]: { ...block, ...more } } }),
    };
    writeFileSync(join(stateDir(this.#ensureState()), "openclaw.json"), JSON.stringify(config));
  }

  #ensureState(): string {
    mkdirSync(stateDir(this.home), { recursive: true });
    return this.home;
  }

  /** Starts the process on the same state and waits for the channel. `crashAt`: a marked point, which may come before that. */
  async start(crashAt?: string): Promise<void> {
    await this.startWithOperator(crashAt);
    await this.untilConnected();
  }

  /** Starts the process and connects as its operator, whatever becomes of the channel. */
  async startWithOperator(crashAt?: string): Promise<void> {
    await this.startProcess(crashAt);
    this.#operator = await this.gateway.connect();
  }

  /** Starts the process and does not wait for anything but its port. */
  async startProcess(crashAt?: string): Promise<void> {
    const { main, env = {} } = this.#options;
    const point = crashAt?.split(":")[0];
    if (point !== undefined && !findCrashPoints().includes(point)) throw new Error(`there is no crash point "${point}"`);
    this.#gateway = await startGateway({
      home: this.home,
      ...(this.#port === undefined ? {} : { port: this.#port }),
      ...(main === undefined ? {} : { main }),
      env: { ...env, ...(crashAt && { OPENCLAW_GATEWAY_CRASH_AT: crashAt }) },
    });
    this.#port = this.gateway.port;
    this.platform.onGatewayListening?.(this.gateway.http, this.gateway);
  }

  async untilConnected(): Promise<void> {
    if (!this.#isConfigured) return;
    let last: StatusRow | undefined;
    await until(`${this.id} to be connected`, async () => {
      const status = await this.operator.request<{ channelAccounts: Record<string, StatusRow[]> }>("channels.status", {});
      last = status.channelAccounts[this.id]?.[0];
      return last?.connected;
    }).catch((err: Error) => {
      throw new Error(`${err.message}; ${JSON.stringify(last)}\n${this.gateway.output().slice(-1_500)}`);
    });
  }

  /** The process dies as if the power went. */
  async kill(): Promise<void> {
    await this.gateway.kill("SIGKILL");
    await this.operator.close().catch(() => undefined);
  }

  /** Says what brings the process to its marked point, and starts it again. A platform that pushes tries until then. */
  async sendIntoCrash(person: PlatformUser, text: string): Promise<void> {
    const said = Promise.resolve(this.platform.sendMessage(person, "direct", text));
    await this.gateway.ended;
    await this.operator.close().catch(() => undefined);
    await this.start();
    await said;
  }

  /** Waits until the bot has said a text that fits, anywhere. */
  async untilAnswered(pattern: RegExp, times = 1): Promise<void> {
    await until(`${times} × ${String(pattern)}`, () => this.countAnswers(pattern) >= times).catch((err: Error) => {
      throw new Error(`${err.message}; heard: ${JSON.stringify(this.platform.botMessages().slice(-8))}`);
    });
  }

  countAnswers(pattern: RegExp): number {
    return this.platform.botMessages().filter((each) => pattern.test(each.text)).length;
  }

  async deadLetters(): Promise<DeadLetter[]> {
    return (await this.operator.request<{ items: DeadLetter[] }>("deadletters.list", {})).items;
  }

  /** Nothing runs, waits or is being sent any more, for a moment. */
  async untilIdle(): Promise<void> {
    let calm = 0;
    await until(
      "quiet",
      async () => {
        const { sessions } = await this.operator.request<{ sessions: { hasActiveRun: boolean; queuedInputs: number }[] }>("sessions.list", {
          limit: 1_000,
        });
        const said = this.platform.botMessages().length;
        await new Promise((resolve) => setTimeout(resolve, 60));
        const busy = sessions.some((row) => row.hasActiveRun || row.queuedInputs > 0) || said !== this.platform.botMessages().length;
        calm = busy ? 0 : calm + 1;
        return calm > 4;
      },
      60_000,
    );
  }

  /** Every message is answered and every part has left: what an earlier process left open is over. Then the process ends. */
  async settleAndStop(): Promise<void> {
    await this.untilIdle();
    await until("an empty inbox and outbox", async () => (await this.#openRows()) === 0, 60_000);
    await this.untilIdle();
    await this.gateway.kill();
  }

  async #openRows(): Promise<number> {
    const answer = await fetch(`${this.gateway.http}/metrics`, { headers: { authorization: `Bearer ${this.gateway.token()}` } });
    const rows = (await answer.text()).matchAll(/^gateway_turns_(?:inbox|outbox)_rows\{state="(?:queued|running|attempting)"\} (\d+)$/gm);
    return [...rows].reduce((total, [, count]) => total + Number(count), 0);
  }

  async close(): Promise<void> {
    await this.#operator?.close().catch(() => undefined);
    await this.#gateway?.kill();
    await this.model.close();
    await this.platform.close();
    dropHome(this.home);
  }
}
