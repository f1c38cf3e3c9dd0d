import { CliError, EXIT } from "../core/errors.ts";
import { asObject, tryParseJson, type JsonObject } from "../core/json.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { readInternalHooks, showInternalHooks } from "./hooks-internal.ts";
import type { Invocation } from "./invocation.ts";
import { readStdin } from "./stdin.ts";
import { formatAge, sanitizeLine, sanitizeText } from "./terminal-text.ts";

type HookRow = { id: string; path: string; action: string; auth: string; trust: string; problem?: string };
type DeliveryRow = { at: number; hook: string; key: string; peer: string; action: string; bytes: number; runIds: string[] };
type RefusalRow = { at: number; hook: string; peer: string; reason: string };
type Deliveries = { enabled: boolean; path: string; hasToken: boolean; hooks: HookRow[]; deliveries: DeliveryRow[]; refused: RefusalRow[] };

const OFF = "Hooks are off: no request of another program is taken.";

/** `openclaw hooks list` */
export const hooksList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const answer = await callGateway<Deliveries>(invocation, ["operator.read"], "hooks.deliveries", { limit: 1 });
  const { enabled, path, hasToken, hooks } = answer;
  const internal = await readInternalHooks(invocation);
  out.result({ enabled, path, hasToken, hooks, internal: internal.hooks }, () => {
    showInternalHooks(invocation, internal);
    if (!enabled) {
      out.line(OFF);
      return out.note("openclaw config set hooks.token <a long random text>, then openclaw config set hooks.enabled true.");
    }
    out.table(
      [
        { title: "hook" },
        { title: "address", truncate: true },
        { title: "does" },
        { title: "senders prove" },
        { title: "rights" },
        { title: "", truncate: true },
      ],
      hooks.map(({ id, path: address, action, auth, trust, problem }) => [
        id,
        address,
        action === "wake" ? "event" : "run",
        auth,
        trust === "owner" ? "operator" : "none of the owner's",
        problem === undefined ? "" : `takes nothing: ${problem}`,
      ]),
    );
  });
};

/** `openclaw hooks status` */
export const hooksStatus: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const hook = invocation.text("hook");
  const answer = await callGateway<Deliveries>(invocation, ["operator.read"], "hooks.deliveries", {
    limit: invocation.number("limit") ?? 20,
    ...(hook !== undefined && { hook }),
  });
  out.result(answer, () => {
    if (!answer.enabled) out.line(OFF);
    if (answer.deliveries.length === 0) out.line("No delivery was taken yet.");
    else
      out.table(
        [{ title: "when" }, { title: "hook" }, { title: "from" }, { title: "bytes", align: "right" }, { title: "run", truncate: true }],
        answer.deliveries.map(({ at, hook: id, peer, bytes, runIds }) => [
          formatAge(at, host.now()),
          id,
          peer,
          String(bytes),
          runIds.join(" ") || "event",
        ]),
      );
    if (answer.refused.length === 0) return;
    out.line("");
    out.line("Refused:");
    out.table(
      [{ title: "when" }, { title: "hook" }, { title: "from" }, { title: "reason", truncate: true }],
      answer.refused.map(({ at, hook: id, peer, reason }) => [formatAge(at, host.now()), id, peer, reason]),
    );
  });
};

type TestAnswer = { ok: boolean; problem?: string; hook?: string; trust?: string; does?: JsonObject[] };

/** `openclaw hooks test <hook>` */
export const hooksTest: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const payload = await payloadOf(invocation);
  const answer = await callGateway<TestAnswer>(invocation, ["operator.admin"], "hooks.test", {
    hook: invocation.arg(0),
    payload,
    headers: headersOf(invocation),
  });
  out.result(answer, () => {
    if (!answer.ok) return out.line(`It would be refused: ${sanitizeLine(answer.problem ?? "unknown")}.`);
    for (const { text, ...facts } of answer.does ?? []) {
      out.pairs(
        Object.entries(facts).map(([name, value]) => [
          name,
          typeof value === "string" ? sanitizeLine(value) : sanitizeLine(JSON.stringify(value)),
        ]),
      );
      out.line("");
      out.paragraph(sanitizeText(String(text)));
    }
  });
  return answer.ok ? EXIT.ok : EXIT.failure;
};

async function payloadOf(invocation: Invocation): Promise<JsonObject> {
  const given = invocation.text("payload");
  if (given === undefined) return {};
  const payload = asObject(tryParseJson(given === "-" ? await readStdin(invocation, "Type the payload as JSON") : given));
  if (payload === null) throw new CliError("--payload is not a JSON object", { fix: `--payload '{"action":"opened"}'`, exit: EXIT.usage });
  return payload;
}

function headersOf(invocation: Invocation): Record<string, string> {
  return Object.fromEntries(
    invocation.list("header").map((line) => {
      const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined)
        throw new CliError(`--header ${JSON.stringify(line)} is not a header`, {
          fix: '--header "X-GitHub-Event: push"',
          exit: EXIT.usage,
        });
      return [name, value];
    }),
  );
}
