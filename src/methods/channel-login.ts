import type { Channel, LoginStep, CredentialVault } from "../channels/channel.ts";
import { detailError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { qrImage } from "./qr-image.ts";

/** One interactive login, from its first step to its end. */
type Login = {
  abort: AbortController;
  step: LoginStep | null;
  /** Grows with each step. */
  version: number;
  outcome: { name: string } | { error: string } | null;
  changed: PromiseWithResolvers<void>;
};

export type LoginStart = { channel: Channel; account: unknown; vault: CredentialVault; key: string; force: boolean };

/** State of a login as clients see it; `qrDataUrl` and `message` are the protocol's fields, the others are added by this gateway. */
export type LoginAnswer = Record<string, unknown> & { message: string; connected: boolean };

/** Interactive logins by account. One at a time for each account; what is left alone ends by itself. */
export function createLogins(deps: { onDone: (key: string) => void }) {
  const running = new Map<string, Login>();

  function step(login: Login, change: () => void): void {
    change();
    login.version++;
    const { changed } = login;
    login.changed = Promise.withResolvers();
    changed.resolve();
  }

  function begin({ channel, account, vault, key }: LoginStart): Login {
    const { login } = channel;
    if (!login)
      throw detailError("LOGIN_NOT_SUPPORTED", `${channel.label} has no interactive login`, {
        fix: `openclaw channels add ${channel.id}`,
      });
    const mine: Login = { abort: new AbortController(), step: null, version: 0, outcome: null, changed: Promise.withResolvers() };
    running.set(key, mine);
    const deadline = AbortSignal.timeout(LIMITS.channelLoginMs);
    const signal = AbortSignal.any([mine.abort.signal, deadline]);
    login
      .call(channel, account, vault, (next) => step(mine, () => (mine.step = next)), signal)
      .then(
        ({ name }) => {
          step(mine, () => (mine.outcome = { name }));
          deps.onDone(key);
        },
        (err: unknown) =>
          step(mine, () => (mine.outcome = { error: deadline.aborted ? "the login was not completed in time" : reasonOf(err) })),
      );
    return mine;
  }

  return {
    /** Begins a login, or joins the one that runs; resolves with its first step. */
    async start(start: LoginStart, timeoutMs: number): Promise<LoginAnswer> {
      const before = running.get(start.key);
      if (before && (start.force || before.outcome)) before.abort.abort(new Error("begun again"));
      const login = before && !start.force && !before.outcome ? before : begin(start);
      if (login.version === 0) await withTimeout(login.changed.promise, timeoutMs);
      return toAnswer(login);
    },
    /** Resolves when the login has ended, or shows something other than `seen`, or after `timeoutMs`. */
    async wait(key: string, seen: string | undefined, timeoutMs: number): Promise<LoginAnswer> {
      const login = running.get(key);
      if (!login)
        throw detailError("LOGIN_NOT_STARTED", "no login has been begun", {
          fix: "Begin one: openclaw channels login",
        });
      const end = Date.now() + timeoutMs;
      const isNews = (): boolean => login.outcome !== null || (seen !== undefined && shown(login) !== null && shown(login) !== seen);
      for (let left = timeoutMs; left > 0 && !isNews(); left = end - Date.now()) await withTimeout(login.changed.promise, left);
      if (login.outcome && running.get(key) === login) running.delete(key);
      return toAnswer(login);
    },
    cancel(key: string): void {
      running.get(key)?.abort.abort(new Error("cancelled"));
      running.delete(key);
    },
  };
}

const shown = ({ step }: Login): string | null => (step?.kind === "qr" ? qrImage(step.text) : null);

function toAnswer(login: Login): LoginAnswer {
  const { step, outcome } = login;
  if (outcome && "name" in outcome) return { connected: true, message: `Signed in as ${outcome.name}.`, name: outcome.name };
  if (outcome) return { connected: false, failed: true, message: `Not signed in: ${outcome.error}` };
  if (step?.kind === "qr")
    return {
      connected: false,
      message: "Scan the code with the app.",
      qrDataUrl: qrImage(step.text),
      qrText: step.text,
      expiresAt: step.expiresAt,
    };
  if (step?.kind === "link") return { connected: false, message: `Open ${step.url}`, url: step.url };
  return { connected: false, message: step ? step.text : "Waiting for the platform." };
}

async function withTimeout(promise: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
