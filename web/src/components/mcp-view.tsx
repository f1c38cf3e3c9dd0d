import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as mcp from "../mcp-servers.ts";
import type { McpServerRow, McpToolRow } from "../mcp-servers.ts";
import { toShortTime } from "../session-list.ts";
import * as store from "../state.ts";
import * as access from "../tool-access.ts";
import { CommandLine } from "./command-line.tsx";
import { ConfirmDialog } from "./confirm-dialog.tsx";
import { ViewFrame } from "./view-frame.tsx";

const READ_MS = 5_000;

/** The MCP servers: whether they work, and which of their tools agents have. */
export function McpView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => {
    void mcp.loadServers();
    const timer = setInterval(() => {
      if (!document.hidden && mcp.busy.value === null) void mcp.loadServers();
    }, READ_MS);
    return () => clearInterval(timer);
  }, [online]);
  const { value: failed } = mcp.failed;
  const rows = mcp.servers.value;
  return (
    <ViewFrame view="mcp">
      {failed !== null && (
        <p class="warn" role="status">
          Could not be loaded or changed: {failed}
        </p>
      )}
      {rows === null && <p class="panel-empty">{failed === null ? "Loading…" : ""}</p>}
      {rows?.length === 0 && <NoServers />}
      {rows !== null && rows.length > 0 && <AgentChoice />}
      {rows?.map((row) => (
        <Server key={row.name} row={row} />
      ))}
    </ViewFrame>
  );
}

function NoServers(): JSX.Element {
  return (
    <section class="panel" aria-labelledby="mcp-empty-title">
      <div class="panel-head">
        <h2 id="mcp-empty-title">No MCP servers yet</h2>
      </div>
      <p class="panel-empty">
        A server of the Model Context Protocol gives agents more tools. Add one on the machine of the gateway, for example notes that agents
        keep:
      </p>
      <CommandLine text="openclaw mcp add memory -- npx -y @modelcontextprotocol/server-memory" />
    </section>
  );
}

function AgentChoice(): JSX.Element {
  return (
    <section class="panel" aria-label="Agent">
      <form class="form form-row" onSubmit={(event) => event.preventDefault()}>
        <div>
          <label for="mcp-agent">Tools as operators have them with the agent</label>
          <select id="mcp-agent" value={access.agentId.value ?? ""} onInput={(event) => mcp.chooseAgent(event.currentTarget.value)}>
            {access.agents.value.map(({ id, name }) => (
              <option key={id} value={id}>
                {name === undefined ? id : `${name} (${id})`}
              </option>
            ))}
          </select>
        </div>
      </form>
    </section>
  );
}

const DOTS: Readonly<Record<string, string>> = { good: "on", bad: "failed", busy: "busy", off: "" };

function Server({ row }: { row: McpServerRow }): JSX.Element {
  const { name, state, cause, since, transport, launch, refused, leftOut, sslVerify } = row;
  const { text, tone } = mcp.stateOf(row);
  const tools = mcp.tools.value.get(name);
  return (
    <section class="panel" aria-label={`MCP server ${name}`}>
      <div class="entry server-head">
        <span class="dot" data-state={DOTS[tone]} />
        <div class="entry-text">
          <h2 class="entry-name">
            <bdi>{name}</bdi>
            {transport !== null && <span class="tag">{transport}</span>}
            <span class="entry-state" data-tone={tone}>
              {text}
              {since !== null && state !== "off" && sinceText(since)}
            </span>
          </h2>
          {launch !== null && (
            <p class="hint">
              <bdi>{launch}</bdi>
            </p>
          )}
          {cause !== null && <p dir="auto">{cause}</p>}
          {sslVerify === false && <p class="warn">Its certificate is not checked (sslVerify: false).</p>}
          {refused.length > 0 && <p class="hint">It asked the gateway for {refused.join(", ")}, which is refused.</p>}
          {state === "off" && <p class="hint">It is turned off (mcp.servers.{name}.enabled).</p>}
        </div>
        {store.mayAdminister.value && row.enabled && <Actions row={row} />}
      </div>
      <SignIn row={row} />
      <Withheld row={row} />
      {tools !== undefined && <Tools row={row} tools={tools} />}
      {tools === undefined && row.enabled && (
        <p class="panel-empty">
          {state === "failed" ? "Its tools are not known." : "Its tools are not known yet: the first use starts it."}
        </p>
      )}
      {leftOut.length > 0 && (
        <p class="hint">
          Left out: <span dir="auto">{leftOut.map((each) => `${each.name || "a tool"} (${each.reason})`).join(", ")}</span>
        </p>
      )}
    </section>
  );
}

