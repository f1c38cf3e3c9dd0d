import { connect } from "node:net";
import type { SeededRandom } from "../crash/seeded-random.ts";

export type HttpAttack = { what: string; bytes: Buffer; /** The request is not complete: there may be no answer. */ open?: boolean };
export type HttpAnswer = { status: number; head: string; body: string; ended: boolean };

const PATHS = [
  "/",
  "/healthz",
  "/health",
  "/startupz",
  "/readyz",
  "/readyz?strict",
  "/metrics",
  "/v1/models",
  "/v1/models/openclaw",
  "/v1/chat/completions",
  "/v1/responses",
  "/api/diagnostics/prometheus",
  "/index.html",
  "/assets/",
  "/.git/config",
  "/../../etc/passwd",
  "/%2e%2e/%2e%2e/etc/passwd",
  "/..%2f..%2fetc%2fpasswd",
  "/%00",
  "/%",
  "/%zz",
  "//",
  "//evil.example/",
  "/\\..\\..",
  "*",
  "http://evil.example/",
  "/healthz/../metrics",
  "/?".padEnd(8_000, "a"),
  `/${"a/".repeat(3_000)}`,
  "/é",
  "/assets/%2e%2e%2findex.html",
  "/v1/models/../../metrics",
  "/__proto__",
  "/constructor",
  "",
  "healthz",
] as const;
const METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "TRACE",
  "CONNECT",
  "PROPFIND",
  "get",
  "G\u0000T",
  "GETGETGETGET",
  "",
] as const;

function headerLines(port: number, token: string, random: SeededRandom): string[] {
  const lines = [
    random.pick([
      `Host: 127.0.0.1:${port}`,
      `Host: localhost:${port}`,
      "Host: evil.example",
      "Host:",
      "Host: 127.0.0.1:1\u0000",
      `Host: [::1]:${port}`,
      "X-No-Host: 1",
    ]),
  ];
  const more: readonly (() => string)[] = [
    () =>
      `Origin: ${random.pick(["null", "https://evil.example", `http://127.0.0.1:${port}`, "file://", "x".repeat(5_000), "http://[::"])}`,
    () => `X-Forwarded-For: ${random.pick(["127.0.0.1", "1.2.3.4, 5.6.7.8", "x".repeat(4_000)])}`,
    () => "X-Forwarded-Host: evil.example",
    () => "Forwarded: for=127.0.0.1;host=evil.example",
    () => "X-Real-IP: 127.0.0.1",
    () =>
      `Authorization: ${random.pick([`Bearer ${token}`, "Bearer wrong", "Basic Og==", "Bearer", `bearer ${token}`, "x".repeat(6_000)])}`,
    () => `Authorization: Bearer ${token}`,
    () => "Cookie: a=b; __proto__=1",
    () => "Connection: upgrade\r\nUpgrade: websocket",
    () => "Connection: upgrade\r\nUpgrade: h2c",
    () => "Expect: 100-continue",
    () => "Expect: 200-ok",
    () => "Range: bytes=0-0,5-1,-1",
    () => `If-None-Match: ${random.pick(["*", '"x"', '""', "x".repeat(3_000)])}`,
    () => "Accept-Encoding: gzip;q=nan, br, *;q=0",
    () => `X-Long: ${"y".repeat(random.pick([100, 10_000, 20_000]))}`,
    () => Array.from({ length: random.pick([50, 99, 300]) }, (_, n) => `X-${n}: ${n}`).join("\r\n"),
    () => "Bad Header: 1",
    () => " folded: line",
    () => "X-Null: a\u0000b",
    () => `x-openclaw-session-key: ${random.pick(["main", "__proto__", "a".repeat(600), "agent:other:x"])}`,
    () => `x-openclaw-agent-id: ${random.pick(["main", "unknown", "../../x"])}`,
    () => "x-openclaw-scopes: operator.admin",
  ];
  for (let times = random.int(0, 4); times > 0; times--) lines.push(random.pick(more)());
  return lines;
}

