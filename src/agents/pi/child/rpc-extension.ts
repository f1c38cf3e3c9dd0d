/**
 * Loaded by a stock Pi process with `-e`. Pi's own records carry everything: the extension asks the gateway with requests for input,
 * whose ids Pi generates; text of a sender cannot answer them. Without an answer there are no tools.
 */
import { REQUEST_NOTICE, TOOL_REQUEST, TURN_REQUEST, WAIT_NOTICE, type ToolQuestion, type ToolReply, type TurnGrant } from "../records.ts";
import { GUIDE_PROVIDER } from "../../../core/guide-model.ts";
import type { GuideFacts } from "../guide.ts";
import { CallArguments } from "./call-arguments.ts";
import { gatewayExtension, type ExtensionContext, type GatewayPort, type PiApi } from "./gateway-extension.ts";
import { guideProvider } from "./guide-provider.ts";
import { takeProviderKeys } from "./keys.ts";
import { wrapFetch, type RunWaits } from "./provider-fetch.ts";

/** The extension is loaded again at each change of the session; this state must survive that. */
const STATE = Symbol.for("openclaw.pi.extension");
type ExtensionState = { run: RunWaits; facts: GuideFacts; secrets: readonly string[] };

function extensionState(): ExtensionState {
  const home = globalThis as { [STATE]?: ExtensionState };
  if (!home[STATE]) {
    const { secrets, queries } = takeProviderKeys();
    const state: ExtensionState = { run: { remainingWaitMs: 0, onWait: () => {} }, facts: {}, secrets };
    home[STATE] = state;
    wrapFetch(queries, { getStore: () => state.run });
  }
  return home[STATE];
}

async function ask<T>(context: ExtensionContext, title: string, question: string, signal?: AbortSignal): Promise<T> {
  const answer = await context.ui.input(title, question, { signal });
  if (answer === undefined) throw new Error("The call was cancelled.");
  return JSON.parse(answer) as T;
}

export default function extension(pi: PiApi): void {
  const state = extensionState();
  const calls = new CallArguments();
  pi.on("message_start", (event) => {
    if ((event as { message?: { role?: string } }).message?.role === "assistant") calls.begin();
  });
  pi.on("message_update", ({ assistantMessageEvent }) => calls.note(assistantMessageEvent));
  const port: GatewayPort = {
    isCut: calls.isCut,
    secrets: state.secrets,
    async grant(context) {
      const grant = await ask<TurnGrant>(context, TURN_REQUEST, "");
      state.facts = grant.facts ?? {};
      state.run = {
        remainingWaitMs: grant.providerWaitMs ?? 0,
        onWait: (ms, waits) => context.ui.notify(`${WAIT_NOTICE} ${ms} ${waits ? "waits" : "fails"}`, "info"),
        trace: grant.trace,
        onRequest: (spanId) => context.ui.notify(`${REQUEST_NOTICE} ${spanId}`, "info"),
      };
      return grant;
    },
    async runTool(call, signal, onUpdate, context) {
      let question: ToolQuestion = call;
      for (;;) {
        const reply = await ask<ToolReply>(context, TOOL_REQUEST, JSON.stringify(question), signal);
        if ("isError" in reply) return reply;
        onUpdate(reply.update);
        question = { id: call.id, next: true };
      }
    },
  };
  gatewayExtension(pi, port);
  pi.registerProvider(
    GUIDE_PROVIDER,
    guideProvider(() => state.facts),
  );
}
