import { randomUUID } from "node:crypto";
import { join, resolve } from "node:path";
import { asId, type SessionKey } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { addSystemEvent, checkEventText } from "../methods/status.ts";
import type { Hook } from "../hooks/hook.ts";
import type { HookIngress } from "../hooks/ingress.ts";
import { createHookDeliveries, type HookDeliveries } from "../store/hook-deliveries.ts";
import type { HookBackend } from "../server/hooks.ts";
import type { GatewayBase } from "./base.ts";
import type { Messaging } from "./messaging.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Schedule } from "./schedule.ts";
import type { Storage } from "./storage.ts";

type HooksInput = GatewayBase & Storage & { running: RunningConfig; messaging: Messaging; schedule: Schedule };

type StoredAnswer = JsonObject & { runIds: readonly string[] };

const NOT_FOUND = { status: 404, body: "Not Found" } as const;

/** Requests of other programs that start runs; nothing is loaded for them while hooks are off. */
export class GatewayHooks {
  readonly rows: HookDeliveries<StoredAnswer>;
  readonly backend: HookBackend;
  readonly #input: HooksInput;
  #ingress: Promise<HookIngress> | null = null;

  constructor(input: HooksInput) {
    this.#input = input;
    this.rows = createHookDeliveries<StoredAnswer>(input.store);
    const isOn = (): boolean => input.running.config.hooks.enabled;
    this.backend = {
      path: input.running.config.hooks.path,
      screen: async (request) => (isOn() ? (await this.get()).screen(request) : NOT_FOUND),
      receive: async (request, body, parse, signal) => (isOn() ? (await this.get()).receive(request, body, parse, signal) : NOT_FOUND),
    };
  }

  get(): Promise<HookIngress> {
    this.#ingress ??= import("../hooks/ingress.ts").then(({ HookIngress: Ingress }) => new Ingress(this.#deps()));
    return this.#ingress;
  }

  /** Every hook, what was taken and what was refused. */
  async deliveries({ limit = 50, hook }: { limit?: number; hook?: string }): Promise<Record<string, unknown>> {
    const { hooks } = this.#input.running.config;
    const ingress = await this.get();
    return {
      enabled: hooks.enabled,
      path: hooks.path,
      hasToken: hooks.token !== undefined,
      hooks: ingress.hooks().map((each) => toHookRow(each, hooks)),
      deliveries: this.rows.recent(limit, hook).map(({ answer, digest: _digest, ...row }) => ({ ...row, runIds: answer.runIds })),
      refused: ingress
        .refusals()
        .filter((refusal) => hook === undefined || refusal.hook === hook)
        .slice(0, limit),
    };
  }

  /** What a request would do; nothing is done. */
  async test({
    hook: id,
    payload = {},
    headers = {},
  }: {
    hook: string;
    payload?: JsonObject;
    headers?: JsonObject;
  }): Promise<Record<string, unknown>> {
    const ingress = await this.get();
    const hook = ingress.hooks().find((each) => each.id === id || each.path === id);
    if (hook === undefined)
      return {
        ok: false,
        problem: this.#input.running.config.hooks.enabled ? `the hook ${id} is not configured` : "hooks.enabled is false",
      };
    if (hook.problem !== undefined) return { ok: false, hook: hook.id, problem: hook.problem };
    const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
    const request = { path: hook.path, headers: lower, query: {}, peer: "test" };
    const shaped = await ingress.shape(hook, request, payload);
    if ("error" in shaped) return { ok: false, hook: hook.id, problem: `its transform failed: ${shaped.error}` };
    const plans = shaped.hook === null ? [] : ingress.plan(shaped.hook, { request, payload, key: "test" });
    return {
      ok: true,
      hook: hook.id,
      trust: hook.trust,
      does: plans.map((plan) => {
        if (plan.do === "event")
          return { action: "wake", sessionKey: plan.session, text: plan.text, mode: plan.isNow ? "now" : "next-heartbeat" };
        const { agentId, sessionKey, text, model, tools, target } = plan.submission;
        return {
          action: "agent",
          agentId,
          sessionKey,
          text,
          model,
          tools,
          delivery: plan.route,
          ...(target && { channel: target.channel, to: target.chat.id }),
          ...(plan.routeError !== undefined && { deliveryError: plan.routeError }),
        };
      }),
    };
  }

  #deps(): ConstructorParameters<typeof HookIngress>[0] {
    const { running, messaging, schedule, keyValue, clock, outbox, log, paths } = this.#input;
    const { turns } = messaging;
    return {
      ...this.#input,
      rows: this.rows,
      config: () => running.config,
      log: log.child({ subsystem: "hooks" }),
      lookups: schedule.lookups(),
      transforms: () => {
        const root = join(paths.state, "hooks", "transforms");
        return { root, directory: resolve(root, running.config.hooks.transformsDir ?? "") };
      },
      newId: randomUUID,
      prepare: (submission) => turns.admission.prepare(submission),
      addEvent: (session, text, source) =>
        addSystemEvent(keyValue, { text: checkEventText(text), at: clock.now(), session, ...(source !== undefined && { source }) }),
      wake: (session) => schedule.control.wake(asId<SessionKey>(session)),
      waitForOutcome: (runId, timeoutMs, signal) => turns.runs.waitForOutcome(runId, timeoutMs, signal),
      isDelivered: (runId) => {
        const parts = outbox.byIntent(runId);
        return parts.length > 0 && parts.every(({ state }) => state === "sent");
      },
    };
  }
}

/** A hook as lists show it; no secret is part of it. */
function toHookRow(hook: Hook, hooks: RunningConfig["config"]["hooks"]): Record<string, unknown> {
  const { id, path, action, signature, trust, name, agentId, problem, sessionMode } = hook;
  const isUnsigned = signature === null && hooks.token === undefined;
  const why =
    problem ?? (signature === "missing" ? "its signature is not in hooks.signatures" : isUnsigned ? "hooks.token is not set" : undefined);
  return {
    id,
    name,
    path: `${hooks.path}/${path}`,
    action,
    trust,
    sessionMode,
    auth: signature === null ? "token" : signature === "missing" ? "none" : signature.scheme,
    ...(agentId !== undefined && { agentId }),
    ...(why !== undefined && { problem: why }),
  };
}
