import { detailError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { Secret } from "../core/secret.ts";
import { NotSentError } from "./api.ts";
import { TerminalError, type Channel } from "./channel.ts";
import { abortable } from "../core/async.ts";

/** Shorter texts are no credentials, and taking them out of a message would make it unreadable. */
const SECRET_CHARS = 6;

function collectSecrets(value: unknown): string[] {
  if (value instanceof Secret) return value.reveal().length >= SECRET_CHARS ? [value.reveal()] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(collectSecrets);
}

/** A text without the secrets of a configuration, whatever a platform or a library has put into it. */
export function withoutSecrets(text: string, config: unknown): string {
  return collectSecrets(config).reduce((clean, secret) => clean.replaceAll(secret, "[secret]"), text);
}

/** The account of a channel as configured; INVALID_REQUEST with the first problem, its place and its fix. */
export function parseAccount<A>(channel: Channel<A>, raw: unknown): A {
  const parsed = channel.parse(raw);
  if ("account" in parsed) return parsed.account;
  const [first] = parsed.issues;
  const text = parsed.issues.map(({ path, message }) => `${path} ${message}`).join("; ");
  throw detailError("ACCOUNT_INCOMPLETE", withoutSecrets(text, raw), {
    details: { issues: parsed.issues.map(({ path, message }) => ({ path, message: withoutSecrets(message, raw) })) },
    ...(first?.fix === undefined ? {} : { fix: first.fix }),
  });
}

/**
 * Asks the platform whether a credential is good. Resolves to the bot's own name. Throws GatewayError: ACCOUNT_INCOMPLETE,
 * CREDENTIAL_REFUSED (only the owner can correct it) or PLATFORM_UNREACHABLE in `details.code`; no message carries a secret.
 */
export async function verifyAccount(channel: Channel, raw: unknown, signal: AbortSignal): Promise<{ name: string }> {
  const account = parseAccount(channel, raw);
  const deadline = AbortSignal.timeout(LIMITS.channelVerifyMs);
  const whole = AbortSignal.any([signal, deadline]);
  try {
    // A channel may ignore its signal.
    return await abortable(channel.verify(account, whole), whole);
  } catch (err) {
    if (err instanceof TerminalError) {
      throw detailError("CREDENTIAL_REFUSED", withoutSecrets(rejectedText(channel.label, reasonOf(err)), raw), {
        details: err.key === undefined ? {} : { key: err.key },
        fix: withoutSecrets(err.fix, raw),
      });
    }
    const why = deadline.aborted ? `no answer within ${LIMITS.channelVerifyMs / 1_000} s` : reasonOf(err);
    const fix =
      err instanceof NotSentError || UNREACHABLE_CODES.has(errorCodeOf(err)) || deadline.aborted
        ? "Check the network of this machine and the address, then try again."
        : "Try again; if it persists, check the status page of the platform.";
    throw detailError("PLATFORM_UNREACHABLE", withoutSecrets(`Can't reach ${channel.label}: ${why}`, raw), {
      fix,
    });
  }
}

/** The platform's reason; most of them name the platform themselves. */
const rejectedText = (label: string, reason: string): string =>
  reason.toLowerCase().startsWith(label.toLowerCase()) ? reason : `${label} rejected this account: ${reason}`;

/** Failures of a connection that was never made. */
const UNREACHABLE_CODES: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
]);
const errorCodeOf = (err: unknown): string => String((err as NodeJS.ErrnoException | null)?.code ?? "");