const BODIES = [
  "",
  "{}",
  "null",
  "[]",
  "not json",
  '{"model":"openclaw"}',
  '{"model":"openclaw","messages":[]}',
  '{"model":"openclaw","messages":"x"}',
  '{"model":"openclaw","messages":[null]}',
  '{"model":"openclaw","messages":[{"role":"user","content":null}]}',
  '{"model":"openclaw","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}',
  '{"model":"unknown","messages":[{"role":"user","content":"hi"}]}',
  '{"model":{"a":1},"messages":[{"role":"user","content":"hi"}]}',
  '{"model":"openclaw","input":[{"role":"user","content":{}}]}',
  `{"model":"openclaw","messages":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
  `{"model":"openclaw","user":"${"u".repeat(500)}","messages":[{"role":"user","content":"hi"}]}`,
  '{"model":"openclaw","stream":"yes","messages":[{"role":"tool","content":"x"}]}',
  "\u0000\u0001\u0002",
] as const;

/** One request, most of them wrong somewhere. */
export function nextAttack(port: number, token: string, random: SeededRandom): HttpAttack {
  const method = random.chance(0.6) ? random.pick(["GET", "POST"]) : random.pick(METHODS);
  const path = random.pick(PATHS);
  const lines = headerLines(port, token, random);
  const start = `${method} ${path} ${random.chance(0.9) ? "HTTP/1.1" : random.pick(["HTTP/1.0", "HTTP/2.0", "HTTP/9", "", "HTTP/1.1\u0000"])}`;
  const what = `${start.slice(0, 80)} [${lines.map((line) => line.slice(0, 40)).join("; ")}]`;
  const body = random.pick(BODIES);
  const head = (...extra: string[]): string => `${[start, ...lines, ...extra].join("\r\n")}\r\n\r\n`;
  const length = Buffer.byteLength(body);
  return random.pick<() => HttpAttack>([
    () => ({ what, bytes: Buffer.from(head()) }),
    () => ({ what, bytes: Buffer.from(head()) }),
    () => ({
      what: `${what} ${body.slice(0, 60)}`,
      bytes: Buffer.from(head("Content-Type: application/json", `Content-Length: ${length}`) + body),
    }),
    () => ({
      what: `${what} ${body.slice(0, 60)}`,
      bytes: Buffer.from(head("Content-Type: application/json", `Content-Length: ${length}`) + body),
    }),
    () => ({
      what: `${what} chunked`,
      bytes: Buffer.from(head("Transfer-Encoding: chunked") + `${length.toString(16)}\r\n${body}\r\n0\r\n\r\n`),
    }),
    () => ({
      what: `${what} bad chunk`,
      bytes: Buffer.from(
        head("Transfer-Encoding: chunked") +
          random.pick(["zz\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "5\r\nab\r\n0\r\n\r\n", "1;x=\u0000\r\na\r\n0\r\n\r\n"]),
      ),
      open: true,
    }),
    () => ({ what: `${what} two lengths`, bytes: Buffer.from(head("Content-Length: 5", "Content-Length: 6") + "hello") }),
    () => ({
      what: `${what} length and chunks`,
      bytes: Buffer.from(head("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n"),
    }),
    () => ({
      what: `${what} wrong length`,
      bytes: Buffer.from(head(`Content-Length: ${random.pick(["-1", "abc", "99999999999999999999", "1e3"])}`) + body),
    }),
    () => ({
      what: `${what} body too large`,
      bytes: Buffer.from(head("Content-Type: application/json", "Content-Length: 99999999") + body),
      open: true,
    }),
    () => ({ what: `${what} unfinished`, bytes: Buffer.from(head().slice(0, -random.int(1, 4))), open: true }),
    () => ({ what: `${what} pipelined`, bytes: Buffer.from(head("Content-Length: 0").repeat(3)) }),
    () => ({ what: "random bytes", bytes: Buffer.from(Array.from({ length: random.int(1, 300) }, () => random.int(0, 255))), open: true }),
    () => ({ what: "TLS hello", bytes: Buffer.from("16030100c8010000c403036d", "hex"), open: true }),
  ])();
}

/** Sends the bytes and resolves to the first answer, or to null when none came in time and the connection is still there. */
export function exchange(port: number, bytes: Buffer, limitMs: number): Promise<HttpAnswer | null> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const finish = (ended: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);
      const at = text.indexOf("\r\n\r\n");
      resolve(
        text === "" && !ended ? null : { status, head: at < 0 ? text : text.slice(0, at), body: at < 0 ? "" : text.slice(at + 4), ended },
      );
    };
    const timer = setTimeout(() => finish(false), limitMs);
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (isComplete(text)) finish(false);
    });
    // A reset comes as an error and then as the end.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => finish(true));
    socket.write(bytes);
  });
}

/** Whether the first answer is there: by its length, or its last chunk. */
function isComplete(text: string): boolean {
  const at = text.indexOf("\r\n\r\n");
  if (at < 0 || text.startsWith("HTTP/1.1 100")) return false;
  const length = /^content-length: (\d+)/im.exec(text.slice(0, at))?.[1];
  if (length !== undefined) return text.length >= at + 4 + Number(length);
  return text.endsWith("0\r\n\r\n");
}
