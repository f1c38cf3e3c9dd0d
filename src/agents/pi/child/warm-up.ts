import { Writable } from "node:stream";
import { GUIDE_MODEL, GUIDE_PROVIDER } from "../../../core/guide-model.ts";
import { HostOutput } from "./host-output.ts";
import { HostSession, type HostParts } from "./host-session.ts";

/** APIs whose library sends every request through `fetch`, so that a dry turn cannot reach the network. */
const FETCH_APIS = ["openai-completions", "anthropic-messages"];

type ModelName = { provider: string; modelId: string };

/** The models of a dry turn: the setup guide, and one model if all that can be used have the same API, whose library it loads. */
function dryModels({ models }: HostParts): ModelName[] {
  const guide = { provider: GUIDE_PROVIDER, modelId: GUIDE_MODEL };
  const others = models.getAvailableSnapshot().filter(({ provider }) => provider !== GUIDE_PROVIDER);
  const [first] = others;
  if (!first || !FETCH_APIS.includes(first.api) || others.some(({ api }) => api !== first.api)) return [guide];
  return [guide, { provider: first.provider, modelId: first.id }];
}

/**
 * A turn that no one sees, without a file and without the network: afterwards the code of a turn is loaded and compiled, and the first
 * message does not wait for that.
 */
export async function runDryTurn(parts: HostParts): Promise<void> {
  const output = new HostOutput(new Writable({ write: (_chunk, _encoding, done) => done() }));
  const session = await HostSession.openInMemory(parts.agentDir, { ...parts, output });
  try {
    for (const model of dryModels(parts)) {
      await session.run({ type: "set_model", ...model });
      await session.runDry("help", { facts: {}, remainingWaitMs: 0, onWait: () => {}, isOffline: true });
    }
  } finally {
    await session.close();
  }
}
