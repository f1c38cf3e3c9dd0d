import type { ErrorDetails } from "../core/errors.ts";
import { PROTOCOL_VERSION } from "../core/version.ts";

/** Probes and nodes may still speak this one. */
export const MINIMUM_PROBE_PROTOCOL = 3;

export type ProtocolRange = { minProtocol: number; maxProtocol: number };

/**
 * The version that both sides speak, or null. Probes and node hosts may be one version behind: they only ask whether
 * someone is there, or run commands whose shape has not changed.
 */
export function negotiate(range: ProtocolRange, client: { id: string; mode: string }, role: string): number | null {
  const covers = (version: number): boolean => range.minProtocol <= version && version <= range.maxProtocol;
  if (covers(PROTOCOL_VERSION)) return PROTOCOL_VERSION;
  const probe = client.id === "openclaw-probe" && client.mode === "probe";
  const node = role === "node" && client.mode === "node";
  return (probe || node) && covers(MINIMUM_PROBE_PROTOCOL) ? PROTOCOL_VERSION : null;
}

/** `error.details` of a refused range. */
export function mismatchDetails(range: ProtocolRange): ErrorDetails {
  return {
    code: "PROTOCOL_MISMATCH",
    clientMinProtocol: range.minProtocol,
    clientMaxProtocol: range.maxProtocol,
    expectedProtocol: PROTOCOL_VERSION,
    minimumProbeProtocol: MINIMUM_PROBE_PROTOCOL,
  };
}
