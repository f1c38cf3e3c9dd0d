import { runCli } from "./cli/run.ts";
import { selectProfile } from "./core/profile.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // A second Ctrl-C ends whatever does not end by itself.
    if (stop.signal.aborted) process.exit(130);
    stop.abort(signal);
  });
}
// A closed reader (`| head`) is not a failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (err: NodeJS.ErrnoException) => {
    if (err.code === "EPIPE") process.exit(0);
    throw err;
  });
}

process.exitCode = await runCli(process.argv.slice(2), {
  streams: process,
  // Opening it loads streams that most commands do not need.
  get stdin() {
    return process.stdin;
  },
  env: process.env,
  useProfile: (name) => selectProfile(process.env, name),
  cwd: process.cwd(),
  now: Date.now,
  signal: stop.signal,
  startGateway: async (options) => (await import("./gateway/start-gateway.ts")).startGateway(options),
  verifyChannel: async (candidate, signal) => (await import("./gateway/channel-account-config.ts")).verifyCandidate(candidate, signal),
});
