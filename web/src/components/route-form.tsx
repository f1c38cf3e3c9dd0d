import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as channels from "../channel-setup.ts";
import { isConnectionLost } from "../client.ts";
import * as store from "../state.ts";
import { errorMessage, requireClient } from "../sync.ts";

type Form = { account: string; where: "direct" | "group"; peer: string; text: string };
/** What of a decision is shown above its reasons. */
type Decision = { access: { action: string; detail: string }; route: { agentId: string } | null; lines: readonly string[] };

const form = signal<Form>({ account: "", where: "direct", peer: "", text: "" });
const decision = signal<Decision | null>(null);
const failed = signal<string | null>(null);
const isBusy = signal(false);

/** "What if this message came?": decided by the code that decides about real ones, and nothing is sent. */
export function RouteForm(): JSX.Element | null {
  const online = store.isOnline.value;
  useEffect(() => void channels.loadChannels(), [online]);
  const accounts = channels.accounts.value;
  if (!store.isServed("route.explain") || accounts.length === 0) return null;
  const { account, where, peer, text } = form.value;
  const change = (part: Partial<Form>): void => {
    form.value = { ...form.value, ...part };
    decision.value = null;
  };
  const chosen = account || accountId(accounts[0]!);
  return (
    <section class="panel" aria-labelledby="route-title">
      <div class="panel-head">
        <h2 id="route-title">Who would answer?</h2>
      </div>
      <p class="hint">Describe a message. The gateway says whether it would be answered, by which agent, and why. Nothing is sent.</p>
      <form
        class="form form-row"
        onSubmit={(event) => {
          event.preventDefault();
          void explain(chosen);
        }}
      >
        <div>
          <label for="route-account">Channel</label>
          <select id="route-account" value={chosen} onInput={({ currentTarget }) => change({ account: currentTarget.value })}>
            {accounts.map((row) => (
              <option key={accountId(row)} value={accountId(row)}>
                {row.accountId === "default" ? row.label : `${row.label} (${row.accountId})`}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label for="route-where">Message</label>
          <select id="route-where" value={where} onInput={({ currentTarget }) => change({ where: currentTarget.value as Form["where"] })}>
            <option value="direct">direct message of a person</option>
            <option value="group">in a room</option>
          </select>
        </div>
        <div>
          <label for="route-peer">{where === "group" ? "Id of the room" : "Id of the sender"}</label>
          <input
            id="route-peer"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            value={peer}
            onInput={({ currentTarget }) => change({ peer: currentTarget.value })}
          />
        </div>
        <div>
          <label for="route-text">
            Text <span class="hint">optional</span>
          </label>
          <input id="route-text" autocomplete="off" value={text} onInput={({ currentTarget }) => change({ text: currentTarget.value })} />
        </div>
        <button type="submit" class="primary fit" disabled={peer.trim() === "" || isBusy.value}>
          Explain
        </button>
      </form>
      {failed.value !== null && (
        <p class="problem" role="alert">
          {failed.value}
        </p>
      )}
      <div role="status">{decision.value !== null && <Answer decision={decision.value} />}</div>
    </section>
  );
}

const accountId = ({ channel, accountId: id }: channels.ChannelAccountRow): string => `${channel}/${id}`;

function Answer({ decision: { access, route, lines } }: { decision: Decision }): JSX.Element {
  const isAnswered = access.action === "answer";
  return (
    <>
      <p class="route-answer">
        <span class="dot" data-state={isAnswered ? "on" : "failed"} />{" "}
        {isAnswered ? (
          <>
            <bdi>{route?.agentId ?? "No agent"}</bdi> would answer.
          </>
        ) : (
          <>
            It would not be answered ({access.action}): <bdi>{access.detail}</bdi>
          </>
        )}
      </p>
      <dl class="log-fields">
        {toReasons(lines).map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd dir="auto">{text}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

/** The lines of `route explain`: a word, then what it says. A line that begins with a space continues the one before. Pure. */
export function toReasons(lines: readonly string[]): readonly (readonly [name: string, text: string])[] {
  const reasons: [string, string][] = [];
  for (const line of lines) {
    const [, name = "", text = ""] = /^(\S*)\s+(.*)$/.exec(line) ?? [];
    const last = reasons.at(-1);
    if (last !== undefined && (name === "" || name === last[0])) last[1] += `\n${text}`;
    else reasons.push([name, text]);
  }
  return reasons;
}

async function explain(account: string): Promise<void> {
  const { where, peer, text } = form.value;
  const cut = account.indexOf("/");
  isBusy.value = true;
  try {
    decision.value = await requireClient().request<Decision>("route.explain", {
      channel: account.slice(0, cut),
      account: account.slice(cut + 1),
      peer: peer.trim(),
      ...(where === "group" && { group: true }),
      ...(text.trim() !== "" && { text }),
    });
    failed.value = null;
  } catch (error) {
    decision.value = null;
    failed.value = isConnectionLost(error) ? "The gateway is not connected." : errorMessage(error);
  }
  isBusy.value = false;
}
