// A scripted MCP server on stdin and stdout, without a library. Its behavior is the JSON in MCP_SCRIPT or in the file MCP_SCRIPT_FILE:
//   tools: what it lists (default: one tool `echo`); pageSize: tools on each page
//   hold: does not answer initialize while the file has it; never: answers nothing; exit: exits at once with this code
//   file: what the tool `show` shows
//   resources: [{ uri, name, text | blob, mimeType }], prompts: [{ name, description, arguments, text }]: what it has besides tools
//   noise: writes lines that are no messages; log: a file to which it appends one line for each start and each request
// Tools: echo {text}, show, crash, hang, fail, image, structured, long {chars}, ask (sampling and elicitation), change (list_changed), env, pid,
// spawn (leaves a child process behind), flood (an endless line).
import { spawn } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const script = () =>
  JSON.parse(process.env.MCP_SCRIPT_FILE ? readFileSync(process.env.MCP_SCRIPT_FILE, "utf8") : (process.env.MCP_SCRIPT ?? "{}"));
const SCHEMA = { type: "object", properties: { text: { type: "string", description: "What to say." } } };
const given = script();
const log = (text) => given.log && appendFileSync(given.log, `${text}\n`);
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const text = (value) => ({ content: [{ type: "text", text: value }] });
const asked = new Map();
const ask = (id, method, params) =>
  new Promise((resolve) => {
    asked.set(id, resolve);
    send({ id, method, params });
  });

log(`start ${process.pid}`);
if (given.exit !== undefined) {
  process.stderr.write(`cannot start, token ${process.env.SECRET_TOKEN ?? "none"}\n`);
  process.exit(given.exit);
}

async function call(name, args, id) {
  switch (name) {
    case "crash":
      process.stderr.write("out of cheese\n");
      process.exit(3);
    // eslint-disable-next-line no-fallthrough
    case "hang":
      return null;
    case "fail":
      return { ...text("access denied"), isError: true };
    case "image":
      return {
        content: [
          { type: "text", text: "a dot" },
          { type: "image", mimeType: "image/png", data: "iVBORw0KGgo=" },
          { type: "audio", mimeType: "audio/wav", data: "AAAA" },
        ],
      };
    case "structured":
      return { content: [], structuredContent: { degrees: 21 } };
    case "long":
      return text("word\n".repeat((args.chars ?? 1_000_000) / 5));
    case "line":
      return text("x".repeat(args.chars ?? 1_000_000));
    case "ask": {
      const answers = [
        await ask(9_001, "sampling/createMessage", { messages: [], maxTokens: 1 }),
        await ask(9_002, "elicitation/create", { message: "Your password?", requestedSchema: { type: "object", properties: {} } }),
        await ask(9_003, "roots/list", {}),
      ];
      return text(answers.map(({ error }) => (error ? `refused ${error.code}` : "answered")).join(" "));
    }
    case "change":
      send({ method: "notifications/tools/list_changed" });
      return text("changed");
    case "show":
      return text(readFileSync(script().file, "utf8"));
    case "env":
      return text(JSON.stringify(process.env));
    case "pid":
      return text(String(process.pid));
    case "spawn":
      return text(String(spawn("sleep", ["600"], { detached: args.detached === true, stdio: "ignore" }).pid));
    case "flood":
      for (let count = 0; count < 20; count += 1) process.stdout.write("x".repeat(1_048_576));
      return null;
    case "error":
      send({ id, error: { code: -32_000, message: "no\nsuch\u001b[31m thing" } });
      return null;
    default:
      return text(`${name}: ${args.text ?? ""}`);
  }
}

/** Resources and prompts; no templates are known. */
function contentOf({ resources, prompts, pageSize = Infinity }, method, params) {
  const page = (key, all, shown) => {
    const at = Number(params.cursor ?? 0);
    const next = at + pageSize < all.length ? { nextCursor: String(at + pageSize) } : {};
    return { result: { [key]: all.slice(at, at + pageSize).map(shown), ...next } };
  };
  if (method === "resources/list" && resources) return page("resources", resources, ({ text: _text, blob: _blob, ...shown }) => shown);
  if (method === "prompts/list" && prompts) return page("prompts", prompts, ({ text: _text, ...shown }) => shown);
  if (method === "resources/templates/list") return { error: { code: -32_601, message: "no templates" } };
  if (method === "resources/read") {
    const found = resources.find(({ uri }) => uri === params.uri);
    return found ? { result: { contents: [found] } } : { error: { code: -32_002, message: "Resource not found" } };
  }
  if (method !== "prompts/get") return null;
  const { text: words } = prompts.find(({ name }) => name === params.name);
  return { result: { messages: [{ role: "user", content: { type: "text", text: `${words} ${JSON.stringify(params.arguments)}` } }] } };
}

async function onMessage(message) {
  const { id, method, params = {} } = message;
  if (method === undefined) return asked.get(id)?.(message);
  log(method === "tools/call" ? `call ${params.name}` : method);
  const now = script();
  if (now.never) return;
  if (method === "initialize") {
    while (script().hold) await new Promise((resolve) => setTimeout(resolve, 20));
    const serverInfo = { name: "scripted", version: "1" };
    const capabilities = { tools: { listChanged: true }, ...(now.resources && { resources: {} }), ...(now.prompts && { prompts: {} }) };
    return send({ id, result: { protocolVersion: params.protocolVersion, capabilities, serverInfo } });
  }
  const content = contentOf(now, method, params);
  if (content) return send({ id, ...content });
  if (method === "tools/list") {
    const all = now.tools ?? [{ name: "echo", description: "Says it again.", inputSchema: SCHEMA }];
    const size = now.pageSize ?? all.length;
    const at = Number(params.cursor ?? 0);
    const rest = at + size < all.length ? { nextCursor: String(at + size) } : {};
    return send({ id, result: { tools: all.slice(at, at + size).map((tool) => ({ inputSchema: SCHEMA, ...tool })), ...rest } });
  }
  if (method === "tools/call") {
    const result = await call(params.name, params.arguments ?? {}, id);
    return result && send({ id, result });
  }
  if (id !== undefined) send({ id, result: {} });
}

if (given.noise) process.stdout.write("Server is listening\n{\n[]\n");
for await (const line of createInterface({ input: process.stdin })) void onMessage(JSON.parse(line));
