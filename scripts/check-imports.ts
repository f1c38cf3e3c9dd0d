// Fails when a module imports what it may not, when siblings meet, when a package is used outside its owner, when files import each
// other in a cycle, and when two files export a type of the same name.
//   node scripts/check-imports.ts [--draw]   --draw prints the modules and the arrows between them instead
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findCycles, isTest, moduleOf, readSources, ROOT, sharedTypeNames, type Graph, type SourceFile } from "./source-graph.ts";

/** module -> modules, or single files of them, that it may import. `gateway` and the files beside the modules compose everything. */
const ALLOWED_IMPORTS: Record<string, readonly string[]> = {
  core: [],
  protocol: ["core"],
  config: ["core", "channels/registry.ts", "channels/schema-fields.ts", "channels/unserved-channels.ts"],
  store: ["core"],
  channels: ["core"],
  // command, group-watcher, json-rpc-process: programs of other vendors as agents (ACP).
  agents: ["core", "tools/tool.ts", "tools/command.ts", "tools/group-watcher.ts", "tools/json-rpc-process.ts"],
  routing: ["core", "config", "channels/registry.ts"],
  observe: ["core", "config"],
  auth: ["core", "config", "store"],
  tools: ["core", "config"],
  skills: ["core", "config"],
  approvals: ["core", "store"],
  mcp: ["core", "config", "store", "tools"],
  turns: ["core", "config", "routing", "store", "agents", "channels", "observe", "approvals"],
  schedule: ["core", "config", "store", "turns"],
  // skills: how the header of a HOOK.md is read.
  hooks: ["core", "config", "store", "turns", "skills/front-matter.ts", "skills/header-values.ts"],
  subagents: ["core", "store", "turns"],
  usage: ["core", "config", "store", "agents", "turns"],
  remote: ["core", "config"],
  backup: ["core", "config", "store"],
  // What of another installation can be used here is decided by the modules that will use it.
  adopt: ["core", "config", "store", "channels/registry.ts", "channels/unserved-channels.ts", "routing/session-key.ts", "schedule"],
  service: ["core"],
  update: ["core", "config", "store", "client", "backup"],
  secrets: ["core", "config"],
  // client, tools/command.ts: the host, by which this machine is a node of another gateway.
  nodes: ["core", "store", "client", "tools/command.ts", "tools/commands/programs.ts", "tools/group-watcher.ts"],
  peers: ["core", "config", "store", "client", "agents", "turns", "auth/peer-gate.ts"],
  methods: [
    "core",
    "config",
    "protocol",
    "auth",
    "store",
    "routing",
    "turns",
    "agents",
    "channels",
    "tools",
    "observe",
    "approvals",
    "mcp",
    "skills",
    "schedule",
    "subagents",
    "usage",
    "nodes",
    "peers",
  ],
  server: ["core", "protocol", "auth", "observe"],
  client: ["core", "protocol"],
  // agents: what an agent reads, which `openclaw doctor` checks without a gateway.
  cli: [
    "core",
    "config",
    "store",
    "client",
    "agents",
    "skills",
    "remote",
    "nodes",
    "backup",
    "adopt",
    "service",
    "update",
    "secrets",
    "tools/group-watcher.ts",
    "channels/registry.ts",
    "tui",
  ],
  // What it shares with the other commands: text for terminals, and how a question is shown and answered.
  tui: ["core", "client", "cli/terminal-text.ts", "cli/approval-view.ts", "cli/approval-answers.ts"],
};
const COMPOSITION = "gateway";

/** package -> the module or file that owns it in each process or thread that may need it. */
const PACKAGE_OWNERS: Record<string, readonly string[]> = {
  "node:sqlite": ["store"],
  "node:tls": ["channels/irc/connection.ts", "remote/tls", "server", "client/pinned-connection.ts", "cli/remote-check.ts"],
  "node:http": [
    "server",
    "tools/web/guarded-fetch.ts",
    "tools/egress-proxy.ts",
    "tools/upstream-proxy.ts",
    "channels/http.ts",
    "mcp/http-fetch.ts",
    "cli/mcp-login.ts",
    "observe/otel/post.ts",
    "cli/remote-check.ts",
    "update/canary.ts",
    "peers/a2a/http.ts",
  ],
  "node:https": [
    "server",
    "tools/web/guarded-fetch.ts",
    "tools/upstream-proxy.ts",
    "channels/http.ts",
    "mcp/http-fetch.ts",
    "observe/otel/post.ts",
    "cli/remote-check.ts",
    "peers/a2a/http.ts",
  ],
  // Pipes of a process: through core/start-process.ts, unless the caller is ready for a child without any.
  "node:child_process": [
    "core/start-process.ts",
    "agents/pi/process.ts",
    "gateway/doctor-run.ts",
    "service/run-program.ts",
    "service/notify.ts",
    "update/run-program.ts",
    "tools/browser/driver-process.ts",
    "tools/browser/program-version.ts",
    "channels/signal/daemon-process.ts",
    "cli/dashboard.ts",
    "remote/tailscale/program.ts",
    "skills/install/run-program.ts",
  ],
  ws: ["client/client.ts", "channels/websocket.ts"],
  "playwright-core": ["tools/browser/driver"],
  marked: ["core/markdown"],
  "@modelcontextprotocol/client": ["mcp"],
  "@modelcontextprotocol/server": ["cli/mcp-serve-protocol.ts"],
  "@agentclientprotocol/sdk": ["agents/acp/connection.ts", "cli/acp-protocol.ts"],
  croner: ["schedule/due-times.ts"],
  "@earendil-works/pi-tui": ["tui/toolkit.ts"],
  uqr: ["core/qr.ts"],
  "dns-packet": ["remote/discovery"],
  yaml: ["skills/front-matter.ts"],
};

