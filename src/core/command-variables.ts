/**
 * Variables that are not set for a command from beside it, by what they would do. The command is what people and rules decide about: a
 * variable beside it must not make a program in it run another one. Setting them in the command itself is possible, and visible there.
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

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** What a variable does for which it may not be set beside a command; null when it may be set. Pure. */
export const refusalOf = (name: string): string | null => REFUSED.find(([, names]) => names.test(name))?.[0] ?? null;

/** Whether a name is not one of a variable, or one that may not be set beside a command. Pure. */
export const isRefusedVariable = (name: string): boolean => !NAME.test(name) || refusalOf(name) !== null;
