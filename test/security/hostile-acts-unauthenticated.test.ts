// What a peer without any credential may try. None of it stops, freezes or fills the gateway for the others.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { OPCODE, toBytes } from "../fuzz/raw-socket.ts";
import { AttackBench, type HostileAct } from "./attack-bench.ts";

const WEBHOOK_SECRET = "0123456789abcdef0123456789abcdef";
let scene: AttackBench;
before(async () => {
  scene = await AttackBench.open({ channels: { webhook: { secret: WEBHOOK_SECRET } } });
});
after(() => scene.close());

const SIGNED = { "X-Webhook-Id": "1", "X-Webhook-Timestamp": "1", "X-Webhook-Signature": "v1=0" };
const connectFrame = (params: Record<string, unknown>): Buffer =>
  scene.request("c", "connect", {
    minProtocol: 4,
    maxProtocol: 4,
    client: { id: "cli", version: "1", platform: "x", mode: "cli" },
    role: "operator",
    scopes: ["operator.admin"],
    ...params,
  });
const afterUpgrade = (...frames: Buffer[]): Buffer => Buffer.concat([Buffer.from(scene.upgrade()), ...frames]);
const MIB = 1_048_576;

const ACTS: readonly HostileAct[] = [
  ["opens 600 connections and says nothing", async () => void (await scene.peers(600, () => ""))],
  ["sends 200 half heads", async () => void (await scene.peers(200, () => "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "))],
  ["keeps 400 refused upgrades open", async () => void (await scene.peers(400, () => scene.upgrade("/nowhere")))],
  ["keeps 400 upgrades without a handshake", async () => void (await scene.peers(400, () => scene.upgrade()))],
  ["asks 200 times for a proxy", async () => void (await scene.peers(200, () => "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n"))],
  ["sends noise", async () => void (await scene.peers(40, () => randomBytes(65_536)))],
  [
    "speaks TLS",
    async () => void (await scene.peers(40, () => Buffer.concat([Buffer.from("16030100c8010000c40303", "hex"), randomBytes(200)]))),
  ],
  ["speaks HTTP/2", async () => void (await scene.peers(40, () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))],
  [
    "sends heads that are too long and have too many lines",
    async () => {
      assert.match(await scene.answerTo(scene.head("GET", "/", { X: "a".repeat(20_000) })), /^HTTP\/1\.1 431/);
      await scene.peers(40, () =>
        scene.head("GET", "/healthz", Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`X-${i}`, "1"]))),
      );
    },
  ],
  [
    "sends bodies to a channel byte by byte",
    async () => {
      for (const socket of await scene.peers(100, () => scene.head("POST", "/channels/webhook", { ...SIGNED, "Content-Length": "1000" })))
        socket.write("x");
    },
  ],
  [
    "fills the bodies of a channel from eight addresses",
    async () => {
      const body = Buffer.alloc(MIB - 1, "x");
      for (let from = 2; from < 10; from++)
        for (const socket of await scene.peers(
          60,
          () => scene.head("POST", "/channels/webhook", { ...SIGNED, "Content-Length": String(MIB) }),
          { from: `127.0.0.${from}` },
        ))
          socket.write(body);
    },
  ],
  [
    "fills bodies of channels that do not exist",
    async () => {
      const body = Buffer.alloc(MIB - 1, "x");
      for (const socket of await scene.peers(200, () =>
        scene.head("POST", "/channels/none/none", { ...SIGNED, "Content-Length": String(MIB) }),
      ))
        socket.write(body);
    },
  ],
  [
    "sends a body without an end to nothing",
    async () => {
      const sockets = await scene.peers(20, () => scene.head("POST", "/nowhere", { "Transfer-Encoding": "chunked" }));
      for (const socket of sockets) for (let i = 0; i < 50 && socket.writable; i++) socket.write(`10000\r\n${"x".repeat(65_536)}\r\n`);
    },
  ],
  [
    "sends chunks with endless extensions",
    async () =>
      void (await scene.peers(
        20,
        () => `${scene.head("POST", "/channels/webhook", { ...SIGNED, "Transfer-Encoding": "chunked" })}1;${"a".repeat(300_000)}`,
      )),
  ],
  ["pipelines 20,000 requests", async () => void (await scene.peers(4, () => scene.head("GET", "/healthz").repeat(5_000)))],
  [
    "pipelines 20,000 requests and reads nothing",
    async () => void (await scene.peers(4, () => scene.head("GET", "/healthz").repeat(5_000), { deaf: true })),
  ],
  [
    "hides a request behind two lengths",
    async () => {
      for (const headers of [
        { "Content-Length": "6", "Transfer-Encoding": "chunked" },
        { "Transfer-Encoding": "xchunked" },
        { "Content-Length": "+5" },
      ])
        assert.match(
          await scene.answerTo(`${scene.head("POST", "/v1/models", headers)}0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n`),
          /^HTTP\/1\.1 4/,
        );
      const doubled = scene
        .head("POST", "/v1/models", { "Content-Length": "0" })
        .replace("Content-Length", "Content-Length: 5\r\nContent-Length");
      assert.match(await scene.answerTo(doubled), /^HTTP\/1\.1 400/);
    },
  ],
  [
    "names two hosts, a foreign one, or none",
    async () => {
      const foreign = scene.head("GET", "/metrics", { Host: "evil.example" });
      assert.match(await scene.answerTo(foreign), /^HTTP\/1\.1 403/);
      assert.match(await scene.answerTo(scene.head("GET", "/healthz").replace("Host:", "Host: evil.example\r\nHost:")), /^HTTP\/1\.1 400/);
      assert.match(await scene.answerTo("GET /healthz HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400/);
    },
  ],
  [
    "claims to come from elsewhere",
    async () => {
      for (const name of ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Proto"])
        assert.match(await scene.answerTo(scene.head("GET", "/metrics", { [name]: "127.0.0.1" })), /^HTTP\/1\.1 403/);
    },
  ],
  [
    "guesses 400 tokens",
    async () => void (await scene.peers(400, (i) => scene.head("GET", "/metrics", { Authorization: `Bearer guess${i}` }))),
  ],
  [
    "guesses 200 tokens over WebSockets",
    async () => void (await scene.peers(200, (i) => afterUpgrade(connectFrame({ auth: { token: `guess${i}` } })))),
  ],
  [
    "signs as a device without a key",
    async () =>
      void (await scene.peers(60, (i) =>
        afterUpgrade(connectFrame({ device: { id: "a".repeat(64), publicKey: "AAAA", signature: "AAAA", signedAt: i, nonce: "x" } })),
      )),
  ],
  [
    "wants to be a node, a robot and an administrator",
    async () => void (await scene.peers(60, (i) => afterUpgrade(connectFrame({ role: ["node", "robot", "operator"][i % 3] })))),
  ],
  [
    "begins with anything but connect",
    async () => {
      const firsts = [
        scene.request("1", "health"),
        scene.frame("[]"),
        scene.frame("{nope"),
        scene.frame('"x"'),
        toBytes({ opcode: OPCODE.binary, payload: Buffer.from("x") }),
      ];
      await scene.peers(100, (i) => afterUpgrade(firsts[i % firsts.length]!));
    },
  ],
  [
    "declares frames of exabytes",
    async () =>
      void (await scene.peers(40, () =>
        afterUpgrade(toBytes({ opcode: OPCODE.text, payload: Buffer.alloc(100), declared: 2n ** 60n, lengthBytes: 8 })),
      )),
  ],
  [
    "floods the handshake with pings and fragments",
    async () => {
      const piece = toBytes({ opcode: OPCODE.text, payload: Buffer.from("x"), fin: false });
      await scene.peers(20, () =>
        afterUpgrade(...Array.from({ length: 2_000 }, () => toBytes({ opcode: OPCODE.ping, payload: Buffer.alloc(125) }))),
      );
      await scene.peers(20, () =>
        afterUpgrade(
          piece,
          ...Array.from({ length: 5_000 }, () => toBytes({ opcode: OPCODE.continuation, payload: Buffer.from("x"), fin: false })),
        ),
      );
    },
  ],
  [
    "nests the handshake",
    async () =>
      void (await scene.peers(40, () =>
        afterUpgrade(scene.frame(`{"type":"req","id":"c","method":"connect","params":${"[".repeat(60_000)}`)),
      )),
  ],
  [
    "breaks frames",
    async () => {
      const frames = [
        { reserved: 7 },
        { masked: false },
        { lengthBytes: 8 as const },
        { opcode: 5 },
        { opcode: OPCODE.close },
        { opcode: OPCODE.continuation },
      ];
      await scene.peers(60, (i) =>
        afterUpgrade(toBytes({ opcode: OPCODE.text, payload: Buffer.from("x"), ...frames[i % frames.length]! })),
      );
    },
  ],
  [
    "walks out of the page",
    async () => {
      for (const path of [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2fpackage.json",
        "//etc/passwd",
        `/${"a".repeat(15_000)}`,
        "/\\..\\x",
        "/%00",
        "/%",
        "*",
      ])
        assert.match(await scene.answerTo(scene.head("GET", path)), /^HTTP\/1\.1 4\d\d/, path);
    },
  ],
  [
    "uses every verb on every route",
    async () => {
      const paths = ["/", "/healthz", "/metrics", "/v1/models", "/v1/chat/completions", "/channels/webhook", "/control-ui-config.json"];
      for (const verb of ["HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND", "LOCK"])
        await scene.peers(paths.length, (i) => scene.head(verb, paths[i]!));
    },
  ],
  [
    "asks 60 times for the page and reads nothing",
    async () => void (await scene.peers(60, () => scene.head("GET", "/").repeat(40), { deaf: true })),
  ],
  [
    "asks for upgrades behind requests",
    async () => void (await scene.peers(60, () => scene.head("GET", "/healthz") + scene.upgrade() + scene.upgrade("/nowhere"))),
  ],
  [
    "resets 500 connections",
    async () => {
      for (const socket of await scene.peers(500, () => scene.upgrade())) socket.resetAndDestroy();
    },
  ],
];

test("there are at least 30 of them", () => assert.ok(ACTS.length >= 30));
for (const [title, act] of ACTS)
  test(`a peer without a credential ${title}, and the others go on`, async () => {
    await act(scene);
    await scene.check();
  });
