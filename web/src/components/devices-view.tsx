import { locale } from "../locale.ts";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as list from "../device-list.ts";
import * as store from "../state.ts";
import { agoText } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";
import { ConfirmDialog } from "./confirm-dialog.tsx";
import { DeviceRequests } from "./device-requests.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { Access, DeviceRow, ServiceToken } from "../device-list.ts";

/** Who may sign in, who asks to, and how another device is added. */
export function DevicesView(): JSX.Element {
  const online = store.isOnline.value;
  const changes = store.deviceChanges.value;
  useEffect(() => void list.loadDevices(), [online, changes]);
  const problem = list.problem.value;
  const note = list.note.value;
  if (!store.mayPair.value)
    return (
      <ViewFrame view="devices">
        <p class="panel-empty">Devices are shown to those who may let them in. This browser lacks the scope operator.pairing.</p>
      </ViewFrame>
    );
  return (
    <ViewFrame view="devices" failed={list.failed.value}>
      {problem !== null && (
        <p class="problem" role="alert">
          {problem.text} {problem.fix}
        </p>
      )}
      {note !== null && (
        <p class="warn" role="status">
          {note}
        </p>
      )}
      <DeviceRequests />
      <Devices />
      {store.mayAdminister.value && <AddDevice />}
      <ServiceTokens />
    </ViewFrame>
  );
}

function Devices(): JSX.Element {
  const devices = list.devices.value;
  if (devices === null) return <p class="panel-empty">{list.failed.value === null ? "Loading…" : ""}</p>;
  return (
    <section class="panel" aria-labelledby="devices-title">
      <div class="panel-head">
        <h2 id="devices-title">Paired devices</h2>
        <span class="hint">
          {devices.filter(({ connected }) => connected).length} of {devices.length} connected
        </span>
      </div>
      {devices.length === 0 && (
        <div class="panel-empty">
          <p>No device is paired. Make a code for one below, or in a terminal:</p>
          <CommandLine text="openclaw devices join-code" />
        </div>
      )}
      <ul>
        {devices.map((device) => (
          <Device key={device.deviceId} device={device} />
        ))}
      </ul>
    </section>
  );
}

type Question = { title: string; text: string; action: string; run: () => unknown };

function Device({ device }: { device: DeviceRow }): JSX.Element {
  const { deviceId, connected, lastSeenAtMs } = device;
  const [question, setQuestion] = useState<Question | null>(null);
  const [isRenaming, setRenaming] = useState(false);
  const name = list.nameOf(device);
  const isOwn = deviceId === store.deviceId.value;
  const live = list.liveTokens(device);
  const isBusy = list.busy.value === deviceId;
  const seen = lastSeenAtMs === undefined ? "Never seen" : `Seen ${agoText(lastSeenAtMs)}`;
  return (
    <li class="entry">
      <span class="dot" data-state={connected ? "on" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{name}</bdi>
          </strong>
          {isOwn && <span class="tag">This browser</span>}
          <span class="entry-state" data-tone={connected ? "good" : "off"}>
            {connected ? "Connected" : live.length === 0 ? "Revoked" : seen}
          </span>
        </p>
        <p>
          {live.length === 0
            ? "Cannot sign in"
            : device.roles.includes("node")
              ? "Node: runs commands for agents"
              : list.scopesText(device.scopes)}
          .
        </p>
        <p class="hint">
          <bdi>{list.systemText(device)}</bdi>
        </p>
        <Tokens device={device} isOwn={isOwn} ask={setQuestion} />
        {isRenaming && <Rename device={device} onDone={() => setRenaming(false)} />}
      </div>
      <div class="entry-actions">
        <button type="button" class="quiet" aria-label={`Rename ${name}`} disabled={isBusy} onClick={() => setRenaming(true)}>
          Rename
        </button>
        <button
          type="button"
          class="quiet"
          aria-label={`Remove ${name}`}
          disabled={isBusy}
          onClick={() =>
            setQuestion({
              title: `Remove ${name}?`,
              text: isOwn
                ? "This is the browser that you use: it is signed out, and needs a new link or code."
                : "Its connections end, and it has to be paired again.",
              action: "Remove",
              run: () => list.remove(device),
            })
          }
        >
          Remove
        </button>
      </div>
      {question !== null && (
        <ConfirmDialog
          title={question.title}
          text={question.text}
          action={question.action}
          onCancel={() => setQuestion(null)}
          onConfirm={() => void question.run()}
        />
      )}
    </li>
  );
}

function Tokens({ device, isOwn, ask }: { device: DeviceRow; isOwn: boolean; ask: (question: Question) => void }): JSX.Element {
  const { deviceId, approvedAtMs, approvedVia, tokens } = device;
  return (
    <details class="past">
      <summary>Tokens and rights</summary>
      <p class="hint">
        Id <code dir="ltr">{deviceId.slice(0, 16)}</code>. Approved {agoText(approvedAtMs)}
        {approvedVia !== undefined && ` (${approvedVia})`}.
      </p>
      <ul class="facts">
        {tokens.map((token) => (
          <li key={token.role}>
            <strong>{token.role}</strong>{" "}
            <span class="hint">
              {token.scopes.join(", ")} · made {agoText(token.rotatedAtMs ?? token.createdAtMs)}
              {token.lastUsedAtMs !== undefined && ` · used ${agoText(token.lastUsedAtMs)}`}
              {token.revokedAtMs !== undefined && ` · revoked ${agoText(token.revokedAtMs)}`}
            </span>
            {token.revokedAtMs === undefined && <TokenActions device={device} role={token.role} isOwn={isOwn} ask={ask} />}
          </li>
        ))}
      </ul>
    </details>
  );
}

type TokenActionsProps = { device: DeviceRow; role: string; isOwn: boolean; ask: (question: Question) => void };

/** The new token of this browser would have to reach what it signs in with, so that its own one is not rotated here. */
function TokenActions({ device, role, isOwn, ask }: TokenActionsProps): JSX.Element {
  const name = list.nameOf(device);
  const isBusy = list.busy.value === device.deviceId;
  const rotation: Question = {
    title: `Rotate the token of ${name}?`,
    text: "Its token stops working and its connections end. It has to pair again to get the new one.",
    action: "Rotate",
    run: () => list.rotate(device, role),
  };
  const revocation: Question = {
    title: `Revoke the token of ${name}?`,
    text: "The device cannot sign in any more, and its connections end. It stays in this list.",
    action: "Revoke",
    run: () => list.revoke(device, role),
  };
  return (
    <span class="entry-actions">
      {(isOwn ? [revocation] : [rotation, revocation]).map((question) => (
        <button
          key={question.action}
          type="button"
          class="quiet"
          aria-label={`${question.action} the ${role} token of ${name}`}
          disabled={isBusy}
          onClick={() => ask(question)}
        >
          {question.action}
        </button>
      ))}
    </span>
  );
}

function Rename({ device, onDone }: { device: DeviceRow; onDone: () => void }): JSX.Element {
  const [name, setName] = useState(device.displayName ?? "");
  const id = `rename-${device.deviceId}`;
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        if (name.trim() !== "") void list.rename(device, name.trim());
        onDone();
      }}
    >
      <div>
        <label for={id}>New name</label>
        <div class="form-pair">
          <input id={id} dir="auto" maxLength={64} value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
          <button type="submit" class="primary">
            Save
          </button>
        </div>
      </div>
    </form>
  );
}

