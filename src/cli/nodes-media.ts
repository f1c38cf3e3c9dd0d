import { resolve } from "node:path";
import { CliError, EXIT, reasonOf } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import { asNumber, asObjects, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import { mediaFileName, toMediaBytes } from "../nodes/media.ts";
import type { CommandHandler } from "./command.ts";
import type { Invocation } from "./invocation.ts";
import { requireDuration } from "./nodes.ts";
import { invokeNode, type InvokeAnswer } from "./nodes-invoke.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** `openclaw nodes camera list` */
export const cameraList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { payload } = await invokeNode(invocation, { command: "camera.list", params: {}, timeoutMs: 15_000 });
  const devices = asObjects(fieldsOf(payload)["devices"]);
  out.result({ devices }, () => {
    if (devices.length === 0) return out.line("The node has no camera.");
    out.table(
      [{ title: "camera" }, { title: "name" }, { title: "position" }],
      devices.map(({ id, name, position }) => [sanitizeLine(asString(id)), sanitizeLine(asString(name)), sanitizeLine(asString(position))]),
    );
  });
};

/** `openclaw nodes camera snap`; with both cameras one photo of each. */
export const cameraSnap: CommandHandler = async (invocation) => {
  const facing = invocation.text("facing") ?? (invocation.has("device-id") ? null : "both");
  const fields = {
    deviceId: invocation.text("device-id"),
    maxWidth: invocation.number("max-width"),
    quality: qualityOf(invocation),
    delayMs: invocation.number("delay-ms"),
    format: "jpg",
  };
  const answers: InvokeAnswer[] = [];
  for (const each of facing === "both" ? ["front", "back"] : [facing]) {
    const params = given({ ...fields, ...(each !== null && { facing: each }) });
    answers.push(await invokeNode(invocation, { command: "camera.snap", params, timeoutMs: 20_000 }));
  }
  await saveAll(invocation, answers);
};

function qualityOf(invocation: Invocation): number | undefined {
  const text = invocation.text("quality");
  if (text === undefined) return undefined;
  const quality = Number(text);
  if (quality > 0 && quality <= 1) return quality;
  throw new CliError(`${sanitizeLine(text)} is not a quality`, { fix: "write a number above 0 and up to 1", exit: EXIT.usage });
}

/** `openclaw nodes camera clip` */
export const cameraClip: CommandHandler = async (invocation) => {
  const durationMs = requireDuration(invocation.text("duration") ?? "3s");
  const params = given({
    facing: invocation.text("facing") ?? (invocation.has("device-id") ? undefined : "front"),
    deviceId: invocation.text("device-id"),
    durationMs,
    includeAudio: !invocation.has("no-audio"),
    format: "mp4",
  });
  await saveAll(invocation, [await invokeNode(invocation, { command: "camera.clip", params, timeoutMs: durationMs + 60_000 })]);
};

/** `openclaw nodes screen record` */
export const screenRecord: CommandHandler = async (invocation) => {
  const durationMs = requireDuration(invocation.text("duration") ?? "10s");
  const params = given({
    durationMs,
    fps: invocation.number("fps") ?? 10,
    screenIndex: invocation.number("screen") ?? 0,
    includeAudio: !invocation.has("no-audio"),
    format: "mp4",
  });
  await saveAll(invocation, [await invokeNode(invocation, { command: "screen.record", params, timeoutMs: durationMs + 110_000 })]);
};

/** `openclaw nodes location get` */
export const locationGet: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const params = given({
    desiredAccuracy: invocation.text("accuracy"),
    maxAgeMs: invocation.number("max-age"),
    timeoutMs: invocation.number("location-timeout") ?? 10_000,
  });
  const { payload } = await invokeNode(invocation, { command: "location.get", params, timeoutMs: 20_000 });
  out.result(payload, () => {
    const { lat, lon, accuracyMeters, timestamp } = fieldsOf(payload);
    const accuracy = asNumber(accuracyMeters);
    out.line(`${asNumber(lat) ?? "?"}, ${asNumber(lon) ?? "?"}${accuracy === null ? "" : `, within ${Math.round(accuracy)} m`}`);
    if (asString(timestamp) !== "") out.line(`at ${sanitizeLine(asString(timestamp))}`);
  });
};

const given = (fields: JsonObject): JsonObject => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** Writes what nodes recorded, and says where. What they name decides nothing about the path. */
async function saveAll(invocation: Invocation, answers: readonly InvokeAnswer[]): Promise<void> {
  const { out, host } = invocation;
  const wanted = invocation.text("out");
  const saved: JsonObject[] = [];
  for (const [index, { nodeId, command, payload }] of answers.entries()) {
    const media = toMediaBytes(payload);
    if (media === null)
      throw new CliError(`${command} gave no file`, { why: "the answer of the node has no content.", fix: "openclaw nodes describe" });
    const name = mediaFileName({ node: nodeId, command, mimeType: media.mimeType, bytes: media.bytes.length, at: host.now(), index });
    const path = resolve(host.cwd, wanted === undefined || index > 0 ? name : wanted);
    try {
      await writeFileAtomic(path, media.bytes);
    } catch (err) {
      throw new CliError(`The file could not be written to ${path}`, { why: `${reasonOf(err)}.`, cause: err });
    }
    saved.push({ path, mimeType: media.mimeType, bytes: media.bytes.length });
  }
  out.result({ files: saved }, () => saved.forEach(({ path }) => out.line(asString(path))));
}
