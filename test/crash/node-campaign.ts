// Node hosts that run programs and give files, here and in another network, while they and the gateway are killed.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProtocolClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import { MAIN, modelConfig } from "../wire/gateway-process.ts";
import { COMPILE_CACHE } from "../wire/warm-start.ts";
import { KillableGateway, sleep } from "./killable-gateway.ts";
import { SeededRandom } from "./seeded-random.ts";

/** For commands that are open when no one is killed any more: longer than a node may be gone. */
const SETTLE_MS = 120_000;
/** Commands at the same time, on each node. */
const WRITERS = 2;
const NAMES = ["attic", "cellar"] as const;
type NodeName = (typeof NAMES)[number];

export type NodeCampaignOptions = {
  kills: number;
  seed: number;
  main?: string;
  /** The node `cellar` runs in a network namespace of its own; needs root. */
  isNetworked?: boolean;
  /** No more kills after this time. */
  limitMs?: number;
  say?: (line: string) => void;
};

export type NodeCampaignSummary = {
  kills: Record<"gateway" | NodeName, number>;
  /** Commands by how they ended, as the caller heard it: `ok`, or the code of the error. */
  ends: Record<string, number>;
  faults: string[];
};

/** What a command must end with, and what it leaves behind. */
type Expected = { key: string; node: NodeName; mark: string | null; end: string | null };

class KillableNodeHost {
  readonly name: NodeName;
  readonly home = mkdtempSync(join(tmpdir(), "killable-node-"));
  readonly marks = join(this.home, "marks");
  readonly files = join(this.home, "files");
  readonly #main: string;
  readonly #prefix: readonly string[];
  readonly #address: string;
  #child: ChildProcess | null = null;
  #output = "";

  constructor(
    name: NodeName,
    { main = MAIN, prefix = [], address = "127.0.0.1" }: { main?: string | undefined; prefix?: readonly string[]; address?: string },
  ) {
    this.name = name;
    this.#main = main;
    this.#prefix = prefix;
    this.#address = address;
    mkdirSync(this.files);
    writeFileSync(join(this.files, "note"), `from the ${name}`);
  }

  get output(): string {
    return this.#output;
  }

  start(port: number, ...more: string[]): void {
    const args = [
      this.#main,
      "node",
      "run",
      "--host",
      this.#address,
      "--port",
      String(port),
      "--display-name",
      this.name,
      "--files",
      this.files,
      ...more,
    ];
    const [program, ...rest] = [...this.#prefix, process.execPath, ...args];
    this.#child = spawn(program!, rest, {
      env: { PATH: process.env["PATH"] ?? "", HOME: this.home, TMPDIR: tmpdir(), NODE_COMPILE_CACHE: COMPILE_CACHE },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on("data", (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-4_000)));
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  /** How often each mark was written. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    if (!existsSync(this.marks)) return counts;
    for (const mark of readFileSync(this.marks, "utf8").split("\n").filter(Boolean)) counts.set(mark, (counts.get(mark) ?? 0) + 1);
    return counts;
  }
}

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
  readonly #hosts: Record<NodeName, KillableNodeHost>;
  readonly #kills: NodeCampaignSummary["kills"] = { gateway: 0, attic: 0, cellar: 0 };
  readonly #commands: Expected[] = [];
  #isKilling = true;
  #isOver = false;

  constructor(options: NodeCampaignOptions) {
    const { main, seed, isNetworked = false } = options;
    this.#options = options;
    this.#random = new SeededRandom(seed);
    this.#network = isNetworked ? new SecondNetwork() : null;
    const scopes = ["operator.admin", "operator.read", "operator.write", "operator.pairing", "operator.approvals"];
    this.#gateway = new KillableGateway({ main, scopes });
    const far = this.#network ? { prefix: this.#network.prefix, address: this.#network.address } : {};
    this.#hosts = { attic: new KillableNodeHost("attic", { main }), cellar: new KillableNodeHost("cellar", { main, ...far }) };
  }

  async run(): Promise<NodeCampaignSummary> {
    const hosts = NAMES.map((name) => this.#hosts[name]);
    try {
      this.#network?.start();
      await this.#pair();
      const approving = this.#approve();
      await Promise.all([this.#kill(), ...hosts.flatMap((host) => Array.from({ length: WRITERS }, () => this.#write(host)))]);
      this.#isOver = true;
      await approving;
      await this.#gateway.end("SIGTERM");
      return this.#judge();
    } finally {
      this.#isOver = true;
      await Promise.all([this.#gateway.end("SIGKILL"), ...hosts.map((host) => host.kill())]);
      this.#network?.stop();
      this.#gateway.remove();
      for (const { home } of hosts) rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  }

  async #pair(): Promise<void> {
    const bind = this.#network ? { gateway: { bind: "lan" } } : {};
    await this.#gateway.prepare({ ...modelConfig("http://127.0.0.1:9"), ...bind });
    this.#gateway.start();
    for (const name of NAMES) {
      const params = { bootstrapProfile: "node", includeQr: false };
      const { setupCode } = await this.#gateway.call<{ setupCode: string }>("device.pair.setupCode", params);
      this.#hosts[name].start(this.#gateway.port, "--pair", setupCode);
      await this.#untilConnected(name);
    }
  }

  async #untilConnected(name: NodeName, ms = 60_000): Promise<void> {
    const end = Date.now() + ms;
    for (;;) {
      const { nodes } = await this.#gateway.call<{ nodes: { displayName: string; connected: boolean }[] }>("node.list", {});
      if (nodes.some((node) => node.displayName === name && node.connected)) return;
      if (Date.now() > end) throw new Error(`the node ${name} did not connect:\n${this.#hosts[name].output}`);
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
  }

  async #killOne(): Promise<string> {
    const gateway = this.#gateway;
    const name = NAMES[this.#random.int(0, NAMES.length - 1)]!;
    if (this.#random.chance(0.5)) {
      await this.#hosts[name].kill();
      this.#kills[name]++;
      this.#hosts[name].start(gateway.port);
      if (this.#random.chance(0.7)) await this.#untilConnected(name);
      return name;
    }
    await gateway.end("SIGKILL");
    this.#kills.gateway++;
    gateway.start();
    if (this.#random.chance(0.8)) await (await gateway.connect()).close();
    if (this.#random.chance(0.6)) await this.#untilConnected(name);
    return "gateway";
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
      const end = Date.now() + SETTLE_MS;
      while (expected.end === null && Date.now() < end) {
        expected.end = await this.#invoke(params);
        if (expected.end === null) await sleep(100);
      }
      await sleep(this.#random.next() * 200);
    }
  }

  #nextCommand(host: KillableNodeHost, expected: Expected): object {
    const kind = this.#random.next();
    if (kind < 0.2) return { command: "file.fetch", params: { path: join(host.files, "note") } };
    if (kind < 0.3) return { command: "system.which", params: { bins: ["sh"] } };
    expected.mark = expected.key;
    const seconds = kind < 0.4 ? 30 : (this.#random.next() * 0.8).toFixed(2);
    const script = `echo ${expected.key} >> ${host.marks}; sleep ${seconds}; echo ${expected.key} ran`;
    return { command: "system.run", params: { command: ["/bin/sh", "-c", script] }, ...(seconds === 30 && { timeoutMs: 2_000 }) };
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
      const count = mark === null ? 0 : (this.#hosts[node].counts().get(mark) ?? 0);
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
