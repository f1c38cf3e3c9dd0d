// Node hosts that run programs and give files, here and in another network, while they and the gateway are killed.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { ProtocolClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import { modelConfig } from "../wire/gateway-process.ts";
import { CuttableLine } from "./cuttable-line.ts";
import { KillableGateway, sleep } from "./killable-gateway.ts";
import { KillableNodeHost } from "./killable-node-host.ts";
import { SeededRandom } from "./seeded-random.ts";

/** For commands that are open when no one is killed any more: longer than a node may be gone. */
const SETTLE_MS = 120_000;
/** For a host to connect: OpenClaw's waits longer after each failed attempt. */
const CONNECT_MS = 120_000;
/** Commands at the same time, on each node. */
const WRITERS = 2;
/** OpenClaw's host keeps no answers, so that a command waits for its loss; the others go on meanwhile. */
const OFFICIAL_WRITERS = 12;

export type NodeCampaignOptions = {
  kills: number;
  seed: number;
  main?: string;
  /** The node `cellar` runs in a network namespace of its own; needs root. */
  isNetworked?: boolean;
  /** Entry file of OpenClaw's command line: its node host takes part instead of ours, and its connection is cut as well. */
  official?: string;
  /** No more kills after this time. */
  limitMs?: number;
  say?: (line: string) => void;
};

export type NodeCampaignSummary = {
  /** By what was killed: `gateway`, the name of a node, or `line`. */
  kills: Record<string, number>;
  /** Commands by how they ended, as the caller heard it: `ok`, or the code of the error. */
  ends: Record<string, number>;
  faults: string[];
};

/** What a command must end with, and what it leaves behind. */
type Expected = { key: string; node: string; mark: string | null; end: string | null };

