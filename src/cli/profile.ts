import type { CommandHandler } from "./command.ts";
import { formatBytes } from "./backup.ts";
import { withGateway } from "./connect.ts";
import { sanitizeLine } from "./terminal-text.ts";

type Recorded = { file: string; bytes: number; durationMs: number };

/** Beyond the recording itself: a busy process takes its time to write the profile. */
const MARGIN_MS = 60_000;

const record =
  (method: string): CommandHandler =>
  async (invocation) => {
    const { out } = invocation;
    const durationMs = (invocation.number("seconds") ?? 10) * 1_000;
    const answer = await withGateway(invocation, { scopes: ["operator.admin"] }, ({ client }) =>
      client.request<Recorded>(method, { durationMs }, { timeoutMs: durationMs + MARGIN_MS }),
    );
    out.result({ ok: true, ...answer }, () => {
      out.line(`${sanitizeLine(answer.file)} (${formatBytes(answer.bytes)})`);
      out.note("Open it with the developer tools of Chromium or with speedscope. It has names of functions and files, and no values.");
    });
  };

/** `openclaw gateway diagnostics cpu` */
export const cpuProfile = record("diagnostics.cpuProfile");
/** `openclaw gateway diagnostics heap` */
export const heapProfile = record("diagnostics.heapProfile");
