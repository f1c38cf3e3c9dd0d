import type { ProtocolClientOptions } from "../client/client.ts";
import { LiveConnection } from "../client/live-connection.ts";
import { keepConnected } from "../client/reconnect.ts";
import { TuiApp, type AppOptions } from "./app.ts";
import { bindKeys } from "./keys.ts";
import { holdOutput } from "./stray-output.ts";
import { decideCapabilities } from "./terminal.ts";

export type TuiOptions = Omit<AppOptions, "connection" | "leave"> & {
  readonly client: ProtocolClientOptions;
  /** The session to open; without one, the gateway's main session. */
  readonly session: string | undefined;
  /** Sent once, after the first connection. */
  readonly message: string | undefined;
  readonly signal: AbortSignal;
};

/** What the command prints when the screen is gone. */
export type TuiEnding = { readonly sessionKey: string; readonly strayOutput: string };

/**
 * Runs the terminal interface until the person leaves or `signal` aborts. Rejects with ClientError before anything is drawn when the gateway
 * cannot be reached or refuses; later only when another try cannot help.
 */
export async function runTui(options: TuiOptions): Promise<TuiEnding> {
  const leave = new AbortController();
  const onAbort = (): void => leave.abort();
  options.signal.addEventListener("abort", onAbort, { once: true });
  decideCapabilities();
  bindKeys();
  const connection = new LiveConnection(leave.signal);
  const app = new TuiApp({ ...options, connection, leave });
  let release: (() => string) | null = null;
  const defect = Promise.withResolvers<never>();
  const onDefect = (err: unknown): void => defect.reject(err);
  try {
    const held = keepConnected(
      { ...options.client, onGap: () => app.onGap() },
      {
        onConnected: async (client) => {
          await app.attach(client, options.session);
          if (release !== null) return;
          release = holdOutput(process.stderr);
          for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, onDefect);
          app.start();
          if (options.message !== undefined) app.send(options.message);
        },
        onDisconnected: (err, retryInMs, retryNow) => {
          // Without a first connection there is nothing to come back to.
          if (release === null) throw err;
          app.detach(err.message, retryInMs, retryNow);
        },
      },
      leave.signal,
    );
    await Promise.race([held, defect.promise]);
  } finally {
    leave.abort();
    options.signal.removeEventListener("abort", onAbort);
    if (release !== null) {
      await app.stop();
      for (const event of ["uncaughtException", "unhandledRejection"]) process.off(event, onDefect);
    }
  }
  return { sessionKey: app.sessionKey, strayOutput: (release as (() => string) | null)?.() ?? "" };
}
