import { accessSync, constants, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import type { Keyring } from "./keys.ts";
import { SECRET_LIMITS } from "./limits.ts";
import { programEnvironment, runSecretProgram } from "./program.ts";

type Env = Readonly<Record<string, string | undefined>>;

const place = (id: string): string[] => ["application", "openclaw-gateway", "key", id];

/** The Secret Service of the desktop through `secret-tool`; undefined where that program is not installed. */
export function findKeyring(env: Env, clock: Clock): Keyring | undefined {
  const command = findProgram("secret-tool", env);
  if (command === null) return undefined;
  const run = async (args: readonly string[], input = ""): Promise<string | null> => {
    const answer = await runSecretProgram(
      {
        command,
        args,
        env: programEnvironment(env, [], {}),
        trustedDirs: [],
        timeoutMs: SECRET_LIMITS.keyringMs,
        noOutputTimeoutMs: null,
        maxOutputBytes: SECRET_LIMITS.keyFileBytes,
      },
      input,
      clock,
    );
    if ("text" in answer) return answer.text;
    // secret-tool ends with 1 both for an entry that it does not have and for a keyring that it cannot reach.
    if (answer.problem.endsWith("the exit code 1")) return null;
    throw new GatewayError("UNAVAILABLE", `the keyring cannot be used: ${answer.problem}`, { details: { reason: "secrets-no-key" } });
  };
  return {
    read: async (id) => (await run(["lookup", ...place(id)]))?.trim() || null,
    write: async (id, text) => {
      await run(["store", "--label=OpenClaw Gateway secrets", ...place(id)], text);
      // What it printed says nothing about whether the keyring has the key now.
      if ((await run(["lookup", ...place(id)]))?.trim() !== text)
        throw new GatewayError("UNAVAILABLE", "the keyring of this system did not store the key", {
          details: { reason: "secrets-no-key" },
          fix: "Unlock the keyring in a desktop session, or use --key file or --key passphrase.",
        });
    },
    remove: async (id) => void (await run(["clear", ...place(id)])),
  };
}

function findProgram(name: string, env: Env): string | null {
  for (const dir of (env["PATH"] ?? "").split(delimiter).filter((each) => each.startsWith("/"))) {
    const path = join(dir, name);
    try {
      accessSync(path, constants.X_OK);
      return realpathSync(path);
    } catch {
      // The next directory may have it.
    }
  }
  return null;
}
