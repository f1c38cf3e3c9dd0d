import { CliError } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { readSecretInput } from "./stdin.ts";
import { sanitizeLine } from "./terminal-text.ts";

type Kept = { provider: string; status: string; tested: boolean; latencyMs?: number; note?: string };

/** `openclaw models key <provider>` */
export const modelsKey: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const provider = invocation.arg(0);
  if (invocation.has("remove")) {
    const answer = await callGateway(invocation, ["operator.admin"], "models.key.remove", { provider });
    return out.result(answer, () =>
      out.line(`The key of ${sanitizeLine(provider)} is removed; it stays valid until you revoke it at the provider.`),
    );
  }
  const key = await readSecretInput(invocation, `the key of ${sanitizeLine(provider)}`);
  const answer = await callGateway<Kept>(invocation, ["operator.admin"], "models.key.set", { provider, key });
  out.result(answer, () => {
    out.line(
      answer.tested
        ? `The key of ${sanitizeLine(provider)} works and is stored on the gateway.`
        : `The key of ${sanitizeLine(provider)} is stored on the gateway; the first message tests it.`,
    );
    if (answer.note) out.note(sanitizeLine(answer.note));
  });
};

type Probe = { provider: string; status: string; latencyMs?: number; error?: string; fix?: string };

/** `openclaw models test <provider>` */
export const modelsTest: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const provider = invocation.arg(0);
  const probe = await callGateway<Probe>(invocation, ["operator.admin"], "models.probe", { provider });
  if (probe.status === "ok" || (probe.status === "unknown" && out.json)) {
    return out.result(probe, () => out.line(`${sanitizeLine(provider)} works (${probe.latencyMs ?? 0} ms).`));
  }
  throw new CliError(`${sanitizeLine(provider)} cannot be used: ${probe.status}`, {
    why: `${sanitizeLine(probe.error ?? "the provider said nothing more")}.`,
    ...(probe.fix && { fix: sanitizeLine(probe.fix) }),
  });
};