const ACCESS: readonly { access: Access; title: string; text: string }[] = [
  { access: "limited", title: "Read and write", text: "Reads conversations and sends messages." },
  { access: "full", title: "Everything", text: "Changes everything, like you." },
  { access: "node", title: "Node", text: "Runs commands for agents; see the page Nodes." },
];

/** A code that a phone scans, or a link that a browser opens. */
function AddDevice(): JSX.Element {
  const [access, setAccess] = useState<Access>("limited");
  const code = list.code.value;
  const now = store.clock.value;
  const isOver = code !== null && code.expiresAtMs <= now;
  return (
    <section class="panel" aria-labelledby="device-add-title">
      <div class="panel-head">
        <h2 id="device-add-title">Add a device</h2>
      </div>
      <div class="form">
        <div>
          <label for="device-access">What it may do</label>
          <select id="device-access" value={access} onChange={({ currentTarget }) => setAccess(currentTarget.value as Access)}>
            {ACCESS.map((each) => (
              <option key={each.access} value={each.access}>
                {each.title}
              </option>
            ))}
          </select>
          <p class="hint">{ACCESS.find((each) => each.access === access)!.text}</p>
        </div>
        <button type="button" class="primary" disabled={list.busy.value === "code"} onClick={() => void list.makeCode(access)}>
          Make a code
        </button>
      </div>
      {code !== null && isOver && <p class="hint">The code has expired. Make another one.</p>}
      {code !== null && !isOver && (
        <div class="inset form">
          <p>
            Works once, until {new Date(code.expiresAtMs).toLocaleTimeString(locale(), { timeStyle: "short" })}. Do not show it to anyone
            else.
          </p>
          {code.qrDataUrl !== undefined && (
            <img class="device-qr" src={code.qrDataUrl} width={220} height={220} alt="Code to scan with the app" />
          )}
          <CommandLine text={code.setupCode} />
          {code.joinUrl !== undefined && (
            <>
              <p class="hint">Or open this link in a browser of the other device:</p>
              <CommandLine text={code.joinUrl} />
            </>
          )}
        </div>
      )}
    </section>
  );
}

function ServiceTokens(): JSX.Element | null {
  const tokens = list.tokens.value;
  if (tokens === null) return null;
  return (
    <section class="panel" aria-labelledby="device-tokens-title">
      <div class="panel-head">
        <h2 id="device-tokens-title">Tokens of programs</h2>
      </div>
      {tokens.length === 0 && (
        <div class="panel-empty">
          <p>No program has a token of its own. Make one in a terminal, which shows it once:</p>
          <CommandLine text="openclaw tokens create backup --scope operator.read" />
        </div>
      )}
      <ul>
        {tokens.map((token) => (
          <Service key={token.id} token={token} />
        ))}
      </ul>
    </section>
  );
}

function Service({ token }: { token: ServiceToken }): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const { name, scopes, createdAt, expiresAt, lastUsedAt } = token;
  return (
    <li class="entry">
      <span class="dot" data-state={expiresAt !== null && expiresAt <= store.clock.value ? "off" : "on"} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{name}</bdi>
          </strong>
        </p>
        <p>{list.scopesText(scopes)}.</p>
        <p class="hint">
          Made {agoText(createdAt)}
          {typeof lastUsedAt === "number" && `, used ${agoText(lastUsedAt)}`}
          {expiresAt === null
            ? ", does not expire"
            : `, ${expiresAt <= store.clock.value ? "expired" : "expires"} ${new Date(expiresAt).toLocaleDateString(locale())}`}
        </p>
      </div>
      <div class="entry-actions">
        <button type="button" class="quiet" aria-label={`Revoke ${name}`} onClick={() => setAsking(true)}>
          Revoke
        </button>
      </div>
      {isAsking && (
        <ConfirmDialog
          title={`Revoke the token ${name}?`}
          text="The program that has it cannot sign in any more, and its connections end."
          action="Revoke"
          onCancel={() => setAsking(false)}
          onConfirm={() => void list.revokeService(token)}
        />
      )}
    </li>
  );
}
