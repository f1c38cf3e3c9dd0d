import { detailError, GatewayError, missingScope } from "../core/errors.ts";
import type { Caller } from "../protocol/method.ts";
import { paramNotServed } from "../protocol/validate.ts";
import type { SessionRow } from "../store/sessions.ts";
import { PERMISSION_MODES } from "../turns/permissions.ts";
import { lifecycleRevision } from "./wire-rows.ts";

/** What a client believes about a session that it changes. */
export type Expectations = {
  expectedSessionId?: string;
  expectedLifecycleRevision?: string;
  expectedSessionUpdatedAt?: number;
  expectedPermissionMode?: string | null;
  expectedToolOverrides?: unknown;
  expectedSandboxMode?: string | null;
  expectedNativeRuntimeConsent?: string | null;
};

/** Tool overrides, sandbox modes and consents are not kept here, so that their value is null in every session. */
const VALUES: Readonly<Record<keyof Expectations, (session: SessionRow) => unknown>> = {
  expectedSessionId: (session) => session.session_id,
  expectedLifecycleRevision: lifecycleRevision,
  expectedSessionUpdatedAt: (session) => session.updated_at,
  expectedPermissionMode: (session) => session.permission_mode,
  expectedToolOverrides: () => null,
  expectedSandboxMode: () => null,
  expectedNativeRuntimeConsent: () => null,
};

/**
 * Throws INVALID_REQUEST when the session is not what the client believes. Called inside the `store.write` that makes the change, so that
 * nothing can come between.
 */
export function checkExpectations(session: SessionRow | undefined, expected: Expectations): void {
  for (const [name, valueOf] of Object.entries(VALUES)) {
    const wanted = expected[name as keyof Expectations];
    if (wanted === undefined) continue;
    if (session ? isSame(valueOf(session), wanted) : wanted === null) continue;
    throw detailError("SESSION_CHANGED", `the session has changed since it was loaded: ${name} does not match`, {
      details: { reason: "session-changed", param: name, ...(session ? { sessionId: session.session_id } : {}) },
      fix: "Load the session again, then decide.",
    });
  }
}

/** An empty object of overrides overrides nothing, like null. */
const isSame = (value: unknown, wanted: unknown): boolean =>
  value === wanted || (value === null && typeof wanted === "object" && wanted !== null && Object.keys(wanted).length === 0);

/** Throws for a permission mode that is not enforced here, and for one that the caller may not choose. */
export function checkPermissionMode(method: string, mode: string | null | undefined, caller: Caller): void {
  if (mode === null || mode === undefined) return;
  if (!(PERMISSION_MODES as readonly string[]).includes(mode)) {
    const { code, message, details } = paramNotServed(method, "permissionMode");
    throw new GatewayError(code, `${message} with the value ${JSON.stringify(mode.slice(0, 40))}`, {
      ...(details ? { details: { ...details, value: mode } } : {}),
      fix: `Use ${PERMISSION_MODES.join(" or ")}, or null for what the agent is granted.`,
    });
  }
  if (mode === "full" && !caller.scopes.has("operator.admin")) throw missingScope("operator.admin");
}
