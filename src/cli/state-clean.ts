import { join } from "node:path";
import { retentionRules, retentionTimes } from "../config/retention.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { MediaStore } from "../store/media.ts";
import { sweepMedia, type MediaReport } from "../store/media-sweep.ts";
import { openReadonlyStore } from "../store/open-readonly.ts";
import { emptyReport, RetentionRows, type RetentionReport } from "../store/retention.ts";
import { formatBytes } from "./backup.ts";
import type { CommandHandler } from "./command.ts";
import { withGateway } from "./connect.ts";
import { configOf, pathsOf, resolveTarget } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { plural } from "./terminal-text.ts";

/** What is not kept any longer. */
export type Cleanable = { readonly wouldRemove: RetentionReport; readonly media: MediaReport };

const none: Cleanable = { wouldRemove: emptyReport(), media: { files: 0, bytes: 0, missing: { count: 0, names: [] }, isPartial: false } };

const isRunning = (invocation: Invocation): boolean =>
  !resolveTarget(invocation).isLocal || findRunningGateway(pathsOf(invocation).gateway) !== null;

/** The gateway looks when it runs; else the files are read. */
export async function findCleanable(invocation: Invocation): Promise<Cleanable> {
  if (isRunning(invocation))
    return await withGateway(invocation, { scopes: ["operator.read"] }, async ({ client }) =>
      client.serves("retention.status") ? await client.request<Cleanable>("retention.status", {}, { timeoutMs: LIMITS.cliTurnMs }) : none,
    );
  const { gateway } = pathsOf(invocation);
  const { config } = configOf(invocation);
  const { now, signal } = invocation.host;
  const store = openReadonlyStore(gateway);
  if (store === null) return none;
  try {
    const wouldRemove = emptyReport();
    for (const _ of new RetentionRows(store).count(retentionRules(config, now()), LIMITS.retentionRows, wouldRemove))
      signal.throwIfAborted();
    const media = new MediaStore(join(gateway, "media"));
    return { wouldRemove, media: await sweepMedia({ store, media, now, pause: async () => {} }, signal, { dryRun: true }) };
  } finally {
    store.close();
  }
}

export function cleanableLines({ wouldRemove, media }: Cleanable): string[] {
  const { sessions, conversations, messages, bytes } = wouldRemove;
  return [
    ...(sessions + conversations > 0
      ? [
          `${plural(sessions, "session")} and ${plural(conversations, "earlier conversation")}: ${plural(messages, "message")}, ${formatBytes(bytes)}`,
        ]
      : []),
    ...(media.files > 0 ? [`${plural(media.files, "file")} that nothing refers to: ${formatBytes(media.bytes)}`] : []),
  ];
}

/** `openclaw state clean` */
export const stateClean: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const found = await findCleanable(invocation);
  const lines = cleanableLines(found);
  const rules = retentionTimes(configOf(invocation).config);
  if (invocation.has("dry-run") || lines.length === 0) {
    out.result({ ok: true, dryRun: invocation.has("dry-run"), rules, ...found }, () => {
      for (const line of lines) out.line(line);
      out.line(lines.length === 0 ? "There is nothing to remove." : "Nothing was removed.");
      if (Object.values(rules).every((ms) => ms === null))
        out.note("All conversations are kept; session.maintenance and store.retention change that (docs/operations.md).");
      showMissing(found, invocation);
    });
    return EXIT.ok;
  }
  if (!isRunning(invocation))
    throw new CliError("no gateway is running", {
      why: "only the gateway removes rows of its store.",
      fix: "start it (openclaw gateway start): it removes them by itself, in small steps; or run this again then",
      exit: EXIT.unavailable,
    });
  for (const line of lines) out.note(line);
  await invocation.confirm("Remove it?");
  const { removed, media } = await withGateway(invocation, { scopes: ["operator.admin"] }, ({ client }) =>
    client.request<{ removed: RetentionReport; media: MediaReport }>("retention.run", {}, { timeoutMs: LIMITS.cliTurnMs }),
  );
  out.result({ ok: true, dryRun: false, rules, removed, media }, () => {
    for (const line of cleanableLines({ wouldRemove: removed, media })) out.line(`Removed ${line}`);
    out.note("The store keeps the space for new messages; its file does not get smaller.");
  });
  return EXIT.ok;
};

function showMissing({ media }: Cleanable, { out }: Invocation): void {
  if (media.missing.count > 0)
    out.note(
      `${plural(media.missing.count, "file")} that messages refer to ${media.missing.count === 1 ? "is" : "are"} not there: ${media.missing.names.slice(0, 3).join(", ")}`,
    );
}
