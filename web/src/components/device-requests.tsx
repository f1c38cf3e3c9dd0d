import type { JSX } from "preact";
import * as list from "../device-list.ts";
import { agoText } from "./approval-question.tsx";
import { PairingRequest, PairingRequests } from "./pairing-requests.tsx";

/** Devices that ask to be let in, with what each would be allowed. */
export function DeviceRequests(): JSX.Element | null {
  const requests = list.requests.value;
  if (requests.length === 0) return null;
  return (
    <PairingRequests id="device-requests-title">
      {requests.map((request) => {
        const { requestId, platform, clientMode, browserOrigin, remoteIp, ts } = request;
        return (
          <PairingRequest
            key={requestId}
            name={list.nameOf(request)}
            text={list.requestText(request)}
            facts={[platform, clientMode, browserOrigin, remoteIp, ts === undefined ? undefined : agoText(ts)]}
            isBusy={list.busy.value === requestId}
            answers={{ approve: () => list.approve(request), reject: () => list.reject(request) }}
          />
        );
      })}
    </PairingRequests>
  );
}
