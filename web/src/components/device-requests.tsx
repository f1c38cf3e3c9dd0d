import type { JSX } from "preact";
import * as list from "../device-list.ts";
import { agoText } from "./approval-question.tsx";
import type { DeviceRequest } from "../device-list.ts";

/** Devices that ask to be let in, with what each would be allowed. */
export function DeviceRequests(): JSX.Element | null {
  const requests = list.requests.value;
  if (requests.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="device-requests-title">
      <div class="panel-head">
        <h2 id="device-requests-title">Waiting for approval</h2>
      </div>
      <ul>
        {requests.map((request) => (
          <Request key={request.requestId} request={request} />
        ))}
      </ul>
    </section>
  );
}

function Request({ request }: { request: DeviceRequest }): JSX.Element {
  const { requestId, platform, clientMode, browserOrigin, remoteIp, ts } = request;
  const name = list.nameOf(request);
  const isBusy = list.busy.value === requestId;
  const facts = [platform, clientMode, browserOrigin, remoteIp, ts === undefined ? undefined : agoText(ts)];
  return (
    <li class="entry">
      <span class="dot" data-state="waiting" />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{name}</bdi>
          </strong>
        </p>
        <p>{list.requestText(request)}</p>
        <p class="hint">
          <bdi>{facts.filter((each) => each !== undefined).join(", ")}</bdi>
        </p>
      </div>
      <div class="entry-actions">
        <button
          type="button"
          class="primary small"
          aria-label={`Approve ${name}`}
          disabled={isBusy}
          onClick={() => void list.approve(request)}
        >
          Approve
        </button>
        <button type="button" class="quiet" aria-label={`Reject ${name}`} disabled={isBusy} onClick={() => void list.reject(request)}>
          Reject
        </button>
      </div>
    </li>
  );
}
