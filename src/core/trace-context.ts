import { hash, randomBytes } from "node:crypto";

/** Who a span belongs to: W3C Trace Context, level 2. Ids are lower-case hex. */
export type TraceContext = { traceId: string; spanId: string; sampled: boolean };

/** Longest `traceparent` that a client may send; a longer one makes the frame invalid. */
export const TRACEPARENT_CHARS = 128;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Reads a `traceparent`; null for everything that the specification calls invalid. A later version is read by its first four parts. */
export function parseTraceparent(value: string | null | undefined): TraceContext | null {
  const [, version, traceId, spanId, flags, rest] = (typeof value === "string" && TRACEPARENT.exec(value)) || [];
  if (!version || version === "ff" || (version === "00" && rest !== undefined)) return null;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return null;
  return { traceId: traceId!, spanId: spanId!, sampled: (Number.parseInt(flags!, 16) & 1) === 1 };
}

export const formatTraceparent = ({ traceId, spanId, sampled }: TraceContext): string => `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;

export const newSpanId = (): string => randomBytes(8).toString("hex");

/**
 * Ids that are computed from what is stored: after a crash the next process continues the trace of a message without a record of it.
 * The id of a run may be chosen by a client, so an id is a hash and never a piece of it.
 */
const digest = (text: string, chars: number): string => hash("sha256", text, "hex").slice(0, chars);
export const spanIdOf = (kind: "message" | "run" | "part", id: string): string => digest(`${kind}\u0000${id}`, 16);

/** The trace of a run: that of the client's `traceparent`, otherwise one of its own. */
export const traceIdOf = (runId: string, traceparent?: string | null): string =>
  parseTraceparent(traceparent)?.traceId ?? digest(`trace\u0000${runId}`, 32);