const violations: string[] = [];
const reportViolation = (file: string, why: string): void => void violations.push(`${file}: ${why}`);

/** `@scope/name/dist/file.js` belongs to the owner of `@scope/name`. */
const packageOf = (spec: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(spec)![0];

function checkPackages(file: SourceFile): void {
  const inModule = file.path.slice("src/".length);
  for (const name of file.packages) {
    const owners = PACKAGE_OWNERS[name] ?? PACKAGE_OWNERS[packageOf(name)];
    if (owners && !owners.some((owner) => inModule === owner || inModule.startsWith(`${owner}/`)))
      reportViolation(file.path, `only ${owners.join(", ")} may import ${name}`);
  }
}

function checkArrows(file: SourceFile, module: string): void {
  const allowed = ALLOWED_IMPORTS[module];
  if (!allowed) return reportViolation(file.path, `unknown module "${module}"; declare what it may import`);
  for (const target of file.imports) {
    if (isTest(file.path) && target.startsWith("test/")) continue;
    const to = moduleOf(target);
    if (to === null) reportViolation(file.path, `imports ${target}, outside of src`);
    else if (to !== module && !allowed.some((each) => each === to || target === `src/${each}`))
      reportViolation(file.path, `${module} may not import ${to}`);
    else if (to === module) checkSiblings(file.path, target);
  }
}

/** Folders inside a module do not know each other. */
function checkSiblings(path: string, target: string): void {
  const [, module, from, ...below] = path.split("/");
  const [, , to, ...belowTarget] = target.split("/");
  if (below.length > 0 && belowTarget.length > 0 && from !== to)
    reportViolation(path, `${module}/${from} may not import its sibling ${module}/${to}`);
}

function checkCycles(graph: Graph): void {
  for (const cycle of findCycles(graph)) reportViolation(cycle[0]!, `imports itself through ${cycle.slice(1).join(", ")}`);
}

/** One line for each module: what it imports, with the number of imports. */
function draw(graph: Graph): void {
  const arrows = new Map<string, Map<string, number>>();
  for (const file of graph.values()) {
    const from = moduleOf(file.path);
    if (from === null || isTest(file.path)) continue;
    const counts = arrows.get(from) ?? new Map<string, number>();
    arrows.set(from, counts);
    for (const target of file.imports) {
      const to = moduleOf(target);
      if (to !== null && to !== from) counts.set(to, (counts.get(to) ?? 0) + 1);
    }
  }
  const rows = [...arrows].toSorted(([, a], [, b]) => a.size - b.size);
  for (const [from, counts] of rows) {
    const targets = [...counts].toSorted(([, a], [, b]) => b - a).map(([to, count]) => `${to} ${count}`);
    console.log(`${from.padEnd(18)} ${targets.length > 0 ? `-> ${targets.join(", ")}` : "imports nothing"}`);
  }
  const total = rows.reduce((sum, [, counts]) => sum + [...counts.values()].reduce((all, count) => all + count, 0), 0);
  console.log(`${rows.length} modules, ${rows.reduce((sum, [, counts]) => sum + counts.size, 0)} arrows, ${total} imports between modules`);
}

const graph = readSources();
if (process.argv.includes("--draw")) {
  draw(graph);
} else {
  for (const module of Object.keys(ALLOWED_IMPORTS))
    if (!existsSync(join(ROOT, "src", module))) reportViolation("scripts/check-imports.ts", `there is no module "${module}"`);
  for (const file of graph.values()) {
    const module = moduleOf(file.path);
    if (module === null) continue;
    if (!isTest(file.path)) checkPackages(file);
    if (module !== COMPOSITION && file.path.split("/").length > 2) checkArrows(file, module);
  }
  checkCycles(graph);
  for (const [name, [first, ...others]] of sharedTypeNames(graph))
    reportViolation(first!, `exports the type ${name}, as ${others.join(", ")} does; one name, one thing`);
  for (const line of violations) console.error(line);
  process.exitCode = violations.length > 0 ? 1 : 0;
}
