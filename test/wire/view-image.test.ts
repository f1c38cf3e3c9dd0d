// The real process with a model that takes images and one that does not, and the tool with which agents look at images.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient, ServerEvent } from "../../src/client/client.ts";
import { MORE_TOOLS } from "../../src/tools/tool.ts";
import { startModelServer, type ModelServer, type RecordedRequest } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;

/** One gray pixel. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";
const home = newHome();
const ends = new Map<string, Wire>();
let model: ModelServer;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;

const imagesIn = ({ messages }: RecordedRequest): string[] =>
  messages.flatMap(({ content }) => (Array.isArray(content) ? content.flatMap((part) => part.image_url?.url ?? []) : []));

function config(imageModel: unknown, primary: string): Wire {
  const base = modelConfig(model.url) as { models: { providers: { test: Wire } } } & Wire;
  const window = { contextWindow: 128_000, maxTokens: 4_096 };
  const models = [
    { id: "echo", name: "Echo", ...window },
    { id: "eye", name: "Eye", input: ["text", "image"], ...window },
    { id: "silent", name: "Silent", input: ["text", "image"], ...window },
  ];
  return {
    ...base,
    models: { providers: { test: { ...base.models.providers.test, models } } },
    agents: {
      defaults: { model: { primary }, ...(imageModel !== undefined && { imageModel }) },
      entries: { main: {}, blind: { tools: { deny: ["read"] } } },
    },
  };
}

async function configure(imageModel: unknown, primary = "test/echo"): Promise<void> {
  const { hash } = await operator.request<{ hash: string }>("config.get", {});
  await operator.request("config.set", { raw: JSON.stringify(config(imageModel, primary)), baseHash: hash });
}

before(async () => {
  model = await startModelServer({
    behaviour: (request) => {
      if (request.model === "silent") return { status: 404, message: "no such deployment" };
      // The model that looks has no tools.
      if (request.model === "eye" && request.tools.length === 0)
        return { steps: [{ text: `I see ${imagesIn(request).length} image(s).` }] };
      return undefined;
    },
  });
  const workspace = join(stateDir(home), "workspace");
  mkdirSync(workspace, { recursive: true });
  writeFileSync(join(workspace, "a.png"), Buffer.from(PNG, "base64"));
  writeFileSync(join(workspace, "note.txt"), "text");
  gateway = await startGateway({ home, config: config("test/eye", "test/echo") });
  operator = await gateway.connect({});
  operator.on(({ event, payload }: ServerEvent) => {
    const { runId, state } = payload as Wire & { runId: string };
    if (event === "chat" && ["final", "aborted", "error"].includes(String(state))) ends.set(runId, payload as Wire);
  });
  await operator.request("sessions.subscribe");
});

after(async () => {
  await operator?.close();
  await gateway?.kill();
  await model.close();
  dropHome(home);
});

async function say(message: string, sessionKey = `agent:main:${randomUUID()}`): Promise<string> {
  const runId = randomUUID();
  await operator.request("chat.send", { sessionKey, message, idempotencyKey: runId });
  const end = await until(`the end of ${runId}`, () => ends.get(runId));
  const content = (end["message"] as { content: { text: string }[] } | undefined)?.content ?? [];
  return content.map((part) => part.text).join("");
}
const look = (args: object, name = "view_image"): string => `tool:${MORE_TOOLS}:${JSON.stringify({ name, arguments: args })}`;

test("the configured image model is asked, with the question and without tools, and nothing of that is kept", async () => {
  assert.match(await say(`tool:${MORE_TOOLS}:${JSON.stringify({ query: "look at an image" })}`), /view_image: Looks at images: /);
  model.clear();
  const text = await say(look({ path: "a.png", prompt: "What is it?" }));
  assert.match(text, /\[What the model test\/eye says about it\.[^\n]*\]\n> I see 1 image\(s\)\.\n\[Image image\/png, 1 x 1 pixels\]/);
  const question = model.requests().find((request) => request.model === "eye")!;
  assert.deepEqual(imagesIn(question), [`data:image/png;base64,${PNG}`]);
  assert.deepEqual(question.tools, []);
  assert.match(JSON.stringify(question.messages), /What is it\?/);
  assert.doesNotMatch(JSON.stringify(question.messages), /AGENTS\.md|SOUL\.md/);
  assert.ok(JSON.stringify(question.messages).length < 2_000, "a short request");
  const sessions = await operator.request<{ sessions: { key: string }[] }>("sessions.list", {});
  assert.ok(!sessions.sessions.some(({ key }) => key.includes("image")));
  const files = readdirSync(join(stateDir(home), "gateway", "agents"), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".jsonl"),
  );
  assert.equal(files.length, sessions.sessions.length, files.join());
});

test("it has another name, and several images are one question", async () => {
  assert.match(await say(look({ paths: ["a.png", "./a.png"] }, "image")), /> I see 2 image\(s\)\./);
});

test("a model that takes images is shown them", async () => {
  await configure("test/eye", "test/eye");
  model.clear();
  await say(look({ path: "a.png" }));
  const [first, second, ...others] = model.requests();
  assert.deepEqual([first!.model, second!.model, others.length], ["eye", "eye", 0]);
  assert.deepEqual(imagesIn(second!), [`data:image/png;base64,${PNG}`]);
});

test("without a model that takes images the answer says what to configure", async () => {
  await configure(undefined);
  assert.match(
    await say(look({ path: "a.png" })),
    /the model test\/echo of this conversation does not take images, and no image model is configured\. Set one: openclaw config set agents\.defaults\.imageModel test\/eye/,
  );
  assert.match(await say(look({ path: "a.png", model: "test/eye" })), /> I see 1 image\(s\)\./);
  assert.match(await say(look({ path: "a.png", model: "test/echo" })), /the model test\/echo does not take images, and the call names it/);
  await configure("test/echo");
  assert.match(await say(look({ path: "a.png" })), /the model test\/echo does not take images, and agents\.defaults\.imageModel names it/);
});

test("an image model that fails is replaced by its fallback, or its failure is the result", async () => {
  await configure({ primary: "test/silent", fallbacks: ["test/eye"] });
  assert.match(await say(look({ path: "a.png" })), /What the model test\/eye says about it/);
  await configure("test/silent");
  assert.match(await say(look({ path: "a.png" })), /The image model test\/silent has not answered: .*no such deployment/);
});

test("addresses of this machine are not fetched, texts are refused, and who may not read files does not look at any", async () => {
  await configure("test/eye");
  assert.match(await say(look({ path: "https://127.0.0.1/a.png" })), /was not fetched \(127\.0\.0\.1 is not on the public internet\)/);
  assert.match(await say(look({ path: "note.txt" })), /Cannot look at note\.txt: it is not an image/);
  assert.match(await say(look({ path: "/etc/hostname" })), /Cannot read \/etc\/hostname/);
  assert.match(await say(look({ path: "a.png" }), "agent:blind:main"), /the tool view_image is not available/);
});
