import { EXIT, GatewayError } from "../core/errors.ts";
import { readUpdateRecord } from "../update/record.ts";
import type { Release } from "../update/release-source.ts";
import { compareVersions } from "../update/versions.ts";
import type { CommandHandler } from "./command.ts";
import { pathsOf } from "./gateway-target.ts";
import { formatAge, sanitizeLine } from "./terminal-text.ts";
import { channelOf, installOf, KIND_NAMES, sourceOf } from "./update.ts";

/** `openclaw update status` */
export const updateStatus: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const install = installOf(invocation);
  const channel = channelOf(invocation);
  const last = readUpdateRecord(pathsOf(invocation).gateway);
  let release: Release | null = null;
  let problem: string | null = null;
  if (!invocation.has("offline") && install.kind !== "container" && install.kind !== "unknown")
    try {
      release = await (await sourceOf(invocation, install)).find({ channel: channel.value, tag: undefined });
    } catch (err) {
      if (!(err instanceof GatewayError)) throw err;
      problem = err.message;
    }
  const available =
    release !== null && !release.isCurrent && (release.version === null || compareVersions(release.version, install.version) > 0);
  out.result(
    {
      update: { root: install.root, installKind: install.kind, version: install.version },
      channel: { value: channel.value, source: channel.source },
      availability: {
        available,
        latestVersion: release?.version ?? null,
        latestSha: release?.sha ?? null,
        commitsBehind: release?.commitsBehind ?? null,
        error: problem,
      },
      last,
    },
    () => {
      out.pairs([
        ["installed", `version ${install.version} (${KIND_NAMES[install.kind]}) in ${sanitizeLine(install.root)}`],
        ["channel", channel.value],
        [
          "newest",
          problem !== null
            ? `not known: ${sanitizeLine(problem)}`
            : release === null
              ? "not asked"
              : `${sanitizeLine(release.version ?? release.sha?.slice(0, 12) ?? release.spec)}${available ? "" : release.isCurrent ? ", which is installed" : ", which is older"}`,
        ],
        [
          "last update",
          last === null
            ? "none"
            : `${last.status === "running" ? "not ended, or interrupted" : last.status === "ok" ? "succeeded" : "failed"} ${formatAge(last.ts, host.now())}: ${last.stats.before.version} → ${last.stats.after?.version ?? "?"}${last.message === null ? "" : ` (${sanitizeLine(last.message)})`}`,
        ],
      ]);
      if (available) out.note("Install it: openclaw update");
      if (install.kind === "container") out.note("A container gets another image instead: docs/containers.md.");
    },
  );
  return EXIT.ok;
};