/** A second network of this machine, with one cable to it. */
class SecondNetwork {
  readonly address = "10.78.0.1";
  readonly #name = `oc-node-${process.pid}`;
  readonly #near = `oc${process.pid % 100_000}a`;
  readonly #far = `oc${process.pid % 100_000}b`;
  readonly prefix = ["ip", "netns", "exec", this.#name];

  start(): void {
    ip("netns", "add", this.#name);
    ip("link", "add", this.#near, "type", "veth", "peer", "name", this.#far, "netns", this.#name);
    ip("addr", "add", `${this.address}/24`, "dev", this.#near);
    ip("link", "set", this.#near, "up");
    for (const device of ["lo", this.#far]) ip("-n", this.#name, "link", "set", device, "up");
    ip("-n", this.#name, "addr", "add", "10.78.0.2/24", "dev", this.#far);
  }

  stop(): void {
    ip("netns", "del", this.#name);
  }
}

const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe" });

export class NodeCampaign {
  readonly #options: NodeCampaignOptions;
  readonly #random: SeededRandom;
  readonly #network: SecondNetwork | null;
  readonly #gateway: KillableGateway;
  readonly #hosts: readonly KillableNodeHost[];
  /** Null: the nodes are connected directly. */
  readonly #line: CuttableLine | null;
  readonly #kills: NodeCampaignSummary["kills"] = { gateway: 0, line: 0, attic: 0, cellar: 0 };
  readonly #commands: Expected[] = [];
  #isKilling = true;
  #lastKillAt = 0;
  #isOver = false;

  constructor(options: NodeCampaignOptions) {
    const { main, seed, isNetworked = false, official } = options;
    this.#options = options;
    this.#random = new SeededRandom(seed);
    this.#network = isNetworked ? new SecondNetwork() : null;
    const scopes = ["operator.admin", "operator.read", "operator.write", "operator.pairing", "operator.approvals"];
    this.#gateway = new KillableGateway({ main, scopes });
    const far = this.#network ? { prefix: this.#network.prefix, address: this.#network.address } : {};
    this.#line = official === undefined ? null : new CuttableLine(() => this.#gateway.port);
    this.#hosts =
      official === undefined
        ? [new KillableNodeHost("attic", { main }), new KillableNodeHost("cellar", { main, ...far })]
        : [new KillableNodeHost("attic", { main: official, isOfficial: true })];
  }

  async run(): Promise<NodeCampaignSummary> {
    const hosts = this.#hosts;
    const writers = this.#line ? OFFICIAL_WRITERS : WRITERS;
    try {
      this.#network?.start();
      await this.#line?.open();
      await this.#pair();
      const approving = this.#approve();
      await Promise.all([this.#kill(), ...hosts.flatMap((host) => Array.from({ length: writers }, () => this.#write(host)))]);
      this.#isOver = true;
      await approving;
      await this.#gateway.end("SIGTERM");
      return this.#judge();
    } finally {
      this.#isOver = true;
      await Promise.all([this.#gateway.end("SIGKILL"), ...hosts.map((host) => host.kill())]);
      await this.#line?.close();
      this.#network?.stop();
      this.#gateway.remove();
      for (const host of hosts) host.remove();
    }
  }

  async #pair(): Promise<void> {
    // OpenClaw's hosts with protocol 3 do not say what kind of device they are, so that they have no programs without these names.
    const nodes = { commands: { allow: ["system.run", "system.run.prepare", "system.which"] } };
    const gateway = { ...(this.#network && { bind: "lan" }), ...(this.#line && { nodes }) };
    await this.#gateway.prepare({ ...modelConfig("http://127.0.0.1:9"), gateway });
    this.#gateway.start();
    await (await this.#gateway.connect()).close();
    for (const host of this.#hosts) {
      await (this.#line ? this.#pairOfficial(host) : this.#pairByCode(host));
      await this.#untilConnected(host);
    }
  }

  async #pairByCode(host: KillableNodeHost): Promise<void> {
    const params = { bootstrapProfile: "node", includeQr: false };
    const { setupCode } = await this.#gateway.call<{ setupCode: string }>("device.pair.setupCode", params);
    host.start(this.#gateway.port, { args: ["--pair", setupCode] });
  }

  async #pairOfficial(host: KillableNodeHost): Promise<void> {
    this.#start(host);
    await this.#untilConnected(host);
    const { pending } = await this.#gateway.call<{ pending: { requestId: string }[] }>("node.pair.list", {});
    await this.#gateway.call("node.pair.approve", { requestId: pending[0]!.requestId });
  }

  #start(host: KillableNodeHost): void {
    if (this.#line) host.start(this.#line.port, { env: { OPENCLAW_GATEWAY_TOKEN: this.#gateway.token() } });
    else host.start(this.#gateway.port);
  }

  async #untilConnected(host: KillableNodeHost, ms = CONNECT_MS): Promise<void> {
    const end = Date.now() + ms;
    for (;;) {
      const { nodes } = await this.#gateway.call<{ nodes: { displayName: string; connected: boolean }[] }>("node.list", {});
      if (nodes.some((node) => node.displayName === host.name && node.connected)) return;
      // OpenClaw's older host ends with its connection; its service starts it again.
      if (host.hasEnded) this.#start(host);
      if (Date.now() > end) throw new Error(`the node ${host.name} did not connect:\n${host.output}`);
      await sleep(100);
    }
  }

  async #kill(): Promise<void> {
    const { kills, limitMs = Infinity, say } = this.#options;
    const end = Date.now() + limitMs;
    for (let count = 0; count < kills && Date.now() < end; count++) {
      await sleep(100 + this.#random.next() * 900);
      const what = await this.#killOne();
      if (count % 10 === 9) say?.(`${count + 1} of ${kills}, the last one: ${what}; ${this.#commands.length} commands`);
    }
    this.#isKilling = false;
    this.#lastKillAt = Date.now();
  }

  async #killOne(): Promise<string> {
    const gateway = this.#gateway;
    const host = this.#random.pick(this.#hosts);
    const what = this.#line ? this.#random.weighted({ line: 6, gateway: 2.5, node: 1.5 }) : this.#random.pick(["gateway", "node"] as const);
    this.#kills[what === "node" ? host.name : what]!++;
    if (what === "line") this.#line!.cut();
    if (what === "node") {
      await host.kill();
      this.#start(host);
    }
    if (what === "gateway") {
      await gateway.end("SIGKILL");
      gateway.start();
      if (this.#random.chance(0.8)) await (await gateway.connect()).close();
    }
    if (this.#random.chance(0.65)) await this.#untilConnected(host);
    return what === "node" ? host.name : what;
  }

  /** A person who agrees to everything. */
  async #approve(): Promise<void> {
    while (!this.#isOver) {
      const client = await this.#gateway.tryConnect();
      try {
        if (client === null) continue;
        while (!this.#isOver) {
          const open = await client.request<{ id: string }[]>("exec.approval.list", {});
          for (const { id } of open) await client.request("exec.approval.resolve", { id, decision: "allow-once" }).catch(ignoreClientError);
          await sleep(50);
        }
      } catch (err) {
        ignoreClientError(err);
      } finally {
        await client?.close();
        await sleep(50);
      }
    }
  }

  /** Commands one after the other, each with its key until the gateway says how it ended. */
  async #write(host: KillableNodeHost): Promise<void> {
    while (this.#isKilling) {
      const index = this.#commands.length;
      const expected: Expected = { key: `k${index}`, node: host.name, mark: null, end: null };
      this.#commands.push(expected);
      const params = { nodeId: host.name, idempotencyKey: expected.key, ...this.#nextCommand(host, expected) };
      // While there are kills, a call may break off any number of times.
      while (expected.end === null && (this.#isKilling || Date.now() < this.#lastKillAt + SETTLE_MS)) {
        expected.end = await this.#invoke(params);
        if (expected.end === null) await sleep(100);
      }
      await sleep(this.#random.next() * 200);
    }
  }

  #nextCommand(host: KillableNodeHost, expected: Expected): object {
    const kind = this.#random.next();
    if (kind < 0.2 && host.files !== null) return { command: "file.fetch", params: { path: join(host.files, "note") } };
    if (kind < 0.3) return { command: "system.which", params: { bins: ["sh"] } };
    expected.mark = expected.key;
    const seconds = kind < 0.4 ? 30 : (this.#random.next() * 0.8).toFixed(2);
    const params = { command: [host.program, expected.key, String(seconds)] };
    return { command: "system.run", params, ...(seconds === 30 && { timeoutMs: 2_000 }) };
  }

  /** How the command ended; null: that is not known yet. */
  async #invoke(params: object): Promise<string | null> {
    let client: ProtocolClient | null = null;
    try {
      client = await this.#gateway.tryConnect();
      if (client === null) return null;
      await client.request("node.invoke", params, { timeoutMs: SETTLE_MS });
      return "ok";
    } catch (err) {
      if (!(err instanceof ClientError)) throw err;
      const { code } = err.details as { code?: string };
      return code !== undefined && FINAL_CODES.includes(code) ? code : null;
    } finally {
      await client?.close();
    }
  }

  #judge(): NodeCampaignSummary {
    const summary: NodeCampaignSummary = { kills: this.#kills, ends: {}, faults: [] };
    type Row = { key: string; state: string; ended_at: number | null };
    const rows = this.#gateway.rows<Row>("SELECT key, state, ended_at FROM node_invocations");
    for (const { key, node, mark, end } of this.#commands) {
      const fault = (what: string): void => void summary.faults.push(`${key} on ${node}: ${what}`);
      summary.ends[end ?? "none"] = (summary.ends[end ?? "none"] ?? 0) + 1;
      const found = rows.filter((row) => row.key === key);
      if (end === null) fault(`its caller never heard of its end (${JSON.stringify(found)})`);
      else if (found.length !== 1) fault(`${found.length} rows have its key`);
      else if (found[0]!.ended_at === null) fault(`it has not ended: ${found[0]!.state}`);
      const count =
        mark === null
          ? 0
          : (this.#hosts
              .find(({ name }) => name === node)!
              .counts()
              .get(mark) ?? 0);
      if (count > 1) fault(`it ran ${count} times`);
      if (end === "ok" && mark !== null && count !== 1) fault("it counts as done, and did not run");
    }
    return summary;
  }
}

/** With these a command has ended; with any other error it was not sent, or its end is not known. */
const FINAL_CODES: readonly string[] = ["NODE_COMMAND_FAILED", "NODE_TIMEOUT", "NODE_DISCONNECTED", "NODE_CANCELLED"];

function ignoreClientError(err: unknown): void {
  if (!(err instanceof ClientError)) throw err;
}
