// Group: wire
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { localSite } from "../../../test/fakes/browser-host.ts";
import { startHttpProxy } from "../../../test/fakes/http-proxy.ts";
import { toolContext } from "../../../test/fakes/tool-context.ts";
import { MetricsProbe } from "../../../test/metrics-probe.ts";
import { aRequest, findSkipReason, realSandbox, runScriptIn } from "../../../test/sandbox/sandboxed-command.ts";
import { readProxySettings } from "../../core/proxy.ts";
import { silentLog } from "../../core/log.ts";
import type { CommandEgress, SandboxRequest } from "../sandbox.ts";
import { toProxyRoutes } from "../upstream-proxy.ts";
import { CommandEgressProxies } from "./command-egress.ts";

const skip = await findSkipReason();
const PUBLIC = "93.184.215.14";

type Bench = {
  run: (script: string, more?: Partial<SandboxRequest>) => Promise<string>;
  metrics: MetricsProbe;
  asked: string[];
  workspace: string;
  directory: string;
};

/** A sandbox whose way to the network leads through a proxy of this machine to one site, whatever the host. */
async function openBench(t: TestContext): Promise<Bench> {
  const { workspace } = toolContext(t);
  const { workspace: directory } = toolContext(t);
  const site = await localSite((request, response) => void response.end(`site ${request.headers.host} ${request.url}\n`));
  const upstream = await startHttpProxy(() => site.port);
  const metrics = new MetricsProbe();
  const proxies = new CommandEgressProxies({
    directory,
    proxies: toProxyRoutes(readProxySettings({ HTTP_PROXY: upstream.url, HTTPS_PROXY: upstream.url })),
    log: silentLog,
    metrics,
    resolve: (host) => (host.endsWith(".example") ? Promise.resolve([PUBLIC]) : Promise.reject(new Error("no such name"))),
  });
  t.after(async () => {
    await proxies.stop();
    await upstream.close();
    site.close();
  });
  const sandbox = proxies.around(await realSandbox());
  const node = realpathSync(process.execPath);
  writeFileSync(
    join(workspace, "get.mjs"),
    "for (const url of process.argv.slice(2)) console.log(await fetch(url).then((answer) => answer.text(), (err) => `failed: ${err.cause?.message ?? err}`));",
  );
  const run = async (script: string, more: Partial<SandboxRequest> = {}): Promise<string> => {
    const env = { PATH: "/usr/bin:/bin", NODE: node };
    const { output, exitCode } = await runScriptIn(sandbox, script, aRequest(workspace, { env, readable: [node], ...more }));
    return `${output}${exitCode === 0 ? "" : `exit ${exitCode}\n`}`;
  };
  return { run, metrics, asked: upstream.asked, workspace, directory };
}

const egress: CommandEgress = { hosts: ["registry.example", "*.packages.example:8080"], allowPrivateNetwork: false };
const GET = "$NODE get.mjs";

const NO_ROUTE = { proxies: toProxyRoutes(readProxySettings({})), log: silentLog, metrics: new MetricsProbe() };

/** The request that reaches the sandbox itself. */
async function seen(proxies: CommandEgressProxies, request: SandboxRequest): Promise<SandboxRequest> {
  let got = request;
  const wrap = (changed: SandboxRequest) => {
    got = changed;
    return { argv: changed.argv, cwd: "/", env: {}, inputs: [] };
  };
  await proxies.around({ name: "seen", guarantees: [], wrap }).wrap(request);
  return got;
}

test("a command reaches the listed hosts by the variables for proxies, and nothing else", { skip }, async (t) => {
  const { run, asked, metrics } = await openBench(t);
  assert.equal(await run(`${GET} http://registry.example/a`, { egress }), "site registry.example /a\n\n");
  assert.equal(await run(`${GET} http://a.packages.example:8080/b`, { egress }), "site a.packages.example:8080 /b\n\n");
  assert.deepEqual(asked, [`CONNECT ${PUBLIC}:80`, `CONNECT ${PUBLIC}:8080`], "by the checked address");
  for (const url of ["http://other.example/", "http://registry.example:8080/", "http://a.packages.example/", "https://10.0.0.1/"])
    assert.match(await run(`${GET} ${url}`, { egress }), /^failed: /, url);
  assert.equal(asked.length, 2);
  assert.equal(metrics.counted("gateway_sandbox_connections_total", { outcome: "opened" }), 2);
  assert.equal(metrics.counted("gateway_sandbox_connections_total", { outcome: "refused" }), 4);
});

