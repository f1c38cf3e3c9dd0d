// Group: wire
import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { ESCAPE_CASES } from "../../../../test/sandbox/escape-cases.ts";
import { EscapeHost } from "../../../../test/sandbox/escape-client.ts";
import { TEST_DIRECTORY } from "../../../../test/sandbox/sandboxed-command.ts";
import { findContainerObstacle } from "../../../../test/sandbox/test-containers.ts";

const obstacle = findContainerObstacle();

// Without containers each of them gets out: ../escape.test.ts.
describe("in a container of podman", { skip: obstacle }, async () => {
  if (obstacle !== false) return;
  const directory = realpathSync(mkdtempSync(join(TEST_DIRECTORY, "openclaw-escape-")));
  const host = new EscapeHost({ become: [], backend: "podman" }, directory);
  const { sandbox, reason } = await host.greeting();
  after(async () => {
    await host.close();
    rmSync(directory, { recursive: true, force: true });
  });
  test("there is a sandbox", () => assert.match(sandbox ?? "", /^podman/, reason));
  for (const { name, inContainers } of ESCAPE_CASES) {
    test(`a command cannot: ${name}`, { skip: inContainers ?? false }, async () => {
      const { found, output } = await host.run({ name, sandboxed: true });
      assert.deepEqual(found, [], output);
    });
  }
});
