import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { ProtocolClient } from "../../src/client/client.ts";
import { until } from "../wire/gateway-process.ts";
import type { OfficialBench } from "./official-bench.ts";

type Json = Record<string, unknown>;

/** `openclaw acp`: an editor's way to an agent, JSON-RPC over stdio. */
export async function driveAcp(stage: OfficialBench): Promise<void> {
  const { official, env, gateway } = stage;
  const child = spawn(process.execPath, [official.program, "acp", "--url", gateway.url, "--token", gateway.token()], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const answers = new Map<number, Json>();
  const updates: Json[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (!line.startsWith("{")) return;
    const message = JSON.parse(line) as Json;
    if (typeof message["id"] === "number" && message["method"] === undefined) answers.set(message["id"], message);
    else updates.push(message);
  });
  let id = 0;
  const ask = async (method: string, params: Json): Promise<Json> => {
    const own = ++id;
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: own, method, params })}\n`);
    const answer = await until(`the answer to ${method}`, () => answers.get(own), 90_000);
    if (answer["error"]) throw new Error(`${method}: ${JSON.stringify(answer["error"])}`);
    return answer["result"] as Json;
  };
  try {
    await stage.task("ACP bridge", "initialize", async () => {
      await ask("initialize", { protocolVersion: 1, clientCapabilities: {} });
      return "";
    });
    let sessionId = "";
    await stage.task("ACP bridge", "session/new", async () => {
      sessionId = String((await ask("session/new", { cwd: env["HOME"]!, mcpServers: [] }))["sessionId"]);
      return "";
    });
    await stage.task("ACP bridge", "session/prompt with streamed chunks", async () => {
      const { stopReason } = await ask("session/prompt", { sessionId, prompt: [{ type: "text", text: "hello from an editor" }] });
      const text = updates.map((update) => JSON.stringify(update)).join();
      if (!text.includes("agent_message_chunk")) throw new Error("no chunk came");
      return `stop reason ${String(stopReason)}`;
    });
  } finally {
    child.kill("SIGKILL");
  }
}

/** `openclaw node run`: a machine that offers itself to the gateway. */
export async function driveNodeHost(stage: OfficialBench): Promise<void> {
  const { official, env, gateway } = stage;
  const { hostname, port } = new URL(gateway.url);
  const args = [official.program, "node", "run", "--host", hostname, "--port", port, "--display-name", "attic"];
  const child = spawn(process.execPath, args, {
    env: { ...env, OPENCLAW_GATEWAY_TOKEN: gateway.token() },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const scopes = ["operator.admin", "operator.read", "operator.write", "operator.pairing", "operator.approvals"];
  const client = await gateway.connect({ scopes });
  const isListed = async (): Promise<boolean> => {
    const rows = (await client.request("system-presence", {})) as Json[];
    return rows.some((row) => JSON.stringify(row["roles"] ?? []).includes("node"));
  };
  try {
    await stage.task("node host", "connects as a node and is listed in presence", async () => {
      const found = await Promise.race([until("the node in presence", isListed, 90_000), ended]);
      if (found !== true) throw new Error(`it ended with code ${String(found)}`);
      return "";
    });
    await stage.task("node host", "is approved with its commands", async () => {
      const { pending } = await client.request<{ pending: { requestId: string }[] }>("node.pair.list", {});
      await client.request("node.pair.approve", { requestId: pending[0]!.requestId });
      const { commands } = await client.request<{ commands: string[] }>("node.describe", { nodeId: "attic" });
      if (!commands.includes("system.run")) throw new Error(`it may run ${commands.join(" ")}`);
      return `${commands.length} commands`;
    });
    await stage.task("node host", "system.which", async () => {
      const request = { nodeId: "attic", command: "system.which", params: { bins: ["ls"] }, idempotencyKey: "which" };
      const { payload } = await client.request<{ payload: { bins: Json } }>("node.invoke", request);
      if (typeof payload.bins["ls"] !== "string") throw new Error(JSON.stringify(payload));
      return "";
    });
    await stage.task("node host", "system.run after a person has agreed, once for each key", () => runOnNode(client));
  } finally {
    await client.close();
    child.kill("SIGKILL");
    await ended;
  }
}

async function runOnNode(client: ProtocolClient): Promise<string> {
  const request = { nodeId: "attic", command: "system.run", params: { command: ["/bin/echo", "ran"] }, idempotencyKey: "run" };
  const run = (): Promise<{ payload: { stdout: string } }> => client.request("node.invoke", request, { timeoutMs: 90_000 });
  const first = run();
  const { id } = await until("the question", async () => (await client.request<{ id: string }[]>("exec.approval.list", {}))[0], 60_000);
  await client.request("exec.approval.resolve", { id, decision: "allow-once" });
  const results = [await first, await run()].map(({ payload }) => payload.stdout);
  if (results.join("") !== "ran\nran\n") throw new Error(JSON.stringify(results));
  const { recentInvocations } = await client.request<{ recentInvocations: { command: string }[] }>("node.describe", { nodeId: "attic" });
  const runs = recentInvocations.filter(({ command }) => command === "system.run").length;
  if (runs !== 1) throw new Error(`${runs} runs`);
  return "";
}
