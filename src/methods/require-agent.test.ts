import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue } from "../config/load.ts";
import { GatewayError } from "../core/errors.ts";
import { requireAgent } from "./require-agent.ts";

const { config } = checkConfigValue({ agents: { entries: { main: {}, ops: {} } } });

test("an agent is named by its id, in either case, and the default one by nothing", () => {
  assert.deepEqual(
    [undefined, "main", "OPS"].map((id) => requireAgent(config, id)),
    ["main", "main", "ops"],
  );
});

test("a text that would only become the id of an agent names none: ids are parts of paths", () => {
  for (const id of ["", " ", "\0", "../main", "main/", "/ops", "../../ops", "ops\0", " ops", "-main-", "😀".repeat(100)])
    assert.throws(
      () => requireAgent(config, id),
      (err: unknown) => err instanceof GatewayError && err.details?.["code"] === "UNKNOWN_AGENT_ID",
      JSON.stringify(id),
    );
});