function sinceText(at: number): string {
  const text = toShortTime(at, store.clock.value);
  if (text === "now") return "";
  return text.endsWith(" min") ? ` for ${text}` : ` since ${text}`;
}

function Actions({ row: { name } }: { row: McpServerRow }): JSX.Element {
  const busy = mcp.busy.value;
  const isBusy = busy?.name === name;
  const label = (what: string, idle: string, doing: string): string => (isBusy && busy.what === what ? doing : idle);
  return (
    <div class="entry-actions">
      <button type="button" class="quiet" aria-label={`Test ${name}`} disabled={busy !== null} onClick={() => void mcp.testServer(name)}>
        {label("test", "Test", "Testing…")}
      </button>
      <button
        type="button"
        class="quiet"
        aria-label={`Restart ${name}`}
        disabled={busy !== null}
        onClick={() => void mcp.restartServer(name)}
      >
        {label("restart", "Restart", "Restarting…")}
      </button>
    </div>
  );
}

function SignIn({ row: { name, signedIn, enabled } }: { row: McpServerRow }): JSX.Element | null {
  const link = mcp.signInLink.value;
  if (signedIn === null || !enabled) return null;
  if (link?.name === name && !signedIn) {
    return (
      <p>
        <a href={link.url} target="_blank" rel="noopener noreferrer">
          Sign in at {new URL(link.url).host}
        </a>
        <span class="hint"> It leads back to this page.</span>
      </p>
    );
  }
  return (
    <div class="server-line">
      <p class={signedIn ? "hint" : "warn"}>{signedIn ? "Signed in." : "No one has signed in: agents cannot use it."}</p>
      {store.mayAdminister.value && (
        <button
          type="button"
          class={signedIn ? "quiet" : "primary small"}
          aria-label={`${signedIn ? "Sign out of" : "Sign in at"} ${name}`}
          disabled={mcp.busy.value !== null}
          onClick={() => void (signedIn ? mcp.signOutOf(name) : mcp.startSignIn(name))}
        >
          {signedIn ? "Sign out" : "Sign in"}
        </button>
      )}
    </div>
  );
}

/** Tools that a person has to look at before agents are given them. */
function Withheld({ row: { name, withheld } }: { row: McpServerRow }): JSX.Element | null {
  const [isAsked, setAsked] = useState(false);
  if (withheld.length === 0) return null;
  const names = withheld.map((each) => each.name).join(", ");
  return (
    <div class="server-line" role="status">
      <p class="warn">
        {withheld.length === 1 ? "1 tool is" : `${withheld.length} tools are`} withheld from agents: <bdi>{names}</bdi>. Read what the
        server says of {withheld.length === 1 ? "it" : "them"} below.
      </p>
      {store.mayAdminister.value && (
        <button type="button" class="primary small" disabled={mcp.busy.value !== null} onClick={() => setAsked(true)}>
          Accept…
        </button>
      )}
      {isAsked && (
        <ConfirmDialog
          title={`Accept the tools of ${name}?`}
          text={`Agents are given all tools of ${name} as the server describes them now, also ${names}. Accept them only if you have read the descriptions.`}
          action="Accept"
          onCancel={() => setAsked(false)}
          onConfirm={() => void mcp.acceptTools(name)}
        />
      )}
    </div>
  );
}

function Tools({ row, tools }: { row: McpServerRow; tools: readonly McpToolRow[] }): JSX.Element {
  const isShort = tools.length <= 8 || row.withheld.length > 0;
  const sorted = tools.toSorted((a, b) => Number(b.withheld !== null) - Number(a.withheld !== null));
  return (
    <details class="server-tools" open={isShort}>
      <summary>{mcp.countsText(row, tools)}</summary>
      <ul>
        {sorted.map((tool) => (
          <Tool key={tool.id} tool={tool} />
        ))}
      </ul>
    </details>
  );
}

function Tool({ tool }: { tool: McpToolRow }): JSX.Element {
  const { text, tone, reason } = mcp.accessOf(tool);
  return (
    <li class="entry">
      <span class="dot" data-state={DOTS[tone]} />
      <div class="entry-text">
        <p class="entry-name">
          <bdi>
            <strong>{tool.id}</strong>
          </bdi>
          <span class="entry-state" data-tone={tone}>
            {text}
          </span>
        </p>
        <p dir="auto">{tool.description}</p>
        <p class="hint" dir="auto">
          {reason}
        </p>
      </div>
    </li>
  );
}
