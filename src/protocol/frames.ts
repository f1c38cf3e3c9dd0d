import type { ConnectParams, HelloOk, RequestFrame } from "@openclaw/gateway-protocol";
import type { WireError } from "./errors.ts";

export type { ConnectParams, HelloOk, RequestFrame };

/** The bytes of an encoded payload with the brace that ends its frame, so that a frame is two pieces. */
export const encodeTail = (json: string): Buffer => Buffer.from(`${json}}`);

/**
 * A payload that is JSON already, such as a cached list: it is spliced into the frame as it is. `head` and what `tail` was made of
 * (`encodeTail`) together are one valid JSON value, which is not checked again. The bytes may be in use for other frames: they are never
 * changed.
 */
export class EncodedJson {
  readonly head: string;
  readonly tail: Buffer;

  constructor(head: string, tail: Buffer) {
    this.head = head;
    this.tail = tail;
  }

  /** The whole value as text. */
  toString(): string {
    return this.head + this.tail.toString("utf8", 0, this.tail.length - 1);
  }

  static from(json: string): EncodedJson {
    return new EncodedJson("", encodeTail(json));
  }
}

const payloadText = (payload: unknown): string =>
  payload instanceof EncodedJson ? payload.toString() : (JSON.stringify(payload) ?? "null");

/** Id of the answer to a frame that has no readable id of its own. */
export const NO_ID = "invalid";

const resultHead = (id: string): string => `{"type":"res","id":${JSON.stringify(id)},"ok":true`;

/** What precedes the tail of an encoded payload in its answer. */
export const encodeResultHead = (id: string, payload: EncodedJson): string => `${resultHead(id)},"payload":${payload.head}`;

export function encodeResult(id: string, payload: unknown): string {
  const head = resultHead(id);
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
