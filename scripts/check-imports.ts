// Fails when a room imports what it may not, when siblings meet, or when a package is used outside its owner room.
import { globSync, readFileSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";

/** room -> rooms that it may import. */
const ALLOWED_IMPORTS: Record<string, readonly string[]> = {
  core: [],
  protocol: ["core"],
  config: ["core"],
  store: ["core"],
  channels: ["core"],
  agents: ["core"],
  routing: ["core", "config"],
  observe: ["core", "config"],
  auth: ["core", "config", "store"],
  schedule: ["core", "config", "store"],
  nodes: ["core", "store"],
  tools: ["core", "config", "observe"],
  turns: ["core", "config", "routing", "store", "agents", "channels", "observe"],
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
    "nodes",
    "schedule",
    "observe",
  ],
  server: ["core", "protocol", "auth", "observe"],
  client: ["core", "protocol"],
  remote: ["core", "config", "client", "observe"],
  // agents: what an agent reads, which `openclaw doctor` checks without a gateway.
  cli: ["core", "config", "store", "client", "agents"],
  tui: ["core", "client"],
};

/** module -> the rooms that may import it. */
const PACKAGE_OWNERS: Record<string, readonly string[]> = {
  "node:sqlite": ["store"],
  ws: ["server", "client", "channels/websocket.ts"],
  "node:http": ["server", "tools", "channels/http.ts"],
  "node:https": ["server", "tools", "channels/http.ts"],
  "node:child_process": ["agents", "tools", "remote", "channels", "cli"],
};

let violations = 0;
function reportViolation(file: string, why: string): void {
  violations++;
  console.error(`${file}: ${why}`);
}

function checkImport(file: string, parts: readonly string[], spec: string): void {
  const room = parts[0]!;
  if (!spec.startsWith(".")) {
    const owners = PACKAGE_OWNERS[spec];
    const mayImport = owners === undefined || owners.includes(room) || owners.includes(parts.join("/")) || file.endsWith(".test.ts");
    if (!mayImport) reportViolation(file, `only ${owners.join(", ")} may import ${spec}`);
    return;
  }
  const to = relative("src", resolve(dirname(file), spec)).split(sep);
  if (to[0] === "..") return reportViolation(file, `imports ${spec}, outside of src`);
  if (to[0] !== room && !ALLOWED_IMPORTS[room]!.includes(to[0]!)) reportViolation(file, `${room} may not import ${to[0]}`);
  const siblings = room === to[0] && parts.length > 2 && to.length > 2 && to[1] !== parts[1];
  if (siblings) reportViolation(file, `${room}/${parts[1]} may not import its sibling ${room}/${to[1]}`);
}

for (const file of globSync("src/**/*.ts")) {
  const parts = relative("src", file).split(sep);
  if (parts.length === 1 || parts[0] === "gateway") continue; // main.ts, start-gateway.ts and its parts compose everything
  if (!Object.hasOwn(ALLOWED_IMPORTS, parts[0]!)) {
    reportViolation(file, `unknown room "${parts[0]}"`);
    continue;
  }
  const test = file.endsWith(".test.ts");
  for (const [, spec] of readFileSync(file, "utf8").matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g)) {
    if (test && spec!.includes("/test/")) continue; // fakes
    checkImport(file, parts, spec!);
  }
}
process.exit(violations ? 1 : 0);
