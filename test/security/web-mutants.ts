import type { Mutant } from "./mutant.ts";

const FETCH = "src/tools/web/guarded-fetch.test.ts";

/** Guards of what is fetched from the web. */
export const WEB_MUTANTS: readonly Mutant[] = [
  {
    invariant: 8,
    breaks: "every address of a name is public",
    file: "src/tools/web/guarded-fetch.ts",
    text: "if (!addresses.every((each) => isAllowed(each))) throw",
    broken: "if (!addresses.some((each) => isAllowed(each))) throw",
    tests: [FETCH],
  },
  {
    invariant: 8,
    breaks: "a redirect is looked at",
    file: "src/tools/web/guarded-fetch.ts",
    text: "const addresses = await checkedAddresses(at, options, signal);",
    broken: "const addresses = hop === 0 ? await checkedAddresses(at, options, signal) : ([at.hostname] as const);",
    tests: [FETCH],
  },
  {
    invariant: 8,
    breaks: "the connection uses the checked addresses",
    file: "src/tools/web/guarded-fetch.ts",
    text: "const all = addresses.map((address) => ({ address, family: isIP(address) }));",
    broken: 'const all = [{ address: "127.0.0.2", family: 4 }];',
    tests: [FETCH],
  },
  {
    invariant: 8,
    breaks: "a header for one site reaches only that",
    file: "src/tools/web/guarded-fetch.ts",
    text: "...(at.origin === first.origin && headers),",
    broken: "...headers,",
    tests: [FETCH],
  },
  {
    invariant: 8,
    breaks: "only an address of the operator may be private",
    file: "src/tools/web/web-search/web-search.ts",
    text: "...(isOwnAddress && { isAllowed: () => true }),",
    broken: "isAllowed: () => true,",
    tests: ["src/tools/web/web-search/web-search.test.ts"],
    title: "only the operator's address may be private",
  },
  {
    invariant: 10,
    breaks: "elements of a page have a limit of depth",
    file: "src/tools/web/html-tree.ts",
    text: "if (this.#stack.length >= WEB_LIMITS.treeDepth) {",
    broken: "if (this.#stack.length < 0) {",
    tests: ["src/tools/web/html-tree.test.ts"],
  },
  {
    invariant: 10,
    breaks: "reading a page has a limit of time",
    file: "src/tools/web/web-threads.ts",
    text: 'const cancel = this.#clock.after(this.#limits.jobMs, () => fail("reading it took too long"));',
    broken: "const cancel = this.#clock.after(this.#limits.jobMs, () => {});",
    tests: ["src/tools/web/web-threads.test.ts"],
    title: "a page that takes too long",
  },
  {
    invariant: 10,
    breaks: "compressed content is limited by what comes out",
    file: "src/tools/web/guarded-fetch.ts",
    text: "if (size <= maxBytes) continue;",
    broken: 'if (size <= maxBytes || response.headers["content-encoding"]) continue;',
    tests: [FETCH],
  },
  {
    invariant: 12,
    breaks: "every line from the web is a quotation",
    file: "src/tools/untrusted-content.ts",
    text: '.map((line) => (line === "" ? ">" : `> ${line}`));',
    broken: '.map((line) => (line === "" || !line.startsWith("[") ? `> ${line}` : line));',
    tests: ["src/tools/untrusted-content.test.ts"],
  },
  {
    invariant: 12,
    breaks: "a line from the web ends where any reader ends it",
    file: "src/tools/untrusted-content.ts",
    text: String.raw`const LINE_END = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/u;`,
    broken: String.raw`const LINE_END = /\n/u;`,
    tests: ["src/tools/untrusted-content.test.ts"],
  },
];
