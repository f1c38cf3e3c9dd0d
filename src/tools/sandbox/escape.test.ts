// Group: wire
import assert from "node:assert/strict";
import { chmodSync, chownSync, existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { ESCAPE_CASES, type EscapeCase } from "../../../test/sandbox/escape-cases.ts";
import { EscapeHost, mayRunHost } from "../../../test/sandbox/escape-client.ts";
import { findObstacle, needsOtherFileSystem, TEST_DIRECTORY } from "../../../test/sandbox/sandboxed-command.ts";

const ORDINARY_USER = 65_534;
const isRoot = process.getuid?.() === 0;

type User = { title: string; isRoot: boolean; id: number; become: readonly string[]; cases: readonly EscapeCase[] };

const own = process.getuid?.() ?? -1;
const setUser = ["setpriv", `--reuid=${ORDINARY_USER}`, `--regid=${ORDINARY_USER}`, "--clear-groups"];
const ordinary = isRoot ? { id: ORDINARY_USER, become: setUser } : { id: own, become: [] };
const USERS: readonly User[] = [
  ...(isRoot ? [{ title: "root", isRoot, id: own, become: [], cases: ESCAPE_CASES }] : []),
  { title: "an ordinary user", isRoot: false, ...ordinary, cases: ESCAPE_CASES },
  // As in a rootless container; to the kernel, the ordinary user.
  {
    title: "root of a user namespace",
    isRoot: false,
    id: ordinary.id,
    become: [...ordinary.become, "unshare", "--map-root-user"],
    cases: [],
  },
];

function whySkipped(user: User): string | false {
  const obstacle = findObstacle(user.become);
  if (obstacle !== false) return obstacle;
  return !mayRunHost(user) && `${user.title} may not read the sources`;
}

const runsOutside = ({ outside, needs }: EscapeCase, user: User): boolean =>
  (outside === "everyone" || (outside === "root" && user.isRoot)) && (needs === undefined || existsSync(needs));

for (const user of USERS) {
  const obstacle = whySkipped(user);
  describe(`as ${user.title}`, { skip: obstacle }, async () => {
    if (obstacle !== false) return;
    const directory = realpathSync(mkdtempSync(join(TEST_DIRECTORY, "openclaw-escape-")));
    chmodSync(directory, 0o755);
    chownSync(directory, user.id, user.id);
    const host = new EscapeHost(user, directory);
    const { sandbox, reason } = await host.greeting();
    after(async () => {
      await host.close();
      rmSync(directory, { recursive: true, force: true });
    });
    const skip = sandbox === null && needsOtherFileSystem(reason) && reason;
    test("there is a sandbox", { skip }, () => assert.match(sandbox ?? "", /^bubblewrap/, reason));
    for (const each of user.cases) {
      test(`a sandboxed command cannot: ${each.name}`, { skip }, async () => {
        const { found, output } = await host.run({ name: each.name, sandboxed: true });
        assert.deepEqual(found, [], output);
      });
      if (runsOutside(each, user))
        test(`without a sandbox a command can: ${each.name}`, async () => {
          const { found, output } = await host.run({ name: each.name, sandboxed: false });
          assert.notDeepEqual(found, [], output);
        });
    }
  });
}
