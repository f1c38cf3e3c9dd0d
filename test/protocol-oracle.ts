// The published schema of the protocol as the judge of every frame that we send.
import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";

type Published = { definitions: Record<string, Record<string, unknown>> };

const file = new URL("../protocol.schema.json", import.meta.resolve("@openclaw/gateway-protocol/version"));
const published = JSON.parse(readFileSync(file, "utf8")) as Published;

// Released gateways name the kind of credential in `auth.method` and clients read it; the schema does not know it yet.
const hello = published.definitions["HelloOk"] as { properties: { auth: { properties: Record<string, unknown> } } };
hello.properties.auth.properties["method"] = { type: "string", minLength: 1 };
// They also say in which session and by which agent a run is; clients without a subscription of their own need it.
const agentEvent = published.definitions["AgentEvent"] as { properties: Record<string, unknown> };
agentEvent.properties["sessionKey"] = { type: "string", minLength: 1 };
agentEvent.properties["agentId"] = { type: "string", minLength: 1 };

// Two events whose payloads the schema has as parts of hello-ok.
const snapshot = (
  published.definitions["HelloOk"] as unknown as { properties: { snapshot: { properties: Record<string, Record<string, unknown>> } } }
).properties.snapshot.properties;
published.definitions["HealthEvent"] = snapshot["health"]!;
published.definitions["PresenceEvent"] = {
  type: "object",
  required: ["presence"],
  properties: { presence: snapshot["presence"] },
  additionalProperties: false,
};

// A validator is compiled in half the time when its code is not made shorter.
const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: false, code: { optimize: false } });
const compiled = new Map<string, ValidateFunction>();

/** Payload definitions by event name. */
const EVENTS: Readonly<Record<string, string>> = {
  tick: "TickEvent",
  shutdown: "ShutdownEvent",
  chat: "ChatEvent",
  agent: "AgentEvent",
  health: "HealthEvent",
  presence: "PresenceEvent",
  "device.pair.requested": "DevicePairRequestedEvent",
  "device.pair.resolved": "DevicePairResolvedEvent",
};

/** Throws when `value` is not what the published definition says. */
export function assertMatchesSchema(definition: string, value: unknown): void {
  let validate = compiled.get(definition);
  if (!validate) {
    const schema = published.definitions[definition];
    if (!schema) throw new Error(`no definition ${definition}`);
    validate = ajv.compile(schema);
    compiled.set(definition, validate);
  }
  if (validate(value)) return;
  throw new Error(`${definition}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value).slice(0, 2_000)}`);
}

/** Checks a frame from the server, and its payload where the schema has a definition for it. */
export function assertValidFrame(frame: Record<string, unknown>): void {
  assertMatchesSchema("GatewayFrame", frame);
  const payload = frame["payload"] as Record<string, unknown> | undefined;
  if (payload?.["type"] === "hello-ok") assertMatchesSchema("HelloOk", payload);
  const event = typeof frame["event"] === "string" ? EVENTS[frame["event"]] : undefined;
  if (event) assertMatchesSchema(event, payload);
}
