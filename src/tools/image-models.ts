import type { ToolCaller, ToolContent } from "./tool.ts";

/** Who looks at an image: the model of the conversation itself, or another one that is asked. */
export type ImageRoute = { kind: "shown" } | { kind: "asked"; model: string };

/** What the tool for images needs of models. */
export interface ImageModels {
  /** `model`: the one that a call names. Throws, with what to configure, when no model takes images. */
  routeFor(caller: ToolCaller, model: string | undefined): ImageRoute;
  /** What a model answers about images. Rejects with what went wrong. */
  ask(caller: ToolCaller, question: ImageQuestion, signal: AbortSignal): Promise<{ text: string; model: string }>;
}

export type ImageQuestion = { model: string; prompt: string; images: readonly Extract<ToolContent, { type: "image" }>[] };
