import { randomUUID } from "node:crypto";
import type { RunId } from "../core/ids.ts";
import { VERSION } from "../core/version.ts";
import type { TaskRuns } from "../peers/a2a/desk.ts";
import type { A2aServer } from "../peers/a2a/server.ts";
import type { A2aBackend } from "../server/a2a.ts";
import type { Payload } from "../turns/submission.ts";
import type { GatewayBase } from "./base.ts";
import type { Messaging } from "./messaging.ts";
import type { GatewayPeers } from "./peers.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

type A2aInput = GatewayBase & Pick<Storage, "inbox"> & { running: RunningConfig; messaging: Messaging; peers: GatewayPeers };

const NOT_FOUND = { status: 404, body: { error: { message: "not found", type: "not_found" } } } as const;

/** Serves A2A to the links that speak it; nothing is loaded while it is off, or while no link speaks it. */
export function a2aBackend(input: A2aInput): A2aBackend {
  const { running, clock, log, metrics, peers } = input;
  let loading: Promise<A2aServer> | null = null;
  const links = () =>
    Object.entries(running.config.peers)
      .filter(([, link]) => link.enabled && link.transport === "a2a")
      .map(([name, { token }]) => ({ name, ...(token && { token }) }));
  const isOn = (): boolean => running.config.gateway.http.endpoints.a2a.enabled && links().length > 0;
  const load = async (): Promise<A2aServer> => {
    const [{ A2aServer: Server }, service] = await Promise.all([import("../peers/a2a/server.ts"), peers.get()]);
    return new Server({
      desk: await service.taskDesk(taskRuns(input)),
      clock,
      log: log.child({ subsystem: "peers" }),
      metrics,
      newId: randomUUID,
      version: VERSION,
      links,
      settings: () => running.config.gateway.http.endpoints.a2a,
      publicOrigin: () => running.config.gateway.publicOrigin,
    });
  };
  const get = (): Promise<A2aServer> => {
    loading ??= load().catch((err: unknown) => {
      loading = null;
      throw err;
    });
    return loading;
  };
  return {
    card: async (request) => (isOn() ? (await get()).card(request) : NOT_FOUND),
    screen: async (request) => (isOn() ? (await get()).screen(request) : NOT_FOUND),
    call: async (request, body, signal) => (isOn() ? await (await get()).call(request, body, signal) : NOT_FOUND),
  };
}

function taskRuns({ messaging, bus, inbox }: A2aInput): TaskRuns {
  const { turns } = messaging;
  return {
    waitFor: (runId, timeoutMs, signal) => turns.runs.waitForOutcome(runId, timeoutMs, signal),
    abort: async (runId) => {
      const row = inbox.byRun<Payload>(runId);
      if (row !== undefined) await turns.lanes.abortDurably(row.sessionKey, runId);
    },
    follow: (runId: RunId, onText) =>
      bus.on("turn.text", (event) => event.runId === runId && onText({ text: event.delta, isWhole: event.replace === true })),
  };
}