test("a command without the setting, and what does not use the proxy, has no network", { skip }, async (t) => {
  const { run, asked } = await openBench(t);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  assert.match(await run(`echo "[$HTTPS_PROXY]"; ${GET} http://registry.example/`), /^\[\]\nfailed: /);
  const connect = `bash -c 'echo > /dev/tcp/127.0.0.1/${port}' 2>/dev/null && echo reached; bash -c 'echo > /dev/tcp/${PUBLIC}/80' 2>/dev/null && echo reached; true`;
  assert.equal(await run(connect, { egress }), "");
  assert.match(await run(`env -u HTTP_PROXY -u http_proxy -u NODE_USE_ENV_PROXY ${GET} http://registry.example/`, { egress }), /^failed: /);
  assert.match(await run(`${GET} http://127.0.0.1:${port}/`, { egress }), /^failed: /);
  assert.deepEqual(asked, []);
});

test("the proxy serves no program without its password, and its socket is of one list only", { skip }, async (t) => {
  const { run, directory, workspace } = await openBench(t);
  const code = `const r = require("http").request({ socketPath: process.argv[1], path: "http://registry.example/" }, (a) => { console.log(a.statusCode); process.exit(); }); r.on("error", (e) => console.log(e.code)); r.end();`;
  writeFileSync(join(workspace, "ask.cjs"), code.replace("process.argv[1]", "process.argv[2]"));
  assert.match(await run(`${GET} http://registry.example/`, { egress }), /^site /);
  const [socket] = readdirSync(directory).map((name) => join(directory, name));
  assert.equal(await run(`$NODE ask.cjs ${socket}`, { egress }), "407\n");
  assert.equal(await run(`$NODE ask.cjs ${socket}`, { egress: { ...egress, hosts: ["other.example"] } }), "ENOENT\n");
  assert.equal(await run(`$NODE ask.cjs ${socket}`), "ENOENT\n");
});

test(
  "the command is the same behind the relay: input, arguments, variables, exit code, and the end of what it started",
  { skip },
  async (t) => {
    const { run } = await openBench(t);
    const env = { PATH: "/usr/bin:/bin", NODE_OPTIONS: "--no-such-flag", LD_BIND_NOW: "1", TEXT: "a 'b'\n$c" };
    assert.equal(
      await run('cat; echo "$NODE_OPTIONS|$LD_BIND_NOW|$TEXT"; exit 7', { env, egress }),
      "--no-such-flag|1|a 'b'\n$c\nexit 7\n",
    );
    assert.equal(await run("kill -KILL $$", { egress }), "exit 137\n");
    assert.equal(await run("(sleep 300 >/dev/null 2>&1 &) ; echo done", { egress }), "done\n");
    const others = await run("for each in /proc/self/fd/*; do readlink $each; done; true", { egress });
    assert.deepEqual(
      others.split("\n").filter((line) => !/^(socket:.*|pipe:.*|\/dev\/null|\/proc\/\d+\/fd|)$/.test(line)),
      [],
    );
  },
);

test("no list has more than one proxy, and a stopped one leaves no socket", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const { workspace: directory } = toolContext(t);
  // What a killed gateway has left.
  for (const name of ["egress-7.sock", "kept"]) writeFileSync(join(directory, name), "");
  const proxies = new CommandEgressProxies({ ...NO_ROUTE, directory });
  const sandbox = proxies.around(await realSandbox());
  await Promise.all([1, 2, 3].map(() => sandbox.wrap(aRequest(workspace, { egress }))));
  await sandbox.wrap(aRequest(workspace, { egress: { hosts: [], allowPrivateNetwork: true } }));
  assert.deepEqual(readdirSync(directory), ["egress-1.sock", "kept"]);
  await proxies.stop();
  assert.deepEqual(readdirSync(directory), ["kept"]);
});

test("a path that is too long for a socket is replaced by one in the directory for temporary files", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const directory = join(workspace, "d".repeat(100));
  mkdirSync(directory);
  const proxies = new CommandEgressProxies({ ...NO_ROUTE, directory });
  t.after(() => proxies.stop());
  const { readable } = await seen(proxies, aRequest(workspace, { egress }));
  const socket = readable.at(-1)!;
  assert.ok(existsSync(socket) && Buffer.byteLength(socket) < 104, socket);
  await proxies.stop();
  assert.ok(!existsSync(dirname(socket)));
});
