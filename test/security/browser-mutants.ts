import type { Mutant } from "./mutant.ts";

const PROXY = "src/tools/egress-proxy.test.ts";
const BROWSER = "src/tools/browser/browser.test.ts";
const INSPECT = "src/tools/browser/inspect.test.ts";

/** Guards of the browser of agents. */
export const BROWSER_MUTANTS: readonly Mutant[] = [
  {
    invariant: 8,
    breaks: "every address of a host that a page names is public",
    file: "src/tools/browser/driver/egress-policy.ts",
    text: "addresses.every((each) => isFetchableAddress(each))",
    broken: "addresses.some((each) => isFetchableAddress(each))",
    tests: [PROXY],
  },
  {
    invariant: 8,
    breaks: "the browser is connected to the checked addresses",
    file: "src/tools/egress-proxy.ts",
    text: "const all = addresses.map((address) => ({ address, family: isIP(address) }));",
    broken: 'const all = addresses.map(() => ({ address: "127.0.0.2", family: 4 }));',
    tests: [PROXY],
  },
  {
    invariant: 3,
    breaks: "the proxy of the browsers serves no other program",
    file: "src/tools/egress-proxy.ts",
    text: 'return secureEquals(headers["proxy-authorization"] ?? "", expected);',
    broken: 'return headers["proxy-authorization"] !== expected || expected !== "";',
    tests: [PROXY],
  },
  {
    invariant: 8,
    breaks: "the name of a download is not a path",
    file: "src/tools/browser/browser-files.ts",
    text: 'const last = name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\\\")) + 1);',
    broken: "const last = name;",
    tests: ["src/tools/browser/browser-parts.test.ts"],
  },
  {
    invariant: 11,
    breaks: "who may not write saves no download",
    file: "src/tools/browser/browser.ts",
    text: "!context.caller.tools.includes(needed)",
    broken: 'needed === "exec"',
    tests: [BROWSER],
    title: "downloads are saved in the workspace under safe names",
  },
  {
    invariant: 7,
    breaks: "a session has its own tabs only",
    file: "src/tools/browser/driver/browsers.ts",
    text: "let session = this.#sessions.get(key);",
    broken: "let session = [...this.#sessions.values()][0];",
    tests: [BROWSER],
    title: "sessions neither see nor reach the tabs of others",
  },
  {
    invariant: 13,
    breaks: "a model runs no script of its own in a page unless the configuration says so",
    file: "src/tools/browser/driver/act.ts",
    text: "if (!request.settings.evaluateEnabled)",
    broken: "if (request.settings.evaluateEnabled === undefined)",
    tests: [BROWSER],
    title: "a dialog is shown, holds the page up, and is answered",
  },
  {
    invariant: 13,
    breaks: "no agent reads or changes what sites have stored",
    file: "src/tools/browser/arguments.ts",
    text: "if (OPERATOR_ACTIONS.some((each) => each === action))",
    broken: 'if (action === "")',
    tests: ["src/tools/browser/browser-parts.test.ts"],
  },
  {
    invariant: 4,
    breaks: "values of cookies are shown only where they are asked for",
    file: "src/tools/browser/driver/inspect.ts",
    text: "...(hasValues ? { value } : { valueChars: value.length }),",
    broken: "...(hasValues || value !== '' ? { value } : {}),",
    tests: [INSPECT],
    title: "cookies are those of the page",
  },
  {
    invariant: 8,
    breaks: "an operator reads the cookies of one page, not those of all sites",
    file: "src/tools/browser/driver/inspect.ts",
    text: "const found = await context.cookies(url);",
    broken: "const found = await context.cookies();",
    tests: [INSPECT],
    title: "cookies are those of the page",
  },
];
