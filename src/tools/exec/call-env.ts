import { asString, type JsonObject } from "../../core/json.ts";

/**
 * Variables that a call may not set, by what they would do. The command is what people and rules decide about: a variable beside it
 * must not make a program in it run another one. Setting them in the command itself is possible, and visible there.
 */
const REFUSED: readonly (readonly [effect: string, names: RegExp])[] = [
  ["decides which program a name means", /^PATH$/],
  ["loads code into programs", /^(LD|DYLD)_|^GCONV_PATH$/],
  ["is run by shells", /^(BASH_ENV|ENV|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|ZDOTDIR)$/],
  [
    "loads code into interpreters",
    /^(NODE_OPTIONS|NODE_PATH|npm_config_.*|NPM_CONFIG_.*|PYTHON(STARTUP|PATH|HOME)|PERL5(OPT|LIB|DB)|RUBY(OPT|LIB)|_?JAVA_(TOOL_)?OPTIONS|JDK_JAVA_OPTIONS|PHPRC|PHP_INI_SCAN_DIR|LUA_(INIT|PATH|CPATH).*|MAKEFLAGS)$/,
  ],
  [
    "names a program that others run",
    /^(EDITOR|VISUAL|PAGER|MANPAGER|BROWSER|LESSOPEN|LESSCLOSE|(SSH|SUDO)_ASKPASS|SHELL|RUSTC(_WORKSPACE)?_WRAPPER|GIT_(SSH|SSH_COMMAND|EXTERNAL_DIFF|PAGER|EDITOR|SEQUENCE_EDITOR|ASKPASS|PROXY_COMMAND|EXEC_PATH))$/,
  ],
  [
    "names settings or hooks, which name programs that are run",
    /^(HOME|XDG_CONFIG_(HOME|DIRS)|GIT_(CONFIG.*|DIR|COMMON_DIR|TEMPLATE_DIR))$/,
  ],
  ["belongs to the gateway", /^OPENCLAW_/],
];

/** The variables that a call adds to the environment of its command. Throws, with the fix, for one that it may not set. Pure. */
export function checkCallEnv(given: JsonObject): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new Error(`env: ${JSON.stringify(name)} is not a name of a variable. Nothing was run.`);
    const effect = REFUSED.find(([, names]) => names.test(name))?.[0];
    if (effect !== undefined)
      throw new Error(`env may not set ${name}: it ${effect}. Nothing was run. Set it in the command if it is needed: ${name}=... program`);
    const text = asString(value);
    if (text.includes("\0")) throw new Error(`env.${name} has a NUL character. Nothing was run.`);
    env[name] = text;
  }
  return env;
}
