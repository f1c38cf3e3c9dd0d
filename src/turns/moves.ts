import type { InboundMove } from "../channels/channel.ts";
import type { Log } from "../core/log.ts";
import type { ChannelState } from "../store/channel-state.ts";
import { moveRows } from "../store/moves.ts";
import type { Turns } from "./engine.ts";
import { chatPrefix, nothing, type Source, type Step } from "./inbound-step.ts";

export type MoveDeps = { turns: Turns; channelState: ChannelState; log: Log };

/**
 * A chat has another id from now on: its session, its rules and what waits for it stay. The configuration belongs to the user and is not
 * written; the log says what to change there.
 */
export function moveStep(deps: MoveDeps, source: Source, event: InboundMove): Step {
  const { turns, channelState } = deps;
  let moved = false;
  let open: string[] = [];
  if (event.from === event.to) return nothing;
  return {
    ...nothing,
    inTransaction: () => {
      const now = turns.options.clock.now();
      moved = channelState.moveChat(source, event.to, channelState.formerly(source, event.from) ?? event.from, now);
      if (!moved) return;
      const begins = { from: chatPrefix(source, event.from), to: chatPrefix(source, event.to) };
      open = moveRows(turns.options.store, { ...source, from: event.from, to: event.to }, begins);
    },
    afterCommit: () => {
      if (!moved) return;
      deps.log.warn("a chat has another id; rules for the old one still count", {
        channel: source.channel,
        account: source.account,
        from: event.from,
        to: event.to,
        fix: `Write ${event.to} instead of ${event.from} in channels.${source.channel} and in bindings.`,
      });
      for (const conversation of open) turns.options.deliver(conversation);
    },
  };
}
