// What a holder of a token that may only read may try. None of it changes, stops, freezes or fills the gateway for the others.
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, test } from "node:test";
import { SERVED_METHODS } from "../../src/protocol/served-methods.ts";
import { PUBLISHED_SCOPES } from "../../src/protocol/gen/scopes.js";
import { OPCODE, toBytes } from "../fuzz/raw-socket.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { modelConfig } from "../wire/gateway-process.ts";
import { AttackBench, type HostileAct } from "./attack-bench.ts";

let scene: AttackBench;
let model: ModelServer;
before(async () => {
  model = await startModelServer({ models: ["echo"] });
  scene = await AttackBench.open({ ...modelConfig(model.url), gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } } });
});
after(async () => {
  await scene.close();
  await model.close();
});

const READ: readonly string[] = SERVED_METHODS.filter((method) => (PUBLISHED_SCOPES as Record<string, string>)[method] === "operator.read");
const bearer = (): Record<string, string> => ({ Authorization: `Bearer ${scene.token}` });
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
const MIB = 1_048_576;
/** Not all at once: more sign-ins of one peer at a time than the limit are turned away. */
async function readers(count: number, options: { deaf?: boolean } = {}): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count)
    sockets.push(...(await Promise.all(times(Math.min(20, count - sockets.length), () => scene.reader(options)))));
  return sockets;
}
/** A frame of which only the beginning comes. */
const begun = (method: string, bytes: number, sent: number): Buffer => {
  const head = `{"type":"req","id":"big","method":"${method}","params":{"message":"`;
  return toBytes({ opcode: OPCODE.text, payload: Buffer.from(head.padEnd(sent, "x")), declared: BigInt(bytes) });
};

const piece = (opcode: number): Buffer => toBytes({ opcode, payload: Buffer.from("x"), fin: false });

