// Agents from npm that need no account, in the real gateway against the scripted model: an answer, a question to a person, a kill in the
// middle of a turn. They are large, so that this runs at night and not with the tests.
//   npm run acp:agents -- [name...]
// They are installed below .cache/acp-agents when they are not there. Ends with 1 after a failure.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startModelServer, textOf, type ModelServer, type RecordedRequest } from "../model-server.ts";
import { openclaw, openclawJson } from "../wire/cli.ts";
import { descendants, dropHome, newHome, startGateway, until } from "../wire/gateway-process.ts";

const CACHE = fileURLToPath(new URL("../../.cache/acp-agents/", import.meta.url));
const SCOPES = ["operator.read", "operator.write", "operator.approvals", "operator.admin"];
/** The text that makes the scripted model run a command of the agent. */
const RUN = "please run it";
const MARK = "made-by-the-agent";

type Agent = {
  name: string;
  package: string;
  /** The entry of `acp.agents`. */
  entry: (place: { root: string; home: string; model: ModelServer }) => object;
  /** The call of its own tool that runs a command. */
  shell: { tool: string; args: Record<string, unknown> };
};

const AGENTS: readonly Agent[] = [
  {
    name: "qwen",
    package: "@qwen-code/qwen-code@0.24.4",
    entry: ({ root, home, model }) => ({
      command: join(root, ".bin", "qwen"),
      args: ["--acp", "--auth-type=openai", "--approval-mode=default"],
      env: { HOME: home, OPENAI_BASE_URL: `${model.url}/v1`, OPENAI_API_KEY: "test-key", OPENAI_MODEL: "test-model" },
    }),
    shell: { tool: "run_shell_command", args: { command: `touch ${MARK}`, description: "make a file", is_background: false } },
  },
  {
    name: "opencode",
    package: "opencode-ai@1.18.33",
    entry: ({ root, home, model }) => {
      const file = join(home, "opencode.json");
      const provider = {
        npm: "@ai-sdk/openai-compatible",
        name: "Test",
        options: { baseURL: `${model.url}/v1`, apiKey: "test-key" },
        models: { "test-model": { name: "Test" } },
      };
      writeFileSync(file, JSON.stringify({ model: "test/test-model", provider: { test: provider }, permission: { bash: "ask" } }));
      // The package links its program in an install script, which does not run here.
      const program = join(root, `opencode-${process.platform}-${process.arch}`, "bin", "opencode");
      return { command: program, args: ["acp"], env: { HOME: home, OPENCODE_CONFIG: file } };
    },
    shell: { tool: "bash", args: { command: `touch ${MARK}`, description: "make a file" } },
  },
];

async function install({ package: wanted }: Agent): Promise<string> {
  const at = wanted.lastIndexOf("@");
  const [name, version] = [wanted.slice(0, at), wanted.slice(at + 1)];
  const home = join(CACHE, name.split("/").at(-1)!);
  const modules = join(home, "node_modules");
  const manifest = join(modules, name, "package.json");
  const isThere = (): boolean =>
    existsSync(manifest) && (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version === version;
  if (!isThere()) {
    console.error(`Installing ${wanted} into ${home} …`);
    mkdirSync(home, { recursive: true });
    const args = ["install", "--prefix", home, "--no-audit", "--no-fund", "--ignore-scripts", wanted];
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };
    const code = await new Promise((resolve) => spawn("npm", args, { stdio: ["ignore", "ignore", "inherit"], env }).on("close", resolve));
    if (code !== 0 || !isThere()) throw new Error(`${wanted} could not be installed: npm ended with code ${String(code)}`);
  }
  return modules;
}

/** One call of the agent's tool for the text, then a text. */
const isAskedToRun = ({ messages }: RecordedRequest): boolean =>
  messages.at(-1)?.role === "user" && textOf(messages.at(-1)).includes(RUN) && !textOf(messages.at(-1)).includes("title");

