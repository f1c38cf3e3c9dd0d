import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IrcClient } from "../channel-kit/irc-client.ts";
import { freePort, noNgircd, startNgircd, type Ngircd } from "../channel-kit/ngircd.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { seedPiCache } from "../wire/warm-start.ts";
import { dropHome, modelConfig, newHome, stateDir } from "../wire/gateway-process.ts";

export const BOT = "gw";
export const PERSON = "ann";
export const ROOM = "#crash";

/** What outlives the gateway: the model, the IRC server with a person on it, the files that tools write. */
export class CrashBench {
  readonly model: ModelServer;
  readonly irc: { server: Ngircd; peer: IrcClient } | null;
  readonly dir: string;
  home: string;
  port: number;
  /** Turns that may run at the same time in this home. */
  maxConcurrent = 2;
  /** A person is asked before each command; clients agree to it. */
  readonly asks: boolean;

  private constructor(model: ModelServer, irc: CrashBench["irc"], { dir, port, asks }: { dir: string; port: number; asks: boolean }) {
    this.asks = asks;
    this.model = model;
    this.irc = irc;
    this.dir = dir;
    this.port = port;
    this.home = "";
    this.reset();
  }

  static async open({ asks = false } = {}): Promise<CrashBench> {
    const model = await startModelServer();
    const server = noNgircd ? null : await startNgircd();
    const irc = server && { server, peer: await IrcClient.join(server.port, PERSON, [ROOM]) };
    return new CrashBench(model, irc, { dir: mkdtempSync(join(tmpdir(), "crash-")), port: await freePort(), asks });
  }

  /** A line of a tool's marker for every time that the tool ran. */
  get toolLog(): string {
    return join(this.dir, "tools.log");
  }

  /** Sessions that clients use: more than may run at once, but not many more. */
  get sessions(): readonly string[] {
    return Array.from({ length: Math.max(3, this.maxConcurrent) }, (_, at) => `s${at}`);
  }

  get database(): string {
    return join(stateDir(this.home), "gateway", "gateway.db");
  }

  token(): string {
    return readFileSync(join(stateDir(this.home), "gateway", "token"), "utf8").trim();
  }

  /** Resets everything: an empty home and an empty record of requests and answers. */
  reset(maxConcurrent = 2): void {
    this.maxConcurrent = maxConcurrent;
    if (this.home) dropHome(this.home);
    this.home = newHome();
    mkdirSync(stateDir(this.home), { recursive: true });
    seedPiCache(stateDir(this.home));
    writeFileSync(join(stateDir(this.home), "openclaw.json"), JSON.stringify(this.#config()));
    writeFileSync(this.toolLog, "");
    this.model.clear();
    this.irc?.peer.lines.splice(0);
  }

  #config(): unknown {
    const base = modelConfig(this.model.url);
    const channel = {
      host: "127.0.0.1",
      port: this.irc?.server.port,
      tls: false,
      nick: BOT,
      channels: [ROOM],
      dmPolicy: "open",
      allowFrom: ["*"],
      groupPolicy: "open",
      flood: { burst: 100, intervalMs: 0 },
    };
    return {
      ...base,
      agents: { defaults: { model: { primary: "test/echo" }, maxConcurrent: this.maxConcurrent, skipBootstrap: true } },
      ...(this.asks && { tools: { exec: { mode: "ask", host: "gateway" } } }),
      gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } },
      ...(this.irc ? { channels: { irc: channel } } : {}),
    };
  }

  async close(): Promise<void> {
    this.irc?.peer.close();
    await this.irc?.server.close();
    await this.model.close();
    dropHome(this.home);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