const ACTS: readonly HostileAct[] = [
  [
    "calls every method, and gets nothing that changes something",
    async () => {
      const answers = await scene.ask(SERVED_METHODS.map((method) => [method, {}] as const));
      const privileged = SERVED_METHODS.map((method, index) => [method, answers.get(String(index))] as const).filter(([method]) =>
        /^(?:config\.(?:set|patch|apply)|tokens\.|device\.|agents\.(?:create|update|delete)|channels\.(?:start|stop|logout)|gateway\.(?!overview$|doctor$|identity\.get$)|sessions\.(?:delete|reset|patch|send)|chat\.(?:send|inject)|agent$|send$)/.test(
          method,
        ),
      );
      assert.ok(privileged.length > 15);
      for (const [method, answer] of privileged) assert.equal(answer, false, method);
    },
  ],
  [
    "claims every scope",
    async () => {
      const params = {
        minProtocol: 4,
        maxProtocol: 4,
        client: { id: "cli", version: "1", platform: "x", mode: "cli" },
        role: "operator",
        scopes: ["operator.admin"],
        auth: { token: scene.token },
      };
      await scene.peers(20, () => Buffer.concat([Buffer.from(scene.upgrade()), scene.request("c", "connect", params)]));
      assert.match(
        await scene.answerTo(
          scene.head("POST", "/v1/chat/completions", { ...bearer(), "X-OpenClaw-Scopes": "operator.admin", "Content-Length": "0" }),
        ),
        /^HTTP\/1\.1 403/,
      );
    },
  ],
  [
    "fills every parameter with 200 KB",
    async () =>
      void (await scene.ask(
        READ.map((method) => [method, { key: "k".repeat(200_000), sessionKey: "s".repeat(1_000), path: "p".repeat(10_000) }] as const),
      )),
  ],
  [
    "sends params of the wrong kind",
    async () =>
      void (await scene.ask(
        READ.flatMap((method) =>
          [null, [], 1, "x", { limit: -1 }, { limit: 1e308 }, { key: [] }].map((params) => [method, params] as const),
        ),
      )),
  ],
  [
    "names prototypes",
    async () => {
      const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype"];
      await scene.ask(
        names.flatMap(
          (name) =>
            [
              [name, {}],
              ["config.schema.lookup", { path: name }],
              ["sessions.describe", { key: name }],
              ["chat.history", { sessionKey: name }],
            ] as const,
        ),
      );
    },
  ],
  [
    "walks through paths",
    async () =>
      void (await scene.ask(
        ["../../etc/passwd", "/etc/passwd", "a/../../b", "\u0000", "%2e%2e%2f", "..\\..\\x"].flatMap(
          (key) =>
            [
              ["sessions.describe", { key }],
              ["chat.history", { sessionKey: key }],
              ["sessions.preview", { keys: [key] }],
              ["agent.identity.get", { agentId: key }],
            ] as const,
        ),
      )),
  ],
  [
    "asks for everything at once",
    async () =>
      void (await scene.ask(READ.flatMap((method) => times(40, () => [method, { limit: 1_000_000, maxBytes: 1_000_000_000 }] as const)))),
  ],
  [
    "asks for all logs 200 times",
    async () => void (await scene.ask(times(200, () => ["logs.tail", { limit: 5_000, maxBytes: 1_000_000 }] as const))),
  ],
  [
    "asks 4,000 times and reads nothing",
    async () => {
      const socket = await scene.reader({ deaf: true });
      for (let i = 0; i < 4_000; i++) socket.write(scene.request(String(i), "config.schema"));
    },
  ],
  [
    "does so on 30 connections",
    async () => {
      const sockets = await readers(30, { deaf: true });
      for (const socket of sockets) for (let i = 0; i < 130; i++) socket.write(scene.request(String(i), "config.schema"));
    },
  ],
  [
    "asks over HTTP on 60 connections and reads nothing",
    async () => void (await scene.peers(60, () => scene.head("GET", "/metrics", bearer()).repeat(30), { deaf: true })),
  ],
  [
    "sends 8 large requests for what it may not do",
    async () => {
      const frame = scene.frame(
        `{"type":"req","id":"big","method":"chat.send","params":{"sessionKey":"main","message":"${"x".repeat(20 * MIB)}"}}`,
      );
      const sockets = await readers(4);
      for (const socket of sockets) for (let i = 0; i < 2; i++) socket.write(frame);
    },
  ],
  [
    "begins 100 large requests and stops in the middle",
    async () => {
      const sockets = await readers(100);
      for (const socket of sockets) socket.write(begun("chat.send", 24 * MIB, 300_000));
    },
  ],
  [
    "sends 12 bodies of 20 MB for completions",
    async () => {
      const body = Buffer.alloc(20 * MIB, "x");
      for (const socket of await scene.peers(12, () =>
        scene.head("POST", "/v1/chat/completions", { ...bearer(), "Content-Length": String(body.length) }),
      ))
        socket.write(body);
    },
  ],
  [
    "sends bodies byte by byte",
    async () => {
      for (const socket of await scene.peers(60, () =>
        scene.head("POST", "/v1/chat/completions", { ...bearer(), "Content-Length": "1000" }),
      ))
        socket.write("{");
    },
  ],
  [
    "sends messages in 5,000 pieces",
    async () => {
      for (const socket of await readers(10))
        socket.write(Buffer.concat([piece(OPCODE.text), ...times(5_000, () => piece(OPCODE.continuation))]));
    },
  ],
  [
    "nests and multiplies values",
    async () => {
      const socket = await scene.reader();
      for (const params of [
        "[".repeat(100_000),
        `${"[".repeat(64)}${"]".repeat(64)}`,
        `{${times(30_000, (i) => `"k${i}":0`).join(",")}}`,
        `"${"\\u0061".repeat(30_000)}"`,
      ])
        socket.write(scene.frame(`{"type":"req","id":"n","method":"health","params":${params}}`));
    },
  ],
  [
    "sends text that is none",
    async () => {
      for (const bytes of [Buffer.from([0xff, 0xfe]), Buffer.from('{"type":"req"'), Buffer.from("\ud800"), Buffer.alloc(0)])
        (await scene.reader()).write(toBytes({ opcode: OPCODE.text, payload: bytes }));
    },
  ],
  [
    "sends frames that are none",
    async () => {
      for (const change of [
        { reserved: 7 },
        { masked: false },
        { lengthBytes: 8 as const },
        { opcode: 5 },
        { opcode: OPCODE.binary },
        { opcode: OPCODE.continuation },
        { declared: 2n ** 62n, lengthBytes: 8 as const },
      ])
        (await scene.reader()).write(toBytes({ opcode: OPCODE.text, payload: Buffer.from("x"), ...change }));
    },
  ],
  [
    "pings 40,000 times and reads nothing",
    async () => {
      const pings = Buffer.concat(times(2_000, () => toBytes({ opcode: OPCODE.ping, payload: Buffer.alloc(125) })));
      for (const socket of await readers(4, { deaf: true })) for (let i = 0; i < 5; i++) socket.write(pings);
    },
  ],
  [
    "connects again on an open connection",
    async () => {
      const socket = await scene.reader();
      for (let i = 0; i < 100; i++) socket.write(scene.request(String(i), "connect", { minProtocol: 4, maxProtocol: 4 }));
    },
  ],
  [
    "uses one id 2,000 times, and ids that are none",
    async () => {
      const socket = await scene.reader();
      for (let i = 0; i < 2_000; i++) socket.write(scene.request("same", "health"));
      for (const id of ["", "\u0000", "i".repeat(10_000)]) socket.write(scene.request(id, "health"));
    },
  ],
  [
    "watches 4,000 sessions",
    async () => void (await scene.ask(times(4_000, (i) => ["sessions.messages.subscribe", { key: `agent:main:none:${i}` }] as const))),
  ],
  [
    "watches everything and reads nothing",
    async () => {
      for (const socket of await readers(60, { deaf: true })) {
        socket.write(scene.request("1", "sessions.subscribe"));
        for (let i = 0; i < 100; i++) socket.write(scene.request(String(i + 2), "sessions.list"));
      }
    },
  ],
  ["opens 300 connections", async () => void (await readers(300))],
  [
    "comes and goes 300 times",
    async () => {
      for (let round = 0; round < 10; round++) for (const socket of await readers(30)) socket.resetAndDestroy();
    },
  ],
  [
    "leaves with requests that run",
    async () => {
      for (const socket of await readers(60)) {
        for (let i = 0; i < 50; i++) socket.write(scene.request(String(i), "sessions.list"));
        socket.resetAndDestroy();
      }
    },
  ],
  [
    "says goodbye and stays",
    async () => {
      for (const socket of await readers(100)) socket.write(toBytes({ opcode: OPCODE.close, payload: Buffer.from([3, 232]) }));
    },
  ],
  [
    "wants to change what it may not",
    async () => {
      const tries: (readonly [string, unknown])[] = [
        ["config.set", { raw: "{}", baseHash: "x" }],
        ["config.patch", { raw: "{}", baseHash: "x" }],
        ["tokens.create", { name: "x", scopes: ["operator.admin"] }],
        ["tokens.revoke", { id: "t-000000000000" }],
        ["device.pair.approve", { requestId: "x" }],
        ["device.pair.setupCode", {}],
        ["gateway.restart.request", {}],
        ["chat.send", { sessionKey: "main", message: "/new", idempotencyKey: "k" }],
        ["agent", { message: "/reset", idempotencyKey: "k" }],
        ["sessions.reset", { key: "main" }],
        ["agents.create", { name: "x", workspace: "/tmp/x" }],
        ["system-event", { text: "x" }],
      ];
      const answers = await scene.ask(tries);
      assert.deepEqual(
        [...answers.values()],
        tries.map(() => false),
      );
    },
  ],
  [
    "asks for completions 300 times",
    async () => {
      const body = JSON.stringify({ model: "openclaw", stream: true, messages: [{ role: "user", content: "x" }] });
      await scene.peers(
        300,
        () => scene.head("POST", "/v1/chat/completions", { ...bearer(), "Content-Length": String(body.length) }) + body,
      );
    },
  ],
  [
    "pipelines 4,000 requests over HTTP",
    async () => void (await scene.peers(4, () => scene.head("GET", "/v1/models", bearer()).repeat(1_000))),
  ],
];

test("there are at least 30 of them", () => assert.ok(ACTS.length >= 30));
for (const [title, act] of ACTS)
  test(`a reader ${title}, and the others go on`, async () => {
    await act(scene);
    await scene.check();
  });
