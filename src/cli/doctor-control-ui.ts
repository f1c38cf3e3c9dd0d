import { existsSync } from "node:fs";
import { GatewayError } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { configOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";

/** The files of OpenClaw's Control UI, where the gateway is to serve it. */
export async function checkControlUi(invocation: Invocation): Promise<DoctorFinding[]> {
  const { enabled, root } = configOf(invocation).config.gateway.controlUi;
  if (!enabled || root === undefined) return [];
  const check = "control-ui";
  const { findControlUi } = await import("../core/control-ui-root.ts");
  try {
    return [okFinding(check, `the Control UI is served from ${findControlUi(root)}`)];
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    const why = existsSync(root) ? err.message : `${root} does not exist`;
    return [
      {
        check,
        severity: "problem",
        title: "the Control UI of OpenClaw is not served",
        why: toSentence(why),
        fix: err.fix ?? "correct it.",
      },
    ];
  }
}
