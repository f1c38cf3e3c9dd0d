import { LIMITS } from "../core/limits.ts";

export type BotLoopSettings = { enabled: boolean; maxEventsPerWindow: number; windowSeconds: number; cooldownSeconds: number };

/** What is remembered about one pair of bots: the times of the last admitted messages, and until when the pair is silent. */
export type BotWindow = { times: readonly number[]; cooldownUntil: number };

const EMPTY_WINDOW: BotWindow = { times: [], cooldownUntil: 0 };

/** Whether one more message of another bot is answered at `now`. The message that goes over the budget begins the silence. Pure. */
export function checkBotLoop(
  window: BotWindow | undefined,
  settings: BotLoopSettings,
  now: number,
): { answer: boolean; window: BotWindow; began: boolean } {
  const known = window ?? EMPTY_WINDOW;
  if (!settings.enabled) return { answer: true, window: EMPTY_WINDOW, began: false };
  if (now < known.cooldownUntil) return { answer: false, window: known, began: false };
  const times = known.times.filter((at) => at > now - settings.windowSeconds * 1000);
  if (times.length >= settings.maxEventsPerWindow) {
    return { answer: false, window: { times: [], cooldownUntil: now + settings.cooldownSeconds * 1000 }, began: true };
  }
  return { answer: true, window: { times: [...times, now], cooldownUntil: 0 }, began: false };
}

/** The pairs that talk at present. Kept in memory: a restart is a pause long enough. The pair that was quiet longest is forgotten. */
export class BotLoopGuard {
  readonly #windows = new Map<string, BotWindow>();

  check(pair: string, settings: BotLoopSettings, now: number): { answer: boolean; began: boolean } {
    const { answer, window, began } = checkBotLoop(this.#windows.get(pair), settings, now);
    this.#windows.delete(pair);
    this.#windows.set(pair, window);
    if (this.#windows.size > LIMITS.botPairs) this.#windows.delete(this.#windows.keys().next().value!);
    return { answer, began };
  }
}
