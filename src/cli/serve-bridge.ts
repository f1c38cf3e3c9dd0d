import type { ProtocolClient } from "../client/client.ts";
import { keepConnected } from "../client/reconnect.ts";
import { toCliError, toClientOptions, type ConnectScope } from "./connect.ts";
import { resolveTarget } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { formatDuration, sanitizeLine } from "./terminal-text.ts";

/** What a program on standard input and output gets of the gateway. */
export type Bridge = {
  readonly attach: (client: ProtocolClient) => Promise<void>;
  readonly detach: (reason: string) => void;
};

/** The protocol of standard input and output. `ended` resolves when the input has ended. */
export type Serving = { readonly ended: Promise<unknown>; readonly close: () => unknown };

export type ServeBridgeOptions = {
  scopes: readonly ConnectScope[];
  caps?: string[];
  /** `leave` aborts when the input has ended, and when the command is interrupted. */
  open: (leave: AbortSignal) => Promise<{ bridge: Bridge; serving: Serving }>;
};

/** Keeps a bridge connected to the gateway until its input has ended, or the command is interrupted. */
export async function serveBridge(invocation: Invocation, { scopes, caps, open }: ServeBridgeOptions): Promise<void> {
  const { out, host } = invocation;
  const target = resolveTarget(invocation);
  const leave = new AbortController();
  const onAbort = (): void => leave.abort();
  host.signal.addEventListener("abort", onAbort, { once: true });
  const { bridge, serving } = await open(leave.signal);
  void serving.ended.then(onAbort);
  try {
    await keepConnected(
      await toClientOptions(invocation, target, { scopes, ...(caps && { caps }) }),
      {
        onConnected: async (client) => {
          await bridge.attach(client);
          out.note(`(connected to ${target.url})`);
        },
        onDisconnected: (err, retryInMs) => {
          bridge.detach(err.message);
          out.note(`(${sanitizeLine(err.message)}; retrying in ${formatDuration(retryInMs)})`);
        },
      },
      leave.signal,
    );
  } catch (err) {
    throw toCliError(err, target, invocation);
  } finally {
    host.signal.removeEventListener("abort", onAbort);
    await serving.close();
  }
}
