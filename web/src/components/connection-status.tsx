import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { reconnect } from "../boot.ts";
import * as store from "../state.ts";

type State = { dot: "on" | "busy" | "off"; text: string };

function toState(secondsLeft: number | null): State {
  const link = store.connection.value;
  if (link.phase === "online") return { dot: "on", text: "Connected" };
  if (link.phase === "stopped") return { dot: "off", text: link.failure.title };
  if (link.phase === "waiting" && link.failure !== null) return { dot: "busy", text: link.failure.title };
  if (store.restarting.value) return { dot: "busy", text: "Gateway is restarting" };
  if (secondsLeft !== null && secondsLeft > 1) return { dot: "busy", text: `Reconnecting in ${secondsLeft} s` };
  return { dot: "busy", text: "Reconnecting" };
}

/** Seconds until the next attempt, counted down while there is one. */
function useCountdown(): number | null {
  const link = store.connection.value;
  const [now, setNow] = useState(Date.now());
  const until = link.phase === "waiting" ? link.retryAtMs : null;
  useEffect(() => {
    if (until === null) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [until]);
  return until === null ? null : Math.max(0, Math.ceil((until - now) / 1_000));
}

export function ConnectionStatusView(): JSX.Element {
  const state = toState(useCountdown());
  return (
    <span class="status" title={store.hello.value === null ? "" : `Gateway ${store.hello.value.server.version}`}>
      <span class="dot" data-state={state.dot} />
      <span class="status-text">{state.text}</span>
    </span>
  );
}

/** A strip over the message field while there is no connection; it takes its room without moving what is being read. */
export function Banner(): JSX.Element | null {
  const seconds = useCountdown();
  const [late, setLate] = useState(false);
  const away = !store.isOnline.value;
  useEffect(() => {
    if (!away) return setLate(false);
    // A blink of the network is not worth a message.
    const timer = setTimeout(() => setLate(true), 700);
    return () => clearTimeout(timer);
  }, [away]);
  if (!away || (!late && !store.restarting.value)) return null;
  const state = toState(seconds);
  const link = store.connection.value;
  const waiting = store.pending.value.filter((entry) => entry.state !== "failed" && entry.state !== "accepted").length;
  return (
    <div class="banner" role="status">
      <span class="dot" data-state={state.dot} />
      <span>
        {state.text}.{" "}
        {waiting > 0 ? "Your message is saved and will send automatically." : "Keep typing; messages send when the gateway is back."}
      </span>
      {link.phase === "waiting" && link.failure === null && (
        <button type="button" class="quiet" onClick={reconnect}>
          Reconnect now
        </button>
      )}
    </div>
  );
}
