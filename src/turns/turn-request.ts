import type { Turn } from "../agents/runtime.ts";
import type { MediaStore } from "../store/media.ts";
import { contextOf, type SessionRow } from "../store/sessions.ts";
import { isFromOperator, toAgentText } from "./agent-text.ts";
import { loadImages } from "./images.ts";
import { resolveModels, resolveThinking, type RunningAgents } from "./settings.ts";
import { skillNote, type TurnSkills } from "./skill-requests.ts";
import type { Payload, RunRow } from "./submission.ts";
import type { Transcript } from "./transcript.ts";
import type { TurnContext } from "./turn-context.ts";

export type TurnRequestDeps = {
  media: MediaStore;
  transcript: Transcript;
  running: RunningAgents;
  prompt: {
    /** Facts about who talks from where, for the system prompt; never text of a sender. */
    situation(payload: Payload, session: SessionRow): string;
  };
  /** The files of a message, fetched before its turn begins; absent where messages have none. */
  attachments?: (row: RunRow, signal: AbortSignal) => Promise<Payload>;
};

/** What the runtime gets for one turn. Throws UNAVAILABLE when a picture of a message can no longer be read. */
export async function buildTurn(
  deps: TurnRequestDeps,
  { row, collected, active, queuedRuns }: TurnContext,
  session: SessionRow,
  {
    skills,
    ...rights
  }: Pick<Turn, "tools" | "beforeTool" | "beforeAgent" | "isPrivate" | "trace" | "defersCompaction"> & { skills: TurnSkills },
): Promise<Turn> {
  const { attachments, media, prompt, running, transcript } = deps;
  const settings = running.agents.settings(row.agentId);
  const withMedia = (each: RunRow): Promise<Payload> =>
    each.payload.media && attachments ? attachments(each, active.abort.signal) : Promise.resolve(each.payload);
  const payloads = await Promise.all([row, ...collected.filter((each) => each.payload !== null)].map(withMedia));
  const shared = payloads.some(isFromOperator) && transcript.hasExternalSenders(session);
  const { payload } = row;
  // The same instructions as in the conversation itself: the provider's cache of them counts.
  const situated = payload.flush ? { ...payload, target: payload.flush.target } : payload;
  return {
    runId: row.runId,
    sessionKey: row.sessionKey,
    sessionId: contextOf(session),
    agentId: row.agentId,
    text: payloads.map((each) => toAgentText(each, shared, each.skill && skillNote(each.skill, skills))).join("\n\n"),
    images: await loadImages(
      media,
      payloads.flatMap((each) => each.images),
    ),
    models: resolveModels(settings, session, payload.model),
    thinking: resolveThinking(settings, session, payload.thinking),
    ...rights,
    workspace: settings.workspace,
    skills: skills.list,
    conversationContext: [prompt.situation(situated, session), payload.extraSystem].filter(Boolean).join("\n\n"),
    checkpoint: session.checkpoint,
    history: () => transcript.buildContext(session, [...active.runIds, ...active.steered, ...queuedRuns()]),
  };
}
