import { asNumber, asString, fieldsOf, tryParseJson } from "../../core/json.ts";

/** Where an agent goes on: its own session, and what that has cost so far as it reports it. */
export type AcpCheckpoint = { agent: string; session: string; costUsd: number };

export const toAcpCheckpoint = ({ agent, session, costUsd }: AcpCheckpoint): string => JSON.stringify({ acp: agent, session, costUsd });

/** Null for the checkpoint of another runtime, and for none. */
export function parseAcpCheckpoint(text: string | null): AcpCheckpoint | null {
  if (text === null || !text.startsWith('{"acp":')) return null;
  const { acp, session, costUsd } = fieldsOf(tryParseJson(text));
  if (asString(acp) === "" || asString(session) === "") return null;
  return { agent: asString(acp), session: asString(session), costUsd: asNumber(costUsd) ?? 0 };
}
