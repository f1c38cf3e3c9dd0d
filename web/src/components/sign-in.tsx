import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { signIn, reconnect } from "../boot.ts";
import * as store from "../state.ts";
import { CommandLine } from "./command-line.tsx";
import { Mark } from "./icons.tsx";
import type { ConnectFailure } from "../connect-failure.ts";

/** The way in: a fresh link, or a token. Also the place where a refusal is explained. */
export function SignIn(): JSX.Element {
  const link = store.connection.value;
  const failure = link.phase === "stopped" ? link.failure : link.phase === "waiting" ? link.failure : null;
  const waiting = failure?.action === "wait";
  const stopped = failure?.action === "stop";
  const calm =
    failure === null ||
    failure.code === "AUTH_TOKEN_MISSING" ||
    failure.code === "AUTH_REQUIRED" ||
    failure.code === "AUTH_PASSWORD_MISSING";
  return (
    <main class="sign-in">
      <section class="sign-in-card" aria-labelledby="sign-in-title">
        <div class="sign-in-mark">
          <Mark size={36} />
        </div>
        <h1 id="sign-in-title">{calm ? "Sign in to your gateway" : failure?.title}</h1>
        <p class="lead" role="status">
          {calm ? "On the gateway's machine, create a sign-in link and open it in this browser:" : failure?.text}
        </p>
        {(failure === null ? "openclaw dashboard" : failure.command) !== null && (
          <CommandLine text={failure?.command ?? "openclaw dashboard"} />
        )}
        {waiting && <WaitingForApproval failure={failure} />}
        {stopped && (
          <button type="button" class="primary wide" onClick={reconnect}>
            Try again
          </button>
        )}
        {!waiting && !stopped && <TokenForm busy={link.phase === "connecting"} />}
        {!store.hasIdentity.value && <InsecureNotice />}
      </section>
      <p class="small-print">
        This page talks only to <code>{location.host}</code>.
      </p>
    </main>
  );
}

function WaitingForApproval({ failure }: { failure: ConnectFailure }): JSX.Element {
  return (
    <p class="pulse-line">
      <span class="dot" data-state="busy" />
      {failure.code === "PAIRING_REQUIRED" ? "Checking for approval every few seconds" : "Trying again automatically"}
    </p>
  );
}

function TokenForm({ busy }: { busy: boolean }): JSX.Element {
  const [token, setToken] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    if (token.trim() !== "") signIn(token.trim());
  };
  return (
    <form class="token-form" onSubmit={submit}>
      <div class="or">
        <span>or</span>
      </div>
      <label for="token">Gateway token or password</label>
      <input
        id="token"
        name="token"
        type="password"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        value={token}
        onInput={(event) => setToken(event.currentTarget.value)}
      />
      <button type="submit" class="primary wide" disabled={busy || token.trim() === ""}>
        {busy ? "Signing in…" : "Sign in"}
      </button>
      <p class="hint">Used once to give this browser its own key; not stored.</p>
    </form>
  );
}

function InsecureNotice(): JSX.Element {
  return (
    <p class="hint warn">
      This address is not https or localhost (or the browser is old), so this browser cannot keep a key. You can sign in only if the gateway
      allows it, and only for this tab.
    </p>
  );
}