async function drive(agent: Agent): Promise<string[]> {
  const seen: string[] = [];
  const root = await install(agent);
  const model = await startModelServer();
  const home = newHome();
  const workspace = join(home, "workspace");
  mkdirSync(workspace, { recursive: true });
  const { tool, args } = agent.shell;
  model.setBehaviour((request) => (isAskedToRun(request) && request.tools.includes(tool) ? { steps: [{ tool, args }] } : undefined));
  const path = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
  const entry = agent.entry({ root, home, model });
  const config = {
    acp: { agents: { [agent.name]: entry } },
    agents: { entries: { main: { workspace, runtime: { type: "acp", acp: { agent: agent.name } } } } },
    tools: { exec: { mode: "ask", host: "gateway" } },
  };
  const gateway = await startGateway({ home, config, env: { PATH: path } });
  const ask = async (message: string): Promise<string> => {
    const answer = await openclawJson<{ result: { payloads: { text: string }[] } }>(home, "agent", "--message", message);
    return answer.result.payloads.map(({ text }) => text).join("");
  };
  try {
    const client = await gateway.connect({ scopes: SCOPES });
    // The first start of a large program may take longer than the gateway waits; it is started again.
    let first = "";
    await until(
      "the first answer",
      async () => {
        const answered = await openclaw(home, "agent", "--message", "my number is 4711");
        first = answered.stdout + answered.stderr;
        return answered.code === 0 || !first.includes("initialize");
      },
      180_000,
    );
    expect(first, /You said[^]*my number is 4711/);
    const { agentRuntime } = await client.request<{ agentRuntime: { agents: { pid: number; version: string }[] } }>("status", {});
    seen.push(`answers (${agentRuntime.agents[0]!.version})`);

    const running = ask(RUN);
    const approval = await until(
      "the question",
      async () => (await client.request<{ id: string; request: { allowedDecisions: string[] } }[]>("plugin.approval.list", {}))[0],
      60_000,
    );
    if (existsSync(join(workspace, MARK))) throw new Error("it ran before a person agreed");
    await client.request("plugin.approval.resolve", { id: approval.id, decision: "allow-once" });
    await running;
    if (!existsSync(join(workspace, MARK))) throw new Error("it did not run after a person agreed");
    seen.push(`asks (${approval.request.allowedDecisions.join(", ")}), runs after the answer`);

    const hanging = openclaw(home, "agent", "--message", "hang");
    await until("the turn", () => model.requests().some(({ messages }) => /(^|\n)hang$/.test(textOf(messages.at(-1)))), 60_000);
    const { agentRuntime: now } = await client.request<{ agentRuntime: { agents: { pid: number }[] } }>("status", {});
    const { pid } = now.agents[0]!;
    for (const each of [pid, ...descendants(pid)]) process.kill(each, "SIGKILL");
    const broken = await hanging;
    if (broken.code !== 1)
      throw new Error(`the turn ended with ${broken.code} when its agent was killed: ${broken.stdout}${broken.stderr}`);
    expect(await ask("and now"), /and now/);
    const context = JSON.stringify(model.requests().findLast(({ messages }) => JSON.stringify(messages).includes("and now"))?.messages);
    seen.push(`killed in a turn, goes on${context.includes("4711") ? " with its earlier messages" : " without its earlier messages"}`);
    await client.close();
  } finally {
    await gateway.kill();
    await model.close();
    dropHome(home);
  }
  return seen;
}

function expect(text: string, wanted: RegExp): void {
  if (!wanted.test(text)) throw new Error(`${String(wanted)} is not in: ${text.slice(0, 300)}`);
}

const names = process.argv.slice(2);
for (const agent of AGENTS.filter(({ name }) => names.length === 0 || names.includes(name))) {
  try {
    console.log(`✓ ${agent.package}: ${(await drive(agent)).join("; ")}`);
  } catch (err) {
    process.exitCode = 1;
    console.log(`✗ ${agent.package}: ${(err as Error).message.slice(0, 1_000)}`);
  }
}
