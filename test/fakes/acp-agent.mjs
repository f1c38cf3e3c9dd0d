// A scripted ACP agent on stdin and stdout, without a library. Its start is the JSON in ACP_SCRIPT:
//   start: silent, half (half a message, then silence), garbage (lines that are no messages, then the exit code), exit (the exit code), huge
//   code: of the exit; stderr: text for the error output at the start
//   load, resume: keeps its sessions in the directory `state`; without them a new process knows nothing
//   version: of the protocol; auth: wants a sign-in for session/new; modes, models: lists of ids; options: lists of values by id
//   log: a file to which it appends one line for each start and each request; child: leaves a child process running
// A prompt is a directive, or is repeated ("You said: ..."):
//   recall                    the prompts of this session before it
//   ask:<json>                asks for permission with these options; answers "chosen: <json>"
//   permit                    the same with the usual options, for a command
//   exit:<code>, cut          ends in the middle, after a piece of text; cut without a line end
//   garbage:<n>, huge, half   writes that in the middle
//   hang, deaf                is silent; hang ends with session/cancel, deaf does not
//   call                      reports a call of a tool of its own, which takes a moment
//   read:<path>, write:<path>:<text>, run:<command>   through the client
//   refuse:<text>, flood:<n> pieces of 100 kB, answer: to requests that were not made
//   stop:<reason>, cost:<dollars>, odd, env, cwd, spawn, picture
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";

