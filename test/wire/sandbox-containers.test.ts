// Commands of agents in containers: what they get, how they are listed and removed, and that they end with the gateway.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { ProtocolClient, ServerEvent } from "../../src/client/client.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { findContainerObstacle, TEST_IMAGE } from "../sandbox/test-containers.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;
type Container = { name: string; status: string; agentId: string; imageMatches: boolean; commands: number };

const skip = findContainerObstacle();

describe("commands in containers of podman", { skip }, () => {
  let model: ModelServer;
  let gateway: GatewayUnderTest;
  let operator: ProtocolClient;
  const home = newHome();
  const ends = new Map<string, Wire>();

  before(async () => {
    model = await startModelServer();
    const sandbox = { backend: "podman", docker: { image: TEST_IMAGE, binds: ["/usr:/usr:ro"] } };
    const config = { ...modelConfig(model.url), tools: { exec: { host: "sandbox" } }, agents: { defaults: { sandbox } } };
    const base = modelConfig(model.url) as { agents?: { defaults?: object } };
    config.agents = { defaults: { ...base.agents?.defaults, sandbox } };
    gateway = await startGateway({ home, config });
    operator = await gateway.connect();
    operator.on(({ event, payload }: ServerEvent) => {
      const chat = payload as Wire;
      if (event === "chat" && ["final", "aborted", "error"].includes(String(chat["state"]))) ends.set(String(chat["runId"]), chat);
    });
    await operator.request("sessions.subscribe");
  });

  after(async () => {
    await gateway.kill();
    await model.close();
    dropHome(home);
  });

  async function say(message: string): Promise<string> {
    const runId = randomUUID();
    await operator.request("chat.send", { sessionKey: "agent:main:main", message, idempotencyKey: runId });
    const end = await until(`the end of ${runId}`, () => ends.get(runId), 60_000);
    return ((end["message"] as { content: { text: string }[] } | undefined)?.content ?? []).map((part) => part.text).join("");
  }

  const list = async (): Promise<Container[]> => (await operator.request<{ containers: Container[] }>("sandbox.list", {})).containers;

  test("a command runs in the container of its agent, and its files belong to the gateway's user", async () => {
    const text = await say("tool:bash:hostname; cat /proc/1/cmdline | tr '\\0' ' '; echo made > made");
    assert.match(text, /Tool said: sandbox\n\/bin\/sh -c exec 3<&0/);
    const made = join(stateDir(home), "workspace/made");
    assert.deepEqual([readFileSync(made, "utf8"), statSync(made).uid], ["made\n", process.getuid!()]);
    const [container, ...others] = await list();
    assert.deepEqual(others, []);
    const { status, agentId, imageMatches, commands } = container!;
    assert.deepEqual({ status, agentId, imageMatches, commands }, { status: "running", agentId: "main", imageMatches: true, commands: 0 });
  });

  test("a container that was removed is made again by the next command", async () => {
    const [{ name }] = (await list()) as [Container];
    const { removed } = await operator.request<{ removed: string[] }>("sandbox.recreate", { agentId: "main" });
    assert.deepEqual([removed, await list()], [[name], []]);
    assert.match(await say("tool:bash:echo again"), /Tool said: again/);
    assert.deepEqual(
      (await list()).map((each) => each.name),
      [name],
    );
  });

  test("a killed gateway leaves no container running", async () => {
    const [{ name }] = (await list()) as [Container];
    const isRunning = (): boolean =>
      spawnSync("podman", ["inspect", "--format", "{{.State.Running}}", name], { encoding: "utf8" }).stdout.trim() === "true";
    assert.equal(isRunning(), true);
    await gateway.kill();
    await until("the end of the container", () => !isRunning());
    spawnSync("podman", ["rm", "--force", name]);
  });
});
