// A program `tailscale` that follows the contract of the real one as it was recorded on 2026-11-29 (documentation and reports; neither
// Tailscale nor headscale could be installed here). Its state is a file, which tests change while it runs.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type TailscaleState = {
  backendState: string;
  dnsName: string;
  /** address -> login */
  people: Record<string, string>;
  /** hostPort -> proxy: routes that were set for good. */
  web: Record<string, string>;
  /** session -> claim */
  foreground: Record<string, { hostPort: string; proxy: string; funnel: boolean }>;
  /** What a claim answers instead of holding the route. */
  refusal: string | null;
  /** Every call, in order. */
  calls: string[];
};

const SCRIPT = `
const { readFileSync, renameSync, writeFileSync } = require("node:fs");
const file = process.env.TS_TEST_STATE;
const read = () => JSON.parse(readFileSync(file, "utf8"));
const change = (edit) => {
  const state = read();
  edit(state);
  writeFileSync(file + "." + process.pid, JSON.stringify(state));
  renameSync(file + "." + process.pid, file);
};
const args = process.argv.slice(2);
const fail = (text) => { process.stderr.write(text + "\\n"); process.exit(1); };
const print = (value) => process.stdout.write(JSON.stringify(value));
const web = (hostPort, proxy) => ({ [hostPort]: { Handlers: { "/": { Proxy: proxy } } } });
change((state) => state.calls.push(args.join(" ")));
const state = read();
if (args[0] === "version") process.stdout.write("1.90.0\\n");
else if (args[0] === "status") {
  if (state.backendState === "down") fail("failed to connect to local tailscaled; it doesn't appear to be running");
  print({ BackendState: state.backendState, Self: { DNSName: state.dnsName + ".", TailscaleIPs: ["100.64.0.1"] } });
} else if (args[0] === "whois") {
  const login = state.people[args[2]];
  if (!login) fail("peer not found");
  print({ Node: {}, UserProfile: { LoginName: login } });
} else if (args[0] === "serve" && args[1] === "status") {
  const foreground = Object.entries(state.foreground).map(([id, { hostPort, proxy, funnel }]) => [
    id, { TCP: { 443: { HTTPS: true } }, Web: web(hostPort, proxy), ...(funnel ? { AllowFunnel: { [hostPort]: true } } : {}) },
  ]);
  print({ Web: Object.assign({}, ...Object.entries(state.web).map(([at, proxy]) => web(at, proxy))), Foreground: Object.fromEntries(foreground) });
} else if (args.at(-1) === "off") change((next) => { next.web = {}; });
else if (args[0] === "serve" || args[0] === "funnel") {
  if (state.refusal) fail(state.refusal);
  const id = String(process.pid);
  const claim = { hostPort: state.dnsName + ":443", proxy: "http://127.0.0.1:" + args.at(-1), funnel: args[0] === "funnel" };
  change((next) => { next.foreground[id] = claim; });
  const end = () => { change((next) => { delete next.foreground[id]; }); process.exit(0); };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  setInterval(() => { if (!read().foreground[id]) process.exit(1); }, 50);
} else fail("unknown command");
`;

/** `env`: what the gateway's environment needs so that it finds the program. */
export function createTailscale(initial: Partial<TailscaleState> = {}) {
  const dir = mkdtempSync(join(tmpdir(), "tailscale-"));
  const file = join(dir, "state.json");
  const script = join(dir, "tailscale.cjs");
  const write = (state: TailscaleState): void => writeFileSync(file, JSON.stringify(state));
  write({ backendState: "Running", dnsName: "vm.tail1.ts.net", people: {}, web: {}, foreground: {}, refusal: null, calls: [], ...initial });
  writeFileSync(script, SCRIPT);
  writeFileSync(join(dir, "tailscale"), `#!/bin/sh\nexec ${process.execPath} ${script} "$@"\n`);
  chmodSync(join(dir, "tailscale"), 0o755);
  const state = (): TailscaleState => JSON.parse(readFileSync(file, "utf8")) as TailscaleState;
  return {
    env: { PATH: `${dir}:${process.env["PATH"]}`, TS_TEST_STATE: file },
    state,
    change: (edit: (state: TailscaleState) => void): void => {
      const next = state();
      edit(next);
      write(next);
    },
    /** The port that is claimed; null while none is. */
    claimedPort: (): number | null => {
      const claim = Object.values(state().foreground)[0];
      return claim === undefined ? null : Number(new URL(claim.proxy).port);
    },
    remove: (): void => rmSync(dir, { recursive: true, force: true }),
  };
}
