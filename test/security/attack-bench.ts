// A real gateway, a witness that uses it like any good client, and sockets that behave badly.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { connect as tcp, type Socket } from "node:net";
import { join } from "node:path";
import type { ProtocolClient } from "../../src/client/client.ts";
import { OPCODE, toBytes } from "../fuzz/raw-socket.ts";
import { within } from "../until.ts";
import { dropHome, newHome, startGateway, stateDir, type GatewayUnderTest } from "../wire/gateway-process.ts";

/** A good client that waits longer than this is kept out. */
const WITNESS_MS = 15_000;
const MIB = 1_048_576;
/** What one hostile peer may make the gateway hold: the totals of its limits, and what a runtime needs beside them. */
const MEMORY_BYTES = 900 * MIB;
const DISK_BYTES = 64 * MIB;
const DESCRIPTORS = 1_024;

const inTime = <T>(what: string, work: Promise<T>): Promise<T> => within(`the answer of ${what}`, work, WITNESS_MS);

export type HostileAct = readonly [title: string, run: (scene: AttackBench) => Promise<void> | void];

/** One gateway and everything that was opened to it. */
export class AttackBench {
  readonly gateway: GatewayUnderTest;
  readonly home: string;
  readonly #witness: ProtocolClient;
  readonly #sockets = new Set<Socket>();
  /** A token that may only read. */
  readonly token: string;

  private constructor(gateway: GatewayUnderTest, home: string, witness: ProtocolClient, token: string) {
    this.gateway = gateway;
    this.home = home;
    this.#witness = witness;
    this.token = token;
  }

  static async open(config: unknown): Promise<AttackBench> {
    const home = newHome();
    const gateway = await startGateway({ home, config });
    const witness = await gateway.connect();
    const { token } = await witness.request<{ token: string }>("tokens.create", { name: "reader", scopes: ["operator.read"] });
    return new AttackBench(gateway, home, witness, token);
  }

  get port(): number {
    return this.gateway.port;
  }

  /** A peer that sends this and keeps its side open. It reads only when `deaf` is false. */
  peer(text: string | Buffer = "", { from = "127.0.0.1", deaf = false }: { from?: string; deaf?: boolean } = {}): Promise<Socket> {
    return new Promise((resolve) => {
      const socket = tcp({ port: this.port, host: "127.0.0.1", localAddress: from, allowHalfOpen: true }, () => {
        if (text.length > 0) socket.write(text);
        resolve(socket);
      });
      this.#sockets.add(socket);
      socket.on("error", () => resolve(socket));
      socket.on("close", () => this.#sockets.delete(socket));
      if (deaf) socket.pause();
      else socket.resume();
    });
  }

  peers(count: number, text: (index: number) => string | Buffer, options: { from?: string; deaf?: boolean } = {}): Promise<Socket[]> {
    return Promise.all(Array.from({ length: count }, (_, index) => this.peer(text(index), options)));
  }

  /** What a peer is answered, until the connection ends or nothing more can come. */
  async answerTo(text: string | Buffer): Promise<string> {
    const socket = await this.peer(text);
    let heard = "";
    return new Promise((resolve) => {
      socket.on("data", (data: Buffer) => {
        heard += data.toString("latin1");
        if (/^HTTP\/1\.1 \d{3} [\s\S]*\r\n\r\n/.test(heard)) resolve(heard);
      });
      socket.on("close", () => resolve(heard));
    });
  }

  head(method: string, path: string, headers: Readonly<Record<string, string>> = {}): string {
    const lines = Object.entries({ Host: `127.0.0.1:${this.port}`, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
  }

  upgrade(path = "/", headers: Readonly<Record<string, string>> = {}): string {
    const key = randomBytes(16).toString("base64");
    return this.head("GET", path, {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
      ...headers,
    });
  }

  frame(value: unknown): Buffer {
    return toBytes({ opcode: OPCODE.text, payload: Buffer.from(typeof value === "string" ? value : JSON.stringify(value)) });
  }

  request(id: string, method: string, params: unknown = {}): Buffer {
    return this.frame({ type: "req", id, method, params });
  }

  /** A WebSocket that has signed in with the read-only token; `deaf`: it reads nothing from then on. */
  async reader({ deaf = false }: { deaf?: boolean } = {}): Promise<Socket> {
    const socket = await this.peer(this.upgrade());
    const client = { id: "cli", version: "1", platform: "linux", mode: "cli" };
    const params = { minProtocol: 4, maxProtocol: 4, client, role: "operator", scopes: ["operator.read"], auth: { token: this.token } };
    let heard = "";
    await new Promise<void>((resolve, reject) => {
      const read = (data: Buffer): void => {
        const before = heard;
        heard += data.toString("latin1");
        if (heard.includes("connect.challenge") && !before.includes("connect.challenge"))
          socket.write(this.request("c", "connect", params));
        if (!heard.includes("hello-ok")) return;
        socket.off("data", read);
        if (deaf) socket.pause();
        else socket.resume();
        resolve();
      };
      socket.on("data", read);
      for (const event of ["end", "close"]) socket.on(event, () => reject(new Error(`the reader was refused: ${heard.slice(-300)}`)));
    });
    return socket;
  }

  /** Sends requests, and resolves to whether each succeeded, when all are answered or the connection has ended. */
  async ask(requests: readonly (readonly [method: string, params: unknown])[]): Promise<Map<string, boolean>> {
    const socket = await this.reader();
    const answers = new Map<string, boolean>();
    let heard = "";
    const done = new Promise<void>((resolve) => {
      socket.on("data", (data: Buffer) => {
        heard += data.toString("latin1");
        for (const [, id, ok] of heard.matchAll(/\{"type":"res","id":"(\d+)","ok":(true|false)/g)) answers.set(id!, ok === "true");
        // An answer may be cut anywhere.
        heard = heard.slice(-60);
        if (answers.size >= requests.length) resolve();
      });
      socket.on("close", () => resolve());
    });
    for (const [index, [method, params]] of requests.entries()) socket.write(this.request(String(index), method, params));
    await done;
    socket.destroy();
    return answers;
  }

  /** Fails when a good client is kept out or frozen, or when the gateway holds more than its limits allow. Then everybody else goes. */
  async check(): Promise<void> {
    const health = await inTime("health", this.#witness.request<{ ok: boolean }>("health"));
    assert.equal(health.ok, true);
    const newcomer = await inTime("a new sign-in", this.gateway.connect());
    await inTime("sessions.list", newcomer.request("sessions.list", {}));
    await newcomer.close();
    const ready = await inTime("/readyz", fetch(`${this.gateway.http}/readyz`));
    assert.equal(ready.status, 200);
    const { pid } = this.gateway;
    const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1_024;
    assert.ok(resident < MEMORY_BYTES, `${Math.round(resident / MIB)} MiB are held`);
    assert.ok(readdirSync(`/proc/${pid}/fd`).length < DESCRIPTORS);
    assert.ok(bytesBelow(stateDir(this.home)) < DISK_BYTES, "the disk fills");
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#witness.close();
    await this.gateway.kill();
    dropHome(this.home);
  }
}

function bytesBelow(dir: string): number {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0), 0);
}
