import { fileURLToPath } from "node:url";
import { reasonOf } from "../../core/errors.ts";
import { readAtMost } from "../../core/files.ts";
import { asNumber, asString, asStrings, type JsonObject } from "../../core/json.ts";
import { clip, toSentence } from "../../core/text.ts";
import { fitImage, type ShownImage } from "../image.ts";
import type { ImageModels, ImageRoute } from "../image-models.ts";
import { imageTypeOf } from "../image-type.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { errorResult, fileError, fixOf, quote, stoppedError, throwIfStopped } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { frameWebContent, shownAddress } from "../untrusted-content.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import { VIEW_IMAGE_LIMITS } from "./limits.ts";
import type { ToolEntry } from "../tool-entry.ts";

export type ViewImageOptions = {
  files: WorkspaceFiles;
  models: ImageModels;
  /** Fetches a URL from content, which is refused when it has more bytes than `maxBytes`. */
  fetch: (url: string, options: { maxBytes: number; timeoutMs: number; signal: AbortSignal }) => Promise<{ bytes: Uint8Array }>;
};

const DEFAULT_PROMPT = "Describe the image.";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    path: { type: "string", description: "A file, or an https address" },
    paths: { type: "array", items: { type: "string" }, description: "Several" },
    prompt: { type: "string", description: "What to find out, where another model looks" },
    model: { type: "string", description: "Model to ask, as provider/model" },
    maxImages: { type: "integer", minimum: 1, maximum: VIEW_IMAGE_LIMITS.images },
    maxBytesMb: { type: "number", minimum: 0.001, description: "Largest file, in MB" },
  },
};

/** The tool with which an agent looks at images: itself, or through the configured image model. */
export function createViewImageTool(options: ViewImageOptions): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const places = placesOf(args);
    const maxImages = asNumber(args["maxImages"]) ?? VIEW_IMAGE_LIMITS.images;
    if (places.length === 0) return errorResult("Give path, or paths: a file of the workspace, a received file, or an https address.");
    if (places.length > maxImages)
      return errorResult(`These are ${places.length} images; at most ${maxImages} are looked at with one call.`);
    // Nothing is read or fetched for a model that cannot look at it.
    const route = routeFor(options.models, args, context);
    const maxBytes = Math.floor(Math.min(asNumber(args["maxBytesMb"]) ?? Infinity, VIEW_IMAGE_LIMITS.imageMb) * 1_048_576);
    const chars = Math.min(TOOL_LIMITS.imageChars, Math.floor(VIEW_IMAGE_LIMITS.totalChars / places.length));
    const images: ShownImage[] = [];
    for (const place of places) {
      throwIfStopped(context.signal);
      const image = await load(options, place, { maxBytes, chars }, context);
      if ("problem" in image) return errorResult(`Cannot look at ${clip(place, TOOL_LIMITS.errorPathChars)}: ${image.problem}.`);
      images.push(image);
    }
    if (route.kind === "shown")
      return { content: images.flatMap(({ description, content }) => [{ type: "text", text: description }, content]), isError: false };
    const prompt = clip(asString(args["prompt"]).trim() || DEFAULT_PROMPT, VIEW_IMAGE_LIMITS.promptChars);
    const question = { model: route.model, prompt, images: images.map(({ content }) => content) };
    const { text, model } = await options.models.ask(context.caller, question, context.signal);
    const notes = images.map(({ description }) => description.slice(1, -1));
    // What the model says may be what is written in the image.
    return {
      content: [{ type: "text", text: frameWebContent({ source: `What the model ${model} says about it`, text, notes }) }],
      isError: false,
    };
  }

  return {
    name: "view_image",
    description:
      "Looks at images: files of the workspace, received files, https addresses (png, jpg, gif, webp, bmp). Shows them, or answers `prompt` about them.",
    parameters: PARAMETERS,
    prepare: ({ image, images, ...args }) => ({
      ...(image !== undefined && { path: image }),
      ...(images !== undefined && { paths: images }),
      ...args,
    }),
    run,
  };
}

function routeFor(models: ImageModels, args: JsonObject, { caller }: ToolContext): ImageRoute {
  try {
    return models.routeFor(caller, asString(args["model"]).trim() || undefined);
  } catch (err) {
    throw new Error(`${toSentence(reasonOf(err))}${fixOf(err)}`, { cause: err });
  }
}

/** Each place once; `@` before a path is how some models name files. */
function placesOf(args: JsonObject): readonly string[] {
  const given = [asString(args["path"]), ...asStrings(args["paths"])].map((place) => place.trim().replace(/^@/, "").trim());
  return [...new Set(given)].filter((place) => place !== "");
}

type ImageLimits = { maxBytes: number; chars: number };

/** An image as models read it, or why it cannot be looked at. */
async function load(
  options: ViewImageOptions,
  place: string,
  { maxBytes, chars }: ImageLimits,
  context: ToolContext,
): Promise<ShownImage | { problem: string }> {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(place)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "https" && scheme !== "file")
    return { problem: `addresses with ${scheme}: are not read; use a file or an https address` };
  const bytes =
    scheme === "https"
      ? await fetchBytes(options, place, maxBytes, context)
      : await readBytes(options, toPath(place, scheme), maxBytes, context);
  if ("problem" in bytes) return bytes;
  const mimeType = imageTypeOf(bytes);
  if (mimeType === null) return { problem: "it is not an image of a type that is read (png, jpg, gif, webp, bmp)" };
  return await fitImage(bytes, mimeType, context.signal, chars);
}

const toPath = (place: string, scheme: string | undefined): string =>
  scheme === "file" && URL.canParse(place) ? fileURLToPath(place) : place;

const tooLarge = (maxBytes: number): { problem: string } => ({ problem: `it is larger than ${Math.round(maxBytes / 10_485.76) / 100} MB` });

async function readBytes(
  { files }: ViewImageOptions,
  path: string,
  maxBytes: number,
  context: ToolContext,
): Promise<Buffer | { problem: string }> {
  let handle: Awaited<ReturnType<WorkspaceFiles["openFile"]>>;
  try {
    handle = await files.openFile(path, context);
  } catch (err) {
    throw context.signal.aborted ? stoppedError() : fileError("read", path, err);
  }
  try {
    const { size } = await handle.stat();
    return size > maxBytes ? tooLarge(maxBytes) : await readAtMost(handle, maxBytes);
  } finally {
    await handle.close();
  }
}

/** Who may not read the web does not fetch images from it. */
async function fetchBytes(
  { fetch: fetchGuarded }: ViewImageOptions,
  url: string,
  maxBytes: number,
  { caller, signal }: ToolContext,
): Promise<Buffer | { problem: string }> {
  if (!caller.tools.includes("web_fetch")) return { problem: "images are fetched only where the tool web_fetch is granted" };
  if (!URL.canParse(url)) return { problem: "it is not an address" };
  try {
    const { bytes } = await fetchGuarded(url, { maxBytes, timeoutMs: VIEW_IMAGE_LIMITS.fetchMs, signal });
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (err) {
    if (signal.aborted) throw stoppedError();
    return { problem: `${quote(shownAddress(url))} was not fetched (${reasonOf(err)})${fixOf(err)}`.replace(/\.$/, "") };
  }
}

export const viewImageEntry: ToolEntry = {
  facts: { view_image: { section: "media", effect: "read", profiles: ["coding"], isFound: true } },
  create: ({ files, images, fetch }) => [createViewImageTool({ files, models: images, fetch })],
};
