import { WebSocket } from "ws";
import { VERSION } from "../core/version.ts";
import { containListeners, type FailureHandler } from "./containment.ts";
import { agentFor } from "./http.ts";

/** A WebSocket to a platform. What it is asked for is `ws`'s: Node's own would load a second HTTP client for it. */
export type { WebSocket } from "ws";

export type WebSocketOptions = {
  /** It fails by then, in ms. */
  handshakeMs: number;
  /** The HTTP proxy of this account; without it `HTTPS_PROXY` and `NO_PROXY` count. For wss:// only: proxies do not forward ws://. */
  proxy?: string | null;
  /** Takes what a listener of the socket throws. */
  fail: FailureHandler;
};

/** Begins to open a socket. An address on another host, to which the platform leads, is not followed. Throws when the proxy cannot be used. */
export function openWebSocket(url: string | URL, { handshakeMs, proxy = null, fail }: WebSocketOptions): WebSocket {
  const socket = new WebSocket(url, {
    handshakeTimeout: handshakeMs,
    followRedirects: false,
    perMessageDeflate: false,
    headers: { "user-agent": `openclaw-gateway/${VERSION}` },
    ...(new URL(url).protocol === "wss:" && { agent: agentFor("https", proxy) }),
  });
  return containListeners(socket, fail);
}

/** Whether something can be written to it. */
export const isOpen = (socket: WebSocket): boolean => socket.readyState === WebSocket.OPEN;
