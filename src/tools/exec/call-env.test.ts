// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { commandTools } from "../../../test/fakes/command-tools.ts";
import { textOf } from "../../../test/fakes/tool-context.ts";
import { checkCallEnv } from "./call-env.ts";

test("a call adds variables to the environment of its command", async (t) => {
  const { exec } = commandTools(t);
  assert.equal(textOf(await exec({ command: 'echo "$MINE $GIVEN"', env: { MINE: 5, GIVEN: "changed" } })), "5 changed\n");
  const given = {
    GIT_AUTHOR_NAME: "a",
    GIT_TERMINAL_PROMPT: "0",
    MY_PATH: "b",
    npm_package_name: "c",
    LD: "d",
    pythonpath: "e",
    EMPTY: "",
  };
  assert.deepEqual(checkCallEnv(given), given);
});

const REFUSED = `PATH LD_PRELOAD LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES GCONV_PATH BASH_ENV ENV SHELLOPTS PS4 PROMPT_COMMAND NODE_OPTIONS
  NODE_PATH npm_config_script_shell NPM_CONFIG_NODE_OPTIONS PYTHONSTARTUP PYTHONPATH PERL5OPT PERL5LIB RUBYOPT JAVA_TOOL_OPTIONS _JAVA_OPTIONS
  MAKEFLAGS EDITOR VISUAL PAGER BROWSER LESSOPEN SSH_ASKPASS SUDO_ASKPASS SHELL RUSTC_WRAPPER GIT_SSH GIT_SSH_COMMAND GIT_EXTERNAL_DIFF
  GIT_PAGER GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_ASKPASS GIT_PROXY_COMMAND GIT_EXEC_PATH GIT_CONFIG GIT_CONFIG_COUNT GIT_CONFIG_KEY_0
  GIT_CONFIG_GLOBAL GIT_DIR GIT_TEMPLATE_DIR HOME XDG_CONFIG_HOME OPENCLAW_SHELL OPENCLAW_RUNNER OPENCLAW_GATEWAY_TOKEN`;

for (const name of REFUSED.split(/\s+/))
  test(`a call may not set ${name}`, () => {
    assert.throws(
      () => checkCallEnv({ FINE: "1", [name]: "x" }),
      new RegExp(`^Error: env may not set ${name}: it .+\\. Nothing was run\\.`),
    );
  });

test("a name that is not one of a variable, and a value with NUL, are refused before anything runs", async (t) => {
  const { exec } = commandTools(t);
  for (const name of ["", "A B", "A=B", "1A", "BASH_FUNC_ls%%", "É"])
    assert.match(textOf(await exec({ command: "true", env: { [name]: "x" } })), /is not a name of a variable\. Nothing was run/);
  assert.match(textOf(await exec({ command: "true", env: { A: "x\0y" } })), /env\.A has a NUL character/);
  assert.match(textOf(await exec({ command: "true", env: { A: {} } })), /env\.A must be a string, not an object/);
  assert.match(
    textOf(await exec({ command: "true", env: { LD_PRELOAD: "/tmp/x.so" } })),
    /env may not set LD_PRELOAD: it loads code into programs/,
  );
});
