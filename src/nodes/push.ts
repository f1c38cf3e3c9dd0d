import type { DeviceIdentity } from "../client/device.ts";
import { toSigner } from "../client/device.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { asString, fieldsOf, tryParseJson, type JsonObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import { Secret } from "../core/secret.ts";
import type { EventOutcome } from "./events.ts";
import { NODE_LIMITS } from "./limits.ts";

/** The relay that hands messages to the push service of a phone's vendor. */
export type PushRelay = { baseUrl: string; timeoutMs: number };

/** Under what a relay knows the app of a node. The grant is what lets a gateway wake it. */
export type PushRegistration = { relayHandle: string; sendGrant: Secret; topic: string; environment: "sandbox" | "production" };

/** What came of waking a node, as clients see it. `available`: the relay was asked. */
export type WakeOutcome = { available: boolean; throttled: boolean; path: string; apnsStatus?: number; apnsReason?: string };

export type PushDeps = {
  relay: () => PushRelay | null;
  /** The registration of a node, where it is kept as a secret. */
  vault: (nodeId: string) => {
    read(key: string): Promise<Uint8Array | null>;
    write(key: string, value: Uint8Array): Promise<void>;
    clear(): Promise<void>;
  };
  /** The relay knows this gateway by it. */
  identity: () => Promise<DeviceIdentity>;
  /** Follows no redirect, and reads only the beginning of a long answer. */
  post: (
    url: string,
    headers: Readonly<Record<string, Secret>>,
    body: Buffer,
    timeoutMs: number,
  ) => Promise<{ status: number; body: Buffer }>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

const KEY = "push";
const refused = (reason: string): EventOutcome => ({ handled: false, reason });
/** Without blanks, so that it stays one header or one word of a log. */
const isWord = (text: string, maxChars: number): boolean => text.length > 0 && text.length <= maxChars && /^[\x21-\x7e]+$/.test(text);

/** Wakes the apps of nodes through a relay: at most one message to each node in a while, each asked for by a person or an agent. */
export class NodePush {
  readonly #deps: PushDeps;
  /** What was last sent for each node. Only what the relay took keeps a node from being woken again. */
  readonly #sent = new Map<string, { at: number; outcome: Promise<WakeOutcome> }>();

  constructor(deps: PushDeps) {
    this.#deps = deps;
  }

  /** An app says under what the relay knows it. */
  async register(nodeId: string, payload: unknown): Promise<EventOutcome> {
    const fields = fieldsOf(typeof payload === "string" ? tryParseJson(payload) : payload);
    const relay = this.#deps.relay();
    if (relay === null) return refused("no push relay is configured");
    if (fields["transport"] !== "relay") return refused("only registrations of a push relay are used");
    const { id } = await this.#deps.identity();
    if (asString(fields["gatewayDeviceId"]) !== id) return refused("the registration is for another gateway");
    const origin = asString(fields["relayOrigin"]);
    if (origin !== "" && originOf(origin) !== originOf(relay.baseUrl)) return refused("the registration is of another push relay");
    const registration = toRegistration(fields);
    if (registration === null) return refused("the registration is incomplete");
    const { sendGrant } = registration;
    await this.#deps.vault(nodeId).write(KEY, Buffer.from(JSON.stringify({ ...registration, sendGrant: sendGrant.reveal() })));
    return { handled: true, reason: "registered" };
  }

  /** Asks the relay to wake the app of a node. Never rejects. */
  async wake(nodeId: string, why: string): Promise<WakeOutcome> {
    const outcome = await this.#wake(nodeId, why);
    this.#deps.metrics.count("gateway_nodes_wakes_total", { outcome: outcome.path });
    return outcome;
  }

  async forget(nodeId: string): Promise<void> {
    this.#sent.delete(nodeId);
    await this.#deps.vault(nodeId).clear();
  }

  async #wake(nodeId: string, why: string): Promise<WakeOutcome> {
    const { relay: relayOf, clock } = this.#deps;
    const relay = relayOf();
    if (relay === null) return { available: false, throttled: false, path: "no-relay" };
    try {
      const registration = await this.#registrationOf(nodeId);
      if (registration === null) return { available: false, throttled: false, path: "no-registration" };
      const now = clock.monotonic();
      const last = this.#sent.get(nodeId);
      if (last !== undefined && now - last.at < NODE_LIMITS.wakeEveryMs) {
        const outcome = await last.outcome;
        return outcome.path === "sent" ? { available: true, throttled: true, path: "throttled" } : outcome;
      }
      const entry = { at: now, outcome: this.#send(nodeId, registration, relay, why).catch((err: unknown) => this.#failed(nodeId, err)) };
      this.#sent.set(nodeId, entry);
      const outcome = await entry.outcome;
      if (outcome.path !== "sent" && this.#sent.get(nodeId) === entry) this.#sent.delete(nodeId);
      return outcome;
    } catch (err) {
      return this.#failed(nodeId, err);
    }
  }

  #failed(nodeId: string, err: unknown): WakeOutcome {
    this.#deps.log.warn("a node could not be woken", { node: nodeId, cause: reasonOf(err) });
    return { available: true, throttled: false, path: "send-error", apnsReason: reasonOf(err).slice(0, NODE_LIMITS.nameChars) };
  }

  async #registrationOf(nodeId: string): Promise<PushRegistration | null> {
    const stored = await this.#deps.vault(nodeId).read(KEY);
    return stored === null ? null : toRegistration(fieldsOf(tryParseJson(Buffer.from(stored).toString())));
  }

  /** The request is signed with the key of this gateway, so that a stolen grant is worth nothing elsewhere. */
  async #send(nodeId: string, registration: PushRegistration, { baseUrl, timeoutMs }: PushRelay, why: string): Promise<WakeOutcome> {
    const { post, identity, clock, log } = this.#deps;
    const signer = toSigner(await identity());
    const at = clock.now();
    const body = JSON.stringify({
      relayHandle: registration.relayHandle,
      pushType: "background",
      priority: 5,
      payload: { aps: { "content-available": 1 }, openclaw: { kind: "node.wake", reason: why, nodeId, ts: at } },
    });
    const headers = {
      authorization: new Secret(`Bearer ${registration.sendGrant.reveal()}`),
      "x-openclaw-gateway-device-id": new Secret(signer.id),
      "x-openclaw-gateway-signature": new Secret(await signer.sign(["openclaw-relay-send-v1", signer.id, at, body].join("\n"))),
      "x-openclaw-gateway-signed-at-ms": new Secret(String(at)),
    };
    const answer = await post(`${baseUrl.replace(/\/+$/, "")}/v1/push/send`, headers, Buffer.from(body), timeoutMs);
    const said = fieldsOf(tryParseJson(answer.body.toString()));
    const status = typeof said["status"] === "number" ? said["status"] : answer.status;
    const isSent = answer.status >= 200 && answer.status < 300 && said["ok"] !== false && status >= 200 && status < 300;
    const reason = asString(said["reason"]);
    const apnsReason = isWord(reason, NODE_LIMITS.nameChars) ? reason : "";
    log.info("the push relay was asked to wake a node", { node: nodeId, status, ...(apnsReason !== "" && { reason: apnsReason }) });
    // The app was removed from the device.
    if (status === 410) await this.forget(nodeId);
    return {
      available: true,
      throttled: false,
      path: isSent ? "sent" : "send-error",
      apnsStatus: status,
      ...(apnsReason !== "" && { apnsReason }),
    };
  }
}

/** Null for one that cannot be used. Pure. */
function toRegistration(fields: JsonObject): PushRegistration | null {
  const text = (name: string): string => asString(fields[name]).trim();
  const [relayHandle, sendGrant, topic] = [text("relayHandle"), text("sendGrant"), text("topic")];
  const environment = text("environment");
  if (!isWord(relayHandle, 256) || !isWord(sendGrant, 1_024) || !isWord(topic, 255)) return null;
  if (environment !== "sandbox" && environment !== "production") return null;
  return { relayHandle, sendGrant: new Secret(sendGrant), topic, environment };
}

const originOf = (url: string): string | null => (URL.canParse(url) ? new URL(url).origin : null);
