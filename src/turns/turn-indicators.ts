import type { ReplyTarget } from "../channels/channel.ts";
import { contain } from "../core/contain.ts";
import { reasonOf } from "../core/errors.ts";
import { asId, type AgentId, type MessageId, type RunId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { ActivePreviews } from "./active-previews.ts";
import { containedClock } from "./contained-clock.ts";
import { Preview, type RenderPreview, type PreviewDeps } from "./preview.ts";
import type { Payload } from "./submission.ts";

/** `partial` and `progress` show the text so far, `block` only whole paragraphs of it. */
export type PreviewMode = "off" | "partial" | "block" | "progress";
export type TypingMode = "never" | "instant" | "thinking" | "message";
export type AckScope = "group-mentions" | "group-all" | "direct" | "all" | "off";

/** What the configuration says about the signs of life of a turn. */
export type IndicatorSettings = {
  preview: PreviewMode;
  /** Null: at once where the agent was addressed, else with the first text. */
  typing: TypingMode | null;
  /** Null: no reaction. */
  ack: { emoji: string; scope: AckScope; removeAfterReply: boolean } | null;
};

export type IndicatorOptions = PreviewDeps & {
  previews: ActivePreviews;
  settings: (target: ReplyTarget, agentId: AgentId) => IndicatorSettings;
};

/** What a person sees of a running turn before its answer is there. */
export type ActiveIndicators = { thinking: () => void; text: (text: string) => void; stop: () => void };

export type IndicatedRun = { runId: RunId; agentId: AgentId; target: ReplyTarget; addressed: boolean; render: RenderPreview };

type AcknowledgedMessage = { agentId: AgentId; payload: Pick<Payload, "target" | "addressed"> };

/** Typing, previews and acknowledgements: everything on a channel that may be left out. */
export class TurnIndicators {
  readonly #options: IndicatorOptions;

  constructor(options: IndicatorOptions) {
    this.#options = { ...options, clock: containedClock(options.clock, options.log) };
  }

  /** The signs of a turn that begins; null where its channel has none. Neither this function nor its result throws: the turn continues without indicators. */
  begin(run: IndicatedRun): ActiveIndicators | null {
    try {
      const live = this.#begin(run);
      if (!live) return null;
      const failed = (err: unknown): void => {
        this.#options.log.error("the signs of a turn are given up", { runId: run.runId, error: err });
        contain(() => {}, live.stop)();
      };
      return { thinking: contain(failed, live.thinking), text: contain(failed, live.text), stop: contain(failed, live.stop) };
    } catch (err) {
      this.#options.log.error("the signs of a turn could not be shown", { runId: run.runId, error: err });
      return null;
    }
  }

  /** A message waits for its turn: its sender sees typing, where the configuration shows it from the start. Returns what ends it; never throws. */
  waiting(run: Omit<IndicatedRun, "render">): () => void {
    const failed = (err: unknown): void =>
      this.#options.log.debug("typing was not shown to a waiting person", { runId: run.runId, cause: reasonOf(err) });
    let typing: { stop: () => void } | null = null;
    contain(failed, () => {
      if (!this.#options.directory.capabilities(run.target.channel)?.typing) return;
      typing = this.#typing(run, this.#options.settings(run.target, run.agentId));
    })();
    return contain(failed, () => typing?.stop());
  }

  #begin(run: IndicatedRun): ActiveIndicators | null {
    const abilities = this.#options.directory.capabilities(run.target.channel);
    if (!abilities || (!abilities.typing && !abilities.edit)) return null;
    const settings = this.#options.settings(run.target, run.agentId);
    const typing = abilities.typing ? this.#typing(run, settings) : null;
    const preview = abilities.edit && settings.preview !== "off" ? this.#preview(run) : null;
    if (!typing && !preview) return null;
    const failed = (err: unknown): void => this.#options.log.error("a preview was not forgotten", { runId: run.runId, error: err });
    return {
      thinking: () => typing?.on("thinking"),
      text: (text) => {
        typing?.on("message");
        preview?.show(settings.preview === "block" ? wholeParagraphs(text) : text);
      },
      stop: () => {
        typing?.stop();
        if (!preview) return;
        preview.stop();
        contain(failed, () => this.#options.previews.remove(run.runId))();
      },
    };
  }

  /** A message was taken: its sender sees a reaction, where one is configured. */
  acknowledge(received: AcknowledgedMessage): void {
    this.#reactContained(received, true);
  }

  /** The message was answered. */
  onAnswered(received: AcknowledgedMessage): void {
    this.#reactContained(received, false);
  }

  readonly #reactContained = contain(
    (err) => this.#options.log.debug("a reaction was not set", { cause: reasonOf(err) }),
    (received: AcknowledgedMessage, on: boolean) => this.#react(received, on),
  );

  async #react({ agentId, payload }: AcknowledgedMessage, on: boolean): Promise<void> {
    const { target } = payload;
    if (!target?.replyTo || !this.#options.directory.capabilities(target.channel)?.reactions) return;
    const { ack } = this.#options.settings(target, agentId);
    if (!ack || (!on && !ack.removeAfterReply) || !isInAckScope(ack.scope, target, payload.addressed === true)) return;
    const link = this.#options.link(target.channel, target.account);
    if (!link?.react || this.#options.pauses.isPaused(target)) return;
    await link.react(target, asId<MessageId>(target.replyTo), ack.emoji, on);
  }

  #preview(run: IndicatedRun): Preview {
    const preview = new Preview(this.#options, run.runId, run.render);
    this.#options.previews.add(run.runId, preview);
    return preview;
  }

  #typing(run: Omit<IndicatedRun, "render">, settings: IndicatorSettings): { on: (moment: TypingMode) => void; stop: () => void } | null {
    const mode = settings.typing ?? (run.target.chat.kind === "direct" || run.addressed ? "instant" : "message");
    if (mode === "never") return null;
    const { clock, link, log, pauses } = this.#options;
    const until = clock.monotonic() + LIMITS.typingMaxMs;
    let cancel: (() => void) | null = null;
    let over = false;
    const showOnce = contain(
      (err) => log.debug("typing was not shown", { cause: reasonOf(err) }),
      () => {
        const live = link(run.target.channel, run.target.account);
        return live?.typing && !pauses.isPaused(run.target) ? live.typing(run.target) : undefined;
      },
    );
    const show = (): void => {
      if (over || clock.monotonic() > until) return;
      cancel = clock.after(LIMITS.typingRefreshMs, show);
      showOnce();
    };
    const on = (moment: TypingMode): void => {
      // Text is a sign of a turn that began to think without saying so.
      if (cancel === null && (moment === mode || moment === "message")) show();
    };
    on("instant");
    return {
      on,
      stop: () => {
        over = true;
        cancel?.();
      },
    };
  }
}

function isInAckScope(scope: AckScope, target: ReplyTarget, addressed: boolean): boolean {
  const direct = target.chat.kind === "direct";
  if (scope === "all") return true;
  if (scope === "direct") return direct;
  if (scope === "group-all") return !direct;
  return scope === "group-mentions" && !direct && addressed;
}

/** The text up to its last blank line. */
const wholeParagraphs = (text: string): string => text.slice(0, Math.max(0, text.lastIndexOf("\n\n")));
