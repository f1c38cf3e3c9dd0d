// A proxy between a client and the gateway that records every frame and checks what the gateway sends.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { assertMatchesSchema, assertValidFrame } from "../protocol-oracle.ts";

export type RecordedFrame = Record<string, unknown> & {
  type?: string;
  id?: string;
  method?: string;
  ok?: boolean;
  event?: string;
  seq?: number;
  params?: Record<string, unknown>;
  payload?: Record<string, unknown>;
  error?: { code: string; message: string };
};

export type RecordingProxy = {
  /** For clients, instead of the gateway's own. */
  url: string;
  /** What clients sent and what the gateway sent, in order. */
  sent: RecordedFrame[];
  received: RecordedFrame[];
  /** Frames and results that are not as the published schema says; each kind of fault once. */
  faults: string[];
  events: (name: string) => RecordedFrame[];
  close: () => Promise<void>;
};

/** Definitions of results, for methods where the published schema has one. */
const RESULTS: Readonly<Record<string, string>> = {
  "agent.identity.get": "AgentIdentityResult",
  "agents.create": "AgentsCreateResult",
  "agents.delete": "AgentsDeleteResult",
  "agents.list": "AgentsListResult",
  "agents.update": "AgentsUpdateResult",
  "channels.pairing.approve": "ChannelsPairingApproveResult",
  "channels.pairing.dismiss": "ChannelsPairingDismissResult",
  "channels.pairing.list": "ChannelsPairingListResult",
  "channels.status": "ChannelsStatusResult",
  "commands.list": "CommandsListResult",
  "config.schema": "ConfigSchemaResponse",
  "config.schema.lookup": "ConfigSchemaLookupResult",
  "device.pair.setupCode": "DevicePairSetupCodeResult",
  "device.token.rotate": "DeviceTokenRotateResult",
  "logs.tail": "LogsTailResult",
  "models.list": "ModelsListResult",
  "sessions.create": "SessionsCreateResult",
  "sessions.delete": "SessionsDeleteResult",
  "sessions.resolve": "SessionsResolveResult",
};

/** Starts a tap before the gateway at `target` (ws://). */
export async function startRecordingProxy(target: string): Promise<RecordingProxy> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const tap: RecordingProxy = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: [],
    received: [],
    faults: [],
    events: (name) => tap.received.filter((frame) => frame.event === name),
    close: async () => {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on("connection", (client) => bridge(client, target, tap));
  return tap;
}

function bridge(client: WebSocket, target: string, tap: RecordingProxy): void {
  const methods = new Map<string, string>();
  const upstream = new WebSocket(target, { perMessageDeflate: false });
  const early: string[] = [];
  client.on("message", (data: Buffer) => {
    const text = data.toString();
    const frame = JSON.parse(text) as RecordedFrame;
    tap.sent.push(frame);
    if (frame.id && frame.method) methods.set(frame.id, frame.method);
    if (upstream.readyState === WebSocket.OPEN) upstream.send(text);
    else early.push(text);
  });
  upstream.on("open", () => early.splice(0).forEach((text) => upstream.send(text)));
  upstream.on("message", (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as RecordedFrame;
    tap.received.push(frame);
    judge(frame, methods, tap);
    client.send(data.toString());
  });
  upstream.on("error", () => client.terminate());
  client.on("error", () => upstream.terminate());
  client.on("close", () => upstream.close());
  upstream.on("close", (code, reason) => (code === 1006 ? client.terminate() : client.close(code === 1005 ? 1000 : code, reason)));
}

function judge(frame: RecordedFrame, methods: ReadonlyMap<string, string>, tap: RecordingProxy): void {
  const method = frame.type === "res" ? methods.get(frame.id!) : undefined;
  const definition = frame.ok && method && Object.hasOwn(RESULTS, method) ? RESULTS[method] : undefined;
  try {
    assertValidFrame(frame);
    if (definition) assertMatchesSchema(definition, frame.payload);
  } catch (err) {
    const fault = `${method ?? frame.event ?? frame.type}: ${(err as Error).message.slice(0, 400)}`;
    const place = fault.split(" in {")[0]!;
    if (!tap.faults.some((each) => each.startsWith(place))) tap.faults.push(fault);
  }
}
