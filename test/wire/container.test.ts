// What the container recipe promises, as far as it can be tested without an engine: any user id, a read-only root, process 1, the probes.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chownSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";
import { freePort } from "../channel-kit/ngircd.ts";
import { until } from "../until.ts";
import { dropHome, MAIN, newHome, startGateway, stateDir } from "./gateway-process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, "deploy", path), "utf8");
const PROBE = join(root, "deploy/container/probe.mjs");
const PORT = 18_789;
const PATHS = ["/startupz", "/readyz", "/healthz"] as const;

const homes: string[] = [];
after(() => homes.forEach((home) => rmSync(home, { recursive: true, force: true })));

type Probe = { httpGet: { path: string; port: string; httpHeaders: { name: string; value: string }[] } };
type Container = {
  securityContext: Record<string, unknown>;
  volumeMounts: { mountPath: string }[];
  ports: { name: string; containerPort: number }[];
  startupProbe: Probe;
  readinessProbe: Probe;
  livenessProbe: Probe;
};
type Pod = { securityContext: Record<string, unknown>; terminationGracePeriodSeconds: number; containers: Container[] };

test("the manifests run one unprivileged gateway with a read-only root and probe its health", () => {
  const documents = parseAllDocuments(read("kubernetes/gateway.yaml")).map(
    (each) => each.toJS() as { kind: string; spec: Record<string, unknown> },
  );
  assert.deepEqual(
    documents.map(({ kind }) => kind),
    ["PersistentVolumeClaim", "Service", "Deployment"],
  );
  const deployment = documents[2]!.spec as { replicas: number; strategy: { type: string }; template: { spec: Pod } };
  const pod = deployment.template.spec;
  const [container] = pod.containers as [Container];
  assert.deepEqual([deployment.replicas, deployment.strategy.type], [1, "Recreate"]);
  assert.deepEqual([pod.securityContext["runAsNonRoot"], pod.securityContext["runAsGroup"]], [true, 0]);
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.deepEqual(
    container.volumeMounts.map(({ mountPath }) => mountPath),
    ["/data", "/tmp"],
  );
  assert.deepEqual(
    [container.startupProbe, container.readinessProbe, container.livenessProbe].map(({ httpGet }) => httpGet.path),
    PATHS,
  );
  assert.equal(container.ports[0]!.containerPort, PORT);
  assert.ok(pod.terminationGracePeriodSeconds > 10);
});

test("the compose file runs the same, reachable from this machine only", () => {
  const { gateway } = (parse(read("container/compose.yaml")) as { services: { gateway: Record<string, unknown> } }).services;
  assert.deepEqual(
    [gateway!["read_only"], gateway!["cap_drop"], gateway!["security_opt"], gateway!["ports"]],
    [true, ["ALL"], ["no-new-privileges:true"], [`127.0.0.1:${PORT}:${PORT}`]],
  );
  assert.deepEqual(gateway!["volumes"], ["state:/data"]);
});

test("the image has one volume, a user that is not root, and an init process", () => {
  const lines = read("container/Containerfile").split("\n");
  for (const line of ["USER 1000:0", "VOLUME /data", 'ENTRYPOINT ["tini", "--", "openclaw"]', "STOPSIGNAL SIGTERM"])
    assert.ok(lines.includes(line), line);
});

test("the probe ends with 0 for a gateway that serves, and with 1 when there is none", async () => {
  const home = newHome();
  const env = { PATH: process.env["PATH"] ?? "", OPENCLAW_STATE_DIR: stateDir(home) };
  const probe = (path: string): number | null => spawnSync(process.execPath, [PROBE, path], { env }).status;
  assert.equal(probe("/healthz"), 1);
  const gateway = await startGateway({ home, config: {}, args: ["--bind", "lan"] });
  try {
    for (const path of PATHS) assert.equal(probe(path), 0, path);
    assert.equal(probe("/"), 1, "a page is not JSON");
    // As the manifests ask.
    for (const path of PATHS) assert.equal((await fetch(`${gateway.http}${path}`, { headers: { host: "localhost" } })).status, 200, path);
  } finally {
    await gateway.kill();
    dropHome(home);
  }
});

const canUnshare =
  process.getuid?.() === 0 &&
  process.platform === "linux" &&
  spawnSync("unshare", ["--mount", "--pid", "--fork", "setpriv", "--version"]).status === 0;

/** Runs the gateway as process 1 of a namespace, with a root file system that it cannot write. */
const AS_CONTAINER = `
set -e
mount --make-rprivate /
mount --bind "$CODE" /mnt
mount --bind "$STATE" /media
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir /tmp/node
mount --bind "$NODE" /tmp/node
mount -o remount,bind,ro /
mount -o remount,bind,ro /mnt
cd /
exec setpriv --reuid 12345 --regid 0 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
  env -i PATH=/tmp/node:/usr/bin:/bin OPENCLAW_STATE_DIR=/media OPENCLAW_DISCOVER_LOCAL_MODELS=0 \
  node "/mnt/$ENTRY" gateway run --port "$PORT" --json
`;

test(
  "a gateway starts as a user without a name, as process 1 with a read-only root, and SIGTERM ends it with 0",
  { skip: !canUnshare && "needs root and namespaces" },
  async () => {
    const state = mkdtempSync(join(tmpdir(), "container-"));
    homes.push(state);
    mkdirSync(join(state, "data"));
    // As a volume of Kubernetes: it belongs to root, and its group may write.
    chownSync(join(state, "data"), 0, 0);
    chmodSync(join(state, "data"), 0o2770);
    const port = await freePort();
    const child = spawn("unshare", ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", AS_CONTAINER], {
      env: {
        PATH: process.env["PATH"] ?? "",
        CODE: root,
        STATE: join(state, "data"),
        NODE: dirname(realpathSync(process.execPath)),
        ENTRY: MAIN.slice(root.length),
        PORT: String(port),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    const asked = await until("the gateway", async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output}`);
      return await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    });
    assert.equal(asked.status, 200, output);
    const inside = spawnSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" })
      .stdout.trim()
      .split("\n")[0]!;
    const status = readFileSync(`/proc/${inside}/status`, "utf8");
    assert.match(status, /^NSpid:\s+\d+\s+1$/m);
    assert.match(status, /^Uid:\s+12345\s/m);
    assert.match(status, /^CapEff:\s+0000000000000000$/m);
    process.kill(Number(inside), "SIGTERM");
    assert.equal(await ended, 0, output);
  },
);
