const FILES = ["src/methods/agent-files.test.ts"];
const KEYS = ["src/methods/model-keys.test.ts"];
const CONFIG = ["src/methods/config.test.ts"];
const OFFICIAL = ["src/server/official-page.test.ts"];

/** Guards of what the page changes; part of `MUTANTS` in mutants.ts, which describes the fields. */
export const PAGE_MUTANTS = [
  {
    invariant: 8,
    breaks: "a file of the Control UI that became a link is not served",
    file: "src/server/official-page.ts",
    text: "if (real !== file || !real.startsWith(dir + sep) || ",
    broken: "if (",
    tests: OFFICIAL,
    title: "replaced with a link",
  },
  {
    invariant: 12,
    breaks: "the Control UI runs no script but its own",
    file: "src/server/official-page.ts",
    text: "`script-src 'self'${hashes.join(\"\")}`",
    broken: "`script-src 'self' 'unsafe-inline'`",
    tests: OFFICIAL,
    title: "its policy names",
  },
  {
    invariant: 8,
    breaks: "the name of an agent's file is one of the list",
    file: "src/methods/agent-files.ts",
    text: "if (known) return known;",
    broken: "if (known ?? name) return known ?? name;",
    tests: FILES,
    title: "not of the list",
  },
  {
    invariant: 8,
    breaks: "a link in the place of an agent's file is not written",
    file: "src/methods/agent-files.ts",
    text: "if (found && !found.isFile())",
    broken: "if (found && !found.isFile() && !found.isSymbolicLink())",
    tests: FILES,
    title: "a link out of the workspace",
  },
  {
    invariant: 4,
    breaks: "the versions of the configuration have no secrets",
    file: "src/gateway/config-history.ts",
    text: 'source === "file" && raw !== null ? redactText(raw) : null',
    broken: 'source === "file" && raw !== null ? raw : null',
    tests: ["src/gateway/config-history.test.ts"],
    title: "placeholders",
  },
  {
    invariant: 4,
    breaks: "a plan shows no secret of the file",
    file: "src/methods/config-plan.ts",
    text: "return redactValue(valueOf(parseTree(text)));",
    broken: "return valueOf(parseTree(text));",
    tests: CONFIG,
    title: "a secret that is written",
  },
  {
    invariant: 4,
    breaks: "the address of a provider is shown without its password",
    file: "src/methods/model-keys.ts",
    text: 'redactUrls(provider.baseUrl, "baseUrl", REDACTED).text',
    broken: "provider.baseUrl",
    tests: KEYS,
    title: "the status of providers",
  },
  {
    invariant: 6,
    breaks: "a key that the provider refuses is not kept",
    file: "src/methods/model-keys.ts",
    text: "if (isTestable && !ACCEPTED.has(tested.status))",
    broken: "if (isTestable && tested.status === undefined)",
    tests: KEYS,
    title: "is not kept",
  },
] as const;
