import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as list from "../node-list.ts";
import type { NodeDetails, NodeRequest, NodeRow, NodeRun } from "../node-list.ts";
import * as store from "../state.ts";
import { agoText } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";
import { ConfirmDialog } from "./confirm-dialog.tsx";
import { PairingRequest, PairingRequests } from "./pairing-requests.tsx";
import { ViewFrame } from "./view-frame.tsx";

/** Machines and devices that offer commands, what each may run, and those that wait for a person. */
export function NodesView(): JSX.Element {
  const online = store.isOnline.value;
  const changes = store.nodeChanges.value;
  useEffect(() => void list.loadNodes(), [online, changes]);
  const { value: failed } = list.failed;
  return (
    <ViewFrame view="nodes">
      {failed !== null && (
        <p class="warn" role="status">
          Could not be loaded or changed: {failed}
        </p>
      )}
      <Requests />
      <Nodes />
    </ViewFrame>
  );
}

function Requests(): JSX.Element | null {
  const requests = list.requests.value;
  if (requests.length === 0) return null;
  return (
    <PairingRequests id="node-requests-title">
      {requests.map((request) => (
        <Request key={request.requestId} request={request} />
      ))}
    </PairingRequests>
  );
}

const Request = ({ request }: { request: NodeRequest }): JSX.Element => (
  <PairingRequest
    name={list.nameOf(request)}
    text={list.requestText(request)}
    facts={[request.platform, request.remoteIp, request.ts === undefined ? undefined : agoText(request.ts)]}
    isBusy={list.busy.value === request.requestId}
    answers={store.mayPair.value ? { approve: () => list.approve(request), reject: () => list.reject(request) } : null}
  >
    <details class="past">
      <summary>{request.commands.length} commands</summary>
      <p class="hint">
        <code dir="ltr">{request.commands.join(" ")}</code>
      </p>
    </details>
  </PairingRequest>
);

function Nodes(): JSX.Element {
  const nodes = list.nodes.value;
  if (nodes === null) return <p class="panel-empty">{list.failed.value === null ? "Loading…" : ""}</p>;
  return (
    <section class="panel" aria-labelledby="nodes-title">
      <div class="panel-head">
        <h2 id="nodes-title">Known nodes</h2>
        <span class="hint">
          {nodes.filter(({ connected }) => connected).length} of {nodes.length} connected
        </span>
      </div>
      {nodes.length === 0 && (
        <div class="panel-empty">
          <p>No nodes yet. A node is a phone or another machine that runs commands for your agents. Make a code for one in a terminal:</p>
          <CommandLine text="openclaw devices join-code" />
        </div>
      )}
      <ul>
        {nodes.map((node) => (
          <Node key={node.nodeId} node={node} />
        ))}
      </ul>
    </section>
  );
}

function Node({ node }: { node: NodeRow }): JSX.Element {
  const { nodeId, connected, approvalState, commands, lastSeenAtMs } = node;
  const [isRemoving, setRemoving] = useState(false);
  const name = list.nameOf(node);
  const isApproved = approvalState === "approved";
  const known = list.details.value.get(nodeId);
  return (
    <li class="entry">
      <span class="dot" data-state={!isApproved ? "waiting" : connected ? "on" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{name}</bdi>
          </strong>
          <span class="entry-state" data-tone={isApproved && connected ? "good" : "off"}>
            {list.stateText(node)}
          </span>
        </p>
        <p class="hint">
          <bdi>{list.systemText(node)}</bdi>
          {!connected && lastSeenAtMs !== undefined && `, seen ${agoText(lastSeenAtMs)}`}
        </p>
        <details class="past" onToggle={({ currentTarget }) => currentTarget.open && void list.loadDetails(nodeId)}>
          <summary>
            {commands.length} {commands.length === 1 ? "command" : "commands"} may run
          </summary>
          {known === undefined ? <p class="hint">Loading…</p> : <Details node={known} />}
        </details>
      </div>
      {store.mayAdminister.value && (
        <div class="entry-actions">
          <button
            type="button"
            class="quiet"
            aria-label={`Remove ${name}`}
            disabled={list.busy.value === nodeId}
            onClick={() => setRemoving(true)}
          >
            Remove
          </button>
        </div>
      )}
      {isRemoving && (
        <ConfirmDialog
          title={`Remove ${name}?`}
          text="Its connection is closed, and it has to be paired and approved again."
          action="Remove"
          onCancel={() => setRemoving(false)}
          onConfirm={() => void list.remove(node)}
        />
      )}
    </li>
  );
}

function Details({ node: { commandDecisions, recentInvocations } }: { node: NodeDetails }): JSX.Element {
  return (
    <>
      <ul class="facts">
        {commandDecisions.map(({ command, allowed, text }) => (
          <li key={command}>
            <code dir="ltr">{command}</code>{" "}
            <span class="hint">
              {allowed ? "runs" : "does not run"}: {text}
            </span>
          </li>
        ))}
      </ul>
      {recentInvocations.length > 0 && (
        <>
          <p>Ran last</p>
          <ul class="facts">
            {recentInvocations.map((run) => (
              <Run key={run.id} run={run} />
            ))}
          </ul>
        </>
      )}
    </>
  );
}

const Run = ({ run: { command, state, askedBy, createdAtMs, error } }: { run: NodeRun }): JSX.Element => (
  <li>
    <code dir="ltr">{command}</code>{" "}
    <span class="hint">
      {state}, asked by <bdi>{askedBy}</bdi>, {agoText(createdAtMs)}
      {error !== undefined && (
        <>
          : <bdi>{error.message}</bdi>
        </>
      )}
    </span>
  </li>
);
