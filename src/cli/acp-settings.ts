import { THINKING_CHOICES } from "../core/thinking.ts";

/** What an editor may set of a session; null: what the agent has. */
export type SessionSettings = {
  mode: string;
  model: string | null;
  thinking: string | null;
  models: readonly { id: string; name: string }[];
};

/** The agent has the tools that it is granted. */
export const DEFAULT_MODE = "default";
export const MODES = [
  { id: DEFAULT_MODE, name: "Default", description: "The agent uses the tools that the gateway grants it." },
  { id: "read-only", name: "Read only", description: "The agent reads, and neither writes nor runs anything." },
] as const;

export const modesOf = ({ mode }: SessionSettings) => ({ currentModeId: mode, availableModes: MODES.map((each) => ({ ...each })) });

const select = (id: string, name: string, category: string, currentValue: string, options: readonly { value: string; name: string }[]) => ({
  type: "select" as const,
  id,
  name,
  category,
  currentValue,
  options: [...options],
});

/** What an editor may choose, in the shape of the protocol. Pure. */
export function configOptions({ mode, model, thinking, models }: SessionSettings) {
  const current = model ?? models[0]?.id;
  return [
    select(
      "mode",
      "Mode",
      "mode",
      mode,
      MODES.map(({ id, name }) => ({ value: id, name })),
    ),
    ...(current === undefined ? [] : [select("model", "Model", "model", current, withCurrent(current, models))]),
    select(
      "thought_level",
      "Thinking",
      "thought_level",
      thinking ?? "off",
      THINKING_CHOICES.map((level) => ({ value: level, name: level })),
    ),
  ];
}

function withCurrent(current: string, models: SessionSettings["models"]): readonly { value: string; name: string }[] {
  const all = models.map(({ id, name }) => ({ value: id, name: name || id }));
  return all.some(({ value }) => value === current) ? all : [{ value: current, name: current }, ...all];
}
