// Which test belongs to which group. The folder decides. Among the tests beside the sources, those that start a process are of the
// group "wire", and those that say so in their first line: because they use threads or many sockets, or calculate for long.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** In the order in which they run: the longest files of the last two first, so that the cores end together. */
export const TEST_GROUPS = ["unit", "kit", "wire"] as const;
export type TestGroup = (typeof TEST_GROUPS)[number];

export const isTestGroup = (name: string): name is TestGroup => TEST_GROUPS.some((group) => group === name);

const PATTERNS = ["src/**/*.test.ts", "test/**/*.test.ts", "web/{src,test}/**/*.test.ts", "web/*.test.ts"];
const KIT = /^test\/(channel-kit|crash|fuzz)\//;
/** Imports of what starts processes, and of scenarios that play hours of virtual time. */
const STARTS_PROCESS =
  /from "(node:child_process|[./]+(test|channel-kit)\/(wire\/gateway-process|channel-kit\/(conformance|ngircd)|model-server)\.ts)"/;
const SAYS_WIRE = /^\/\/ Group: wire$/m;
/** Hooks of a whole file, which in a shared process would be those of all files. */
const FILE_HOOK = /^(before|beforeEach|afterEach)\(/m;

function groupOf(root: string, file: string): TestGroup {
  if (KIT.test(file)) return "kit";
  if (file.startsWith("test/") || file.startsWith("web/test/")) return "wire";
  const text = readFileSync(join(root, file), "utf8");
  return SAYS_WIRE.test(text) || STARTS_PROCESS.test(text) ? "wire" : "unit";
}

export function findTests(root: string, group: TestGroup): string[] {
  return globSync(PATTERNS, { cwd: root })
    .filter((file) => groupOf(root, file) === group)
    .toSorted();
}

/** Whether a test of the group "unit" can run in one process with others. */
export const sharesProcess = (root: string, file: string): boolean => !FILE_HOOK.test(readFileSync(join(root, file), "utf8"));
