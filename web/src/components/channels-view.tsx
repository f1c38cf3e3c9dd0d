import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as channels from "../channel-setup.ts";
import { toShortTime } from "../session-list.ts";
import * as store from "../state.ts";
import { ConnectChannel, PairingRequests } from "./connect-channel.tsx";
import { ConfirmDialog } from "./confirm-dialog.tsx";
import { Plus } from "./icons.tsx";
import { ViewFrame } from "./view-frame.tsx";

const READ_MS = 4_000;

/** Everything about chat applications: what is connected, who waits, what could not be delivered. */
export function ChannelsView(): JSX.Element {
  useEffect(() => {
    void channels.loadChannels();
    const timer = setInterval(() => {
      if (!document.hidden) void channels.loadChannels();
    }, READ_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <ViewFrame view="channels">
      {channels.failed.value !== null && (
        <p class="warn" role="status">
          Could not be loaded: {channels.failed.value}
        </p>
      )}
      {channels.wizard.value === null ? <Overview /> : <ConnectChannel />}
    </ViewFrame>
  );
}

function Overview(): JSX.Element {
  return (
    <>
      <PairingRequests only={null} />
      <section class="panel" aria-labelledby="accounts-title">
        <div class="panel-head">
          <h2 id="accounts-title">Connected channels</h2>
          {store.mayAdminister.value && (
            <button type="button" class="primary small" onClick={() => void channels.openWizard()}>
              <Plus size={15} /> Connect a channel
            </button>
          )}
        </div>
        <Accounts />
      </section>
      <DeadLetters />
    </>
  );
}

function Accounts(): JSX.Element {
  const rows = channels.accounts.value;
  if (rows.length === 0) {
    return (
      <p class="panel-empty">{channels.loaded.value ? "No channels yet. This page and the command line work without any." : "Loading…"}</p>
    );
  }
  return (
    <ul>
      {rows.map((row) => (
        <AccountRow key={`${row.channel}/${row.accountId}`} row={row} />
      ))}
    </ul>
  );
}

function formatAgo(at: number | null | undefined): string {
  if (!at) return "never";
  const text = toShortTime(at, store.clock.value);
  return text.endsWith(" min") ? `${text} ago` : text;
}

function AccountRow({ row }: { row: channels.ChannelAccountRow }): JSX.Element {
  const tone = channels.stateTone(row);
  const waiting = (row.queueDepth ?? 0) + (row.outboxWaiting ?? 0);
  return (
    <li class="entry">
      <span class="dot" data-state={tone === "good" ? "on" : tone === "bad" ? "failed" : tone === "busy" ? "busy" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>{row.label}</strong> {row.accountId !== "default" && <span class="tag">{row.accountId}</span>}
          <span class="entry-state" data-tone={tone}>
            {channels.stateText(row)}
          </span>
        </p>
        {row.lastError && tone !== "good" && <p dir="auto">{row.lastError}</p>}
        {row.fix !== undefined && (
          <p dir="auto">
            <strong>How to fix:</strong> {row.fix}
          </p>
        )}
        <p class="hint">
          Last message in: {formatAgo(row.lastInboundAt)} · out: {formatAgo(row.lastOutboundAt)}
          {waiting > 0 && ` · ${waiting} waiting`}
        </p>
      </div>
      {(row.state === "terminal" || row.state === "stopped") && row.enabled !== false && store.mayAdminister.value && (
        <button type="button" class="quiet" onClick={() => void channels.startAccount(row)}>
          {row.state === "terminal" ? "Try again" : "Start"}
        </button>
      )}
    </li>
  );
}

function DeadLetters(): JSX.Element | null {
  const [dropping, setDropping] = useState<string | null>(null);
  const items = channels.deadLetters.value;
  if (items.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="dead-title">
      <div class="panel-head">
        <h2 id="dead-title">Undelivered messages</h2>
      </div>
      <p class="hint">These could not be handled, or it is unknown whether they arrived. They are kept until you decide.</p>
      <ul>
        {items.map((item) => (
          <li class="entry" key={item.id}>
            <div class="entry-text">
              <p class="entry-name">
                <strong>{item.kind === "inbound" ? "Received" : item.state === "unknown" ? "May have been sent" : "Not sent"}</strong>
                <span class="tag">
                  {item.channel}
                  {item.account === "" ? "" : `/${item.account}`}
                </span>
                <span class="hint">{formatAgo(item.at)}</span>
              </p>
              <p class="letter" dir="auto">
                {item.text || "(no text)"}
              </p>
              {item.cause !== null && (
                <p class="hint" dir="auto">
                  {item.cause}
                </p>
              )}
            </div>
            {store.mayAdminister.value && (
              <div class="entry-actions">
                <button type="button" class="quiet" onClick={() => void channels.retryDeadLetter(item.id)}>
                  {item.kind === "inbound" ? "Try again" : "Send again"}
                </button>
                <button type="button" class="quiet" onClick={() => setDropping(item.id)}>
                  Discard
                </button>
              </div>
            )}
          </li>
        ))}
      </ul>
      {dropping !== null && (
        <ConfirmDialog
          title="Discard this message?"
          text="It will not be handled or sent, and it is removed from this list."
          action="Discard"
          onCancel={() => setDropping(null)}
          onConfirm={() => void channels.dropDeadLetter(dropping)}
        />
      )}
    </section>
  );
}