const script = JSON.parse(process.env.ACP_SCRIPT ?? "{}");
const log = (line) => script.log && appendFileSync(script.log, `${line}\n`);
const raw = (text) => process.stdout.write(text);
const send = (message) => raw(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const sessions = new Map();
const asked = new Map();
let nextId = 1;

log(`start ${process.pid}`);
if (script.stderr) process.stderr.write(script.stderr);
if (script.child) log(`child ${spawn("sleep", ["1000"], { detached: true, stdio: "ignore" }).pid}`);
if (script.start === "exit") process.exit(script.code ?? 1);
if (script.start === "garbage") {
  raw("Welcome to the agent!\nVersion 7\n");
  process.exit(script.code ?? 1);
}
if (script.start === "half") raw('{"jsonrpc":"2.0","id":0,"resu');
if (script.start === "huge") raw(`${"x".repeat(40_000_000)}\n`);

const request = (method, params) =>
  new Promise((resolve) => {
    const id = `c${nextId++}`;
    asked.set(id, resolve);
    send({ id, method, params });
  });

const file = (id) => join(script.state ?? ".", `${id}.json`);
const keeps = script.load || script.resume;
function save(id) {
  if (!keeps) return;
  mkdirSync(script.state, { recursive: true });
  // Whole or not at all: the process may be killed at any moment.
  writeFileSync(`${file(id)}.new`, JSON.stringify(sessions.get(id).prompts));
  renameSync(`${file(id)}.new`, file(id));
  log("saved");
}
const select = (id, values, more = {}) => ({
  type: "select",
  id,
  name: id,
  currentValue: values[0],
  options: values.map((value) => ({ value, name: value })),
  ...more,
});
const shape = () => ({
  ...(script.modes && {
    modes: { currentModeId: script.modes[0], availableModes: script.modes.map((id) => ({ id, name: id })) },
  }),
  ...((script.models || script.options) && {
    configOptions: [
      ...(script.models ? [select("model", script.models, { category: "model" })] : []),
      ...Object.entries(script.options ?? {}).map(([id, values]) => select(id, values)),
    ],
  }),
});

const OPTIONS = [
  { optionId: "always", name: "Always", kind: "allow_always" },
  { optionId: "yes", name: "Yes", kind: "allow_once" },
  { optionId: "no", name: "No", kind: "reject_once" },
];

const methods = {
  initialize: () => ({
    protocolVersion: script.version ?? 1,
    agentInfo: { name: "scripted", version: "1.0" },
    agentCapabilities: {
      loadSession: script.load === true,
      promptCapabilities: { image: true },
      sessionCapabilities: script.resume ? { resume: {} } : {},
    },
    authMethods: [{ id: "login", name: "Log in" }],
  }),
  "session/new": ({ cwd }) => {
    if (script.auth) throw { code: -32000, message: "Authentication required" };
    const id = randomUUID();
    sessions.set(id, { prompts: [], cwd, mode: script.modes?.[0], model: script.models?.[0] });
    save(id);
    return { sessionId: id, ...shape() };
  },
  "session/load": ({ sessionId, cwd }) => {
    if (!existsSync(file(sessionId))) throw { code: -32002, message: "Resource not found" };
    const prompts = JSON.parse(readFileSync(file(sessionId), "utf8"));
    sessions.set(sessionId, { prompts, cwd });
    for (const text of prompts) update(sessionId, { sessionUpdate: "user_message_chunk", content: { type: "text", text } });
    for (const text of prompts) say(sessionId, `REPLAYED ${text}`);
    return shape();
  },
  "session/set_mode": ({ sessionId, modeId }) => {
    sessions.get(sessionId).mode = modeId;
    return {};
  },
  "session/set_config_option": ({ sessionId, configId, value }) => {
    sessions.get(sessionId)[configId] = value;
    return { configOptions: [] };
  },
  "session/prompt": async ({ sessionId, prompt }) => {
    const session = sessions.get(sessionId);
    const text = prompt.map((block) => block.text ?? `[${block.type}]`).join("");
    const before = [...session.prompts];
    session.prompts.push(text);
    save(sessionId);
    const lines = text.split("\n");
    return await run(sessionId, session, lines.at(-1), before);
  },
};
methods["session/resume"] = (params) => {
  if (!existsSync(file(params.sessionId))) throw { code: -32002, message: "Resource not found" };
  sessions.set(params.sessionId, { prompts: JSON.parse(readFileSync(file(params.sessionId), "utf8")), cwd: params.cwd });
  return shape();
};

const update = (sessionId, value) => send({ method: "session/update", params: { sessionId, update: value } });
const say = (sessionId, text) => update(sessionId, { sessionUpdate: "agent_message_chunk", content: { type: "text", text } });
const done = (stopReason = "end_turn") => ({ stopReason });

async function run(id, session, text, before) {
  const [word, rest = ""] = [text.split(":", 1)[0], text.slice(text.indexOf(":") + 1)];
  const callId = `call_${session.prompts.length}`;
  switch (word) {
    case "recall":
      say(id, `Before: ${before.join(" | ") || "nothing"}`);
      return done();
    case "ask":
    case "permit": {
      const toolCall = {
        toolCallId: callId,
        title: "rm -rf build",
        kind: "execute",
        rawInput: { command: "rm -rf build" },
        status: "pending",
      };
      update(id, { sessionUpdate: "tool_call", ...toolCall });
      const answer = await request("session/request_permission", {
        sessionId: id,
        toolCall,
        options: word === "ask" ? JSON.parse(rest) : OPTIONS,
      });
      const { outcome } = answer.result ?? {};
      update(id, { sessionUpdate: "tool_call_update", toolCallId: callId, status: "completed", rawOutput: "done" });
      say(id, `chosen: ${JSON.stringify(outcome ?? answer.error)}`);
      return done(outcome?.outcome === "cancelled" && session.cancelled ? "cancelled" : "end_turn");
    }
    case "exit":
      say(id, "a piece");
      process.stderr.write("out of cheese\n");
      setTimeout(() => process.exit(Number(rest)), 50);
      return new Promise(() => {});
    case "cut":
      say(id, "a piece");
      raw('{"jsonrpc":"2.0","method":"session/upd');
      setTimeout(() => process.exit(0), 50);
      return new Promise(() => {});
    case "garbage":
      for (let line = 0; line < Number(rest); line += 1) raw(`[debug] line ${line}\n`);
      say(id, "after the garbage");
      return done();
    case "huge":
      say(id, "a piece");
      raw(`${"x".repeat(40_000_000)}\n`);
      return new Promise(() => {});
    case "half":
      raw('{"jsonrpc":"2.0","method":"session/upd');
      return new Promise(() => {});
    case "hang":
    case "deaf":
      say(id, "a piece");
      session.deaf = word === "deaf";
      return new Promise((resolve) => (session.stop = () => resolve(done("cancelled"))));
    case "call":
      update(id, { sessionUpdate: "tool_call", toolCallId: callId, title: "Look around", kind: "search", rawInput: { pattern: "x" } });
      update(id, {
        sessionUpdate: "tool_call_update",
        toolCallId: callId,
        content: [{ type: "content", content: { type: "text", text: "found 1" } }],
      });
      update(id, {
        sessionUpdate: "tool_call_update",
        toolCallId: callId,
        status: "completed",
        content: [{ type: "content", content: { type: "text", text: "found 2" } }],
      });
      say(id, "looked");
      return done();
    case "read":
      say(id, `read: ${JSON.stringify(await through("fs/read_text_file", { sessionId: id, path: rest }))}`);
      return done();
    case "write": {
      const [path, ...content] = rest.split(":");
      say(id, `wrote: ${JSON.stringify(await through("fs/write_text_file", { sessionId: id, path, content: content.join(":") }))}`);
      return done();
    }
    case "run": {
      const created = await through("terminal/create", { sessionId: id, command: rest });
      if (!created.terminalId) {
        say(id, `refused: ${JSON.stringify(created)}`);
        return done();
      }
      const { terminalId } = created;
      const exit = await through("terminal/wait_for_exit", { sessionId: id, terminalId });
      const output = await through("terminal/output", { sessionId: id, terminalId });
      await through("terminal/release", { sessionId: id, terminalId });
      say(id, `ran: ${JSON.stringify({ exit, output })}`);
      return done();
    }
    case "refuse":
      throw { code: -32603, message: "Internal error", data: { details: rest } };
    case "flood":
      for (let line = 0; line < Number(rest); line += 1) {
        say(id, "x".repeat(100_000));
        if (line % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
      }
      return done();
    case "answer":
      send({ id: "\u001b[2Jforged", result: {} });
      send({ id: 4711, result: {} });
      say(id, "answered");
      return done();
    case "stop":
      say(id, "enough");
      return done(rest);
    case "deep": {
      const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
      const call = `{"sessionUpdate":"tool_call","toolCallId":"c","title":"Look","kind":"search","rawInput":{"a":${deep}}}`;
      const end = `{"sessionUpdate":"tool_call_update","toolCallId":"c","status":"completed","rawOutput":${deep}}`;
      for (const each of [call, end]) raw(`{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"${id}","update":${each}}}\n`);
      say(id, "looked");
      return done();
    }
    case "cost":
      update(id, { sessionUpdate: "usage_update", used: 1200, size: 200000, cost: { amount: Number(rest), currency: "USD" } });
      say(id, "paid");
      return done();
    case "odd":
      update(id, { sessionUpdate: "a_kind_of_tomorrow", content: 7 });
      update(id, { sessionUpdate: "agent_message_chunk", content: { type: "text", text: 7 } });
      update("another session", { sessionUpdate: "agent_message_chunk", content: { type: "text", text: "not mine" } });
      send({ method: "session/update", params: null });
      send({ method: "a/notification", params: {} });
      raw("[1,2,3]\n7\n\n");
      say(id, `odd: ${JSON.stringify([await through("tomorrow/request", {}), await through("constructor", {})])}`);
      return done();
    case "env":
      say(id, JSON.stringify(process.env));
      return done();
    case "cwd":
      say(
        id,
        JSON.stringify({ cwd: session.cwd, process: process.cwd(), mode: session.mode, model: session.model, thought: session.thought }),
      );
      return done();
    case "spawn":
      say(id, `pid ${spawn("sleep", ["1000"], { detached: true, stdio: "ignore" }).pid}`);
      return done();
    default:
      update(id, { sessionUpdate: "agent_thought_chunk", content: { type: "text", text: "hm" } });
      say(id, "You said: ");
      say(id, text);
      return done();
  }
}

async function through(method, params) {
  const answer = await request(method, params);
  return answer.result ?? answer.error;
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  const message = JSON.parse(line);
  log(message.method ?? `answer ${message.id}`);
  if (message.method === undefined) {
    asked.get(message.id)?.(message);
    return void asked.delete(message.id);
  }
  if (["silent", "half", "huge"].includes(script.start)) return;
  if (message.method === "session/cancel") {
    const session = sessions.get(message.params.sessionId);
    if (session) session.cancelled = true;
    if (!session?.deaf) session?.stop?.();
    return;
  }
  const method = methods[message.method];
  if (message.id === undefined) return;
  if (!method) return void send({ id: message.id, error: { code: -32601, message: "Method not found" } });
  try {
    send({ id: message.id, result: await method(message.params) });
  } catch (err) {
    send({ id: message.id, error: err });
  }
});
