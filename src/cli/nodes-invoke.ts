import { randomUUID } from "node:crypto";
import { CliError, EXIT } from "../core/errors.ts";
import { isObject, tryParseJson, type JsonObject } from "../core/json.ts";
import { noteWaitingApproval } from "./approval-notice.ts";
import type { CommandHandler } from "./command.ts";
import { withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireNode } from "./nodes.ts";
import { sanitizeLine, sanitizeText } from "./terminal-text.ts";

export type InvokeAnswer = { nodeId: string; command: string; payload: unknown };

/** What a command is called with. `margin`: time beyond the deadline of the command until its result is here. */
export type NodeCall = { command: string; params: JsonObject; timeoutMs: number };

const MARGIN_MS = 10_000;
/** A person may take this long to agree. */
const APPROVAL_MS = 1_800_000;

/** Calls a command on the node that `--node` names. A question to a person is shown while it waits. */
export async function invokeNode(invocation: Invocation, { command, params, timeoutMs }: NodeCall): Promise<InvokeAnswer> {
  const nodeId = await requireNode(invocation);
  const deadline = invocation.number("invoke-timeout") ?? timeoutMs;
  const scopes = ["operator.read", "operator.write", "operator.admin", "operator.approvals"] as const;
  return await withGateway(invocation, { scopes }, async ({ client }) => {
    const stop = client.on(({ event, payload }) => {
      const { id, request } = payload as { id?: string; request?: { host?: string } };
      if (event === "exec.approval.requested" && request?.host === "node" && id !== undefined)
        void noteWaitingApproval(client, invocation, id, "openclaw approvals resolve");
    });
    try {
      const wait = command === "system.run" ? APPROVAL_MS : 0;
      return await client.request<InvokeAnswer>(
        "node.invoke",
        { nodeId, command, params, timeoutMs: deadline, idempotencyKey: invocation.text("idempotency-key") ?? randomUUID() },
        { timeoutMs: invocation.number("timeout") ?? deadline + wait + MARGIN_MS },
      );
    } finally {
      stop();
    }
  });
}

/** `openclaw nodes invoke` */
export const nodesInvoke: CommandHandler = async (invocation) => {
  const command = invocation.text("command");
  if (command === undefined)
    throw new CliError("No command is named", { fix: "openclaw nodes invoke --node <name> --command system.which", exit: EXIT.usage });
  const params = tryParseJson(invocation.text("params") ?? "{}");
  if (!isObject(params))
    throw new CliError("--params is not a JSON object", { fix: `write it like --params '{"bins":["uname"]}'`, exit: EXIT.usage });
  const answer = await invokeNode(invocation, { command, params, timeoutMs: 15_000 });
  invocation.out.result(answer, () => invocation.out.line(sanitizeText(JSON.stringify(answer.payload, null, 2))));
};

type RunResult = { exitCode: number | null; stdout?: string; stderr?: string; timedOut?: boolean; error?: string | null };

/** `openclaw nodes run -- <program> [arguments]`; ends with the program's exit code. */
export const nodesRun: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const cwd = invocation.text("cwd");
  const timeoutMs = invocation.number("invoke-timeout") ?? 30_000;
  const params = { command: invocation.args, ...(cwd !== undefined && { cwd }), timeoutMs };
  const answer = await invokeNode(invocation, { command: "system.run", params, timeoutMs });
  const { exitCode, stdout = "", stderr = "", error } = answer.payload as RunResult;
  out.result(answer, () => {
    if (stdout !== "") out.raw(stdout);
    if (stderr !== "") out.note(stderr.replace(/\n$/, ""));
    if (error) out.note(sanitizeLine(error));
  });
  return exitCode ?? EXIT.failure;
};

/** `openclaw nodes notify` */
export const nodesNotify: CommandHandler = async (invocation) => {
  const [title, body] = [invocation.text("title"), invocation.text("body")];
  if (title === undefined && body === undefined)
    throw new CliError("The notification is empty", { fix: "give --title or --body", exit: EXIT.usage });
  const fields = {
    title,
    body,
    sound: invocation.text("sound"),
    priority: invocation.text("priority"),
    delivery: invocation.text("delivery"),
  };
  const params = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const answer = await invokeNode(invocation, { command: "system.notify", params, timeoutMs: 15_000 });
  invocation.out.result(answer, () => invocation.out.line("The notification was shown."));
};

/** `openclaw nodes canvas present` */
export const canvasPresent: CommandHandler = async (invocation) => {
  const url = invocation.text("target");
  const answer = await invokeNode(invocation, { command: "canvas.present", params: url === undefined ? {} : { url }, timeoutMs: 15_000 });
  invocation.out.result(answer, () => invocation.out.line("The page is shown."));
};

/** `openclaw nodes canvas hide` */
export const canvasHide: CommandHandler = async (invocation) => {
  const answer = await invokeNode(invocation, { command: "canvas.hide", params: {}, timeoutMs: 15_000 });
  invocation.out.result(answer, () => invocation.out.line("The page is hidden."));
};
