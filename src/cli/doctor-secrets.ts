import { existsSync } from "node:fs";
import { join } from "node:path";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { findingUnless, okFinding, type DoctorFinding } from "./doctor-finding.ts";

import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";

/** The encrypted store, and programs that print secrets. None of it is loaded where neither is in use. */
export async function checkSecrets(invocation: Invocation): Promise<DoctorFinding[]> {
  const stored = existsSync(join(pathsOf(invocation).gateway, "secrets.sealed")) ? [await storeFinding(invocation)] : [];
  const programs = Object.entries(configOf(invocation).config.secrets.providers).filter(([, { source }]) => source === "exec");
  if (programs.length === 0) return stored;
  const { programProblem } = await import("../secrets/program.ts");
  return [
    ...stored,
    ...programs.map(([name, { command = "", trustedDirs = [] }]) => {
      const problem = command === "" ? "no command is set" : programProblem(command, trustedDirs);
      return findingUnless(problem === null, "secret-program", `secrets.providers.${name}: ${command} may run`, {
        severity: "problem",
        title: `secrets.providers.${name}: ${problem}`,
        why: "a program that others may change could print any secret, so it is not run.",
        fix: "name a program that only you or root may change, by its absolute path",
      });
    }),
  ];
}

async function storeFinding(invocation: Invocation): Promise<DoctorFinding> {
  const { storeOf } = await import("./secrets-store.ts");
  const store = storeOf(invocation);
  try {
    const values = store.valuesSync();
    return okFinding("secret-store", values === null ? `${store.path} is locked; its key is elsewhere` : `${store.path} can be read`);
  } catch (err) {
    return {
      check: "secret-store",
      severity: "problem",
      title: reasonOf(err),
      why: "the gateway cannot read the secrets in it; the last values stay in use while it runs.",
      fix: (err instanceof GatewayError && err.fix) || "restore the file from a backup",
    };
  }
}
