import type { ConnectParams, HelloOk, RequestFrame } from "@openclaw/gateway-protocol";
import type { WireError } from "./errors.ts";

export type { ConnectParams, HelloOk, RequestFrame };

/**
 * A payload that is JSON already, e.g. a cached list: it is spliced into the frame as it is. The text must be one valid JSON
 * value; it is not checked again.
 */
export class RawJson {
  readonly json: string;

  constructor(json: string) {
    this.json = json;
  }
}

const payloadText = (payload: unknown): string => (payload instanceof RawJson ? payload.json : (JSON.stringify(payload) ?? "null"));

/** Id of the answer to a frame that has no readable id of its own. */
export const NO_ID = "invalid";

export function encodeResult(id: string, payload: unknown): string {
  const head = `{"type":"res","id":${JSON.stringify(id)},"ok":true`;
  return payload === undefined ? `${head}}` : `${head},"payload":${payloadText(payload)}}`;
}

export function encodeError(id: string, error: WireError): string {
  return `{"type":"res","id":${JSON.stringify(id)},"ok":false,"error":${JSON.stringify(error)}}`;
}

/** An event for one client, without `seq`. */
export function encodeEvent(event: string, payload: unknown): string {
  return `{"type":"event","event":${JSON.stringify(event)},"payload":${payloadText(payload)}}`;
}

/** An event for many: `head` + seq + `tail` is one frame, and both parts are encoded once for all of them. */
export function encodeBroadcast(
  event: string,
  payload: unknown,
  stateVersion: { presence: number; health: number } | undefined,
): { head: string; tail: string } {
  const version = stateVersion ? `,"stateVersion":{"presence":${stateVersion.presence},"health":${stateVersion.health}}` : "";
  return {
    head: `{"type":"event","event":${JSON.stringify(event)},"seq":`,
    tail: `${version},"payload":${payloadText(payload)}}`,
  };
}
