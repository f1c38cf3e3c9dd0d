import { refusalOf } from "../../core/command-variables.ts";
import { asString, type JsonObject } from "../../core/json.ts";

/** The variables that a call adds to the environment of its command. Throws, with the fix, for one that it may not set. Pure. */
export function checkCallEnv(given: JsonObject): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new Error(`env: ${JSON.stringify(name)} is not a name of a variable. Nothing was run.`);
    const effect = refusalOf(name);
    if (effect !== null)
      throw new Error(`env may not set ${name}: it ${effect}. Nothing was run. Set it in the command if it is needed: ${name}=... program`);
    const text = asString(value);
    if (text.includes("\0")) throw new Error(`env.${name} has a NUL character. Nothing was run.`);
    env[name] = text;
  }
  return env;
}
