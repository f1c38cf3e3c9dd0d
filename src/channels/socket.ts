import { WebSocket } from "ws";
import { VERSION } from "../core/version.ts";

/** A WebSocket to a platform. What it is asked for is `ws`'s: Node's own would load a second HTTP client for it. */
export type { WebSocket } from "ws";

/** Begins to open a socket. `handshakeMs`: it fails by then; an address on another host, to which the platform leads, is not followed. */
export function openWebSocket(url: string | URL, handshakeMs: number): WebSocket {
  return new WebSocket(url, {
    handshakeTimeout: handshakeMs,
    followRedirects: false,
    perMessageDeflate: false,
    headers: { "user-agent": `openclaw-gateway/${VERSION}` },
  });
}

/** Whether something can be written to it. */
export const isOpen = (socket: WebSocket): boolean => socket.readyState === WebSocket.OPEN;
