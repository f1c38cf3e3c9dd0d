import type { SandboxRequest } from "../sandbox.ts";

export type RelayTarget = {
  /** Path of the Unix socket of the proxy. */
  socket: string;
  /** What the proxy asks for. */
  credential: { readonly username: string; readonly password: string };
  /** The program that runs the relay; it does not have to be one of the system. */
  node: string;
};

/**
 * A program for Node that runs in the sandbox in front of a command: it listens on the sandbox's own loopback, passes each connection on to
 * the proxy, names itself in the variables for proxies, and ends as the command does. It decides nothing. Its first argument is JSON, the
 * others are the command.
 */
const RELAY_PROGRAM = `
const net = require("node:net"), os = require("node:os"), { spawn } = require("node:child_process");
const { socket, credential, variables } = JSON.parse(process.argv[1]);
const [program, ...args] = process.argv.slice(2);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(signal, () => {});
const server = net.createServer({ allowHalfOpen: true }, (near) => {
  const far = net.connect({ path: socket, allowHalfOpen: true });
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
  near.on("close", () => far.destroy());
  far.on("close", () => near.destroy());
  near.pipe(far);
  far.pipe(near);
});
server.listen(0, "127.0.0.1", () => {
  const url = "http://" + credential + "@127.0.0.1:" + server.address().port;
  const env = { ...process.env, ...variables };
  for (const name of ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"]) env[name] = url;
  const child = spawn(program, args, { stdio: "inherit", env });
  child.on("error", (err) => {
    console.error(program + ": " + (err.code === "ENOENT" ? "not found" : err.message));
    process.exit(127);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + os.constants.signals[signal]));
});
`;

/** Variables that would act in the relay; the command gets them. */
const ACTS_IN_NODE = /^(?:NODE|LD|SSL|OPENSSL|UV)_/;

/** What the variables for proxies say besides: the loopback is the sandbox's own, and Node reads these variables only when another one says so. */
const PROXY_VARIABLES = { no_proxy: "localhost,127.0.0.1,::1", NO_PROXY: "localhost,127.0.0.1,::1", NODE_USE_ENV_PROXY: "1" };

/** The request with the relay in front of the command. */
export function withRelay(request: SandboxRequest, { socket, credential, node }: RelayTarget): SandboxRequest {
  const named = Object.entries(request.env);
  const variables = { ...PROXY_VARIABLES, ...Object.fromEntries(named.filter(([name]) => ACTS_IN_NODE.test(name))) };
  const settings = { socket, credential: `${credential.username}:${credential.password}`, variables };
  return {
    ...request,
    argv: [node, "-e", RELAY_PROGRAM, JSON.stringify(settings), ...request.argv],
    env: Object.fromEntries(named.filter(([name]) => !ACTS_IN_NODE.test(name))),
    readable: [...request.readable, node, socket],
  };
}
