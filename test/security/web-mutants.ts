import type { Mutant } from "./mutant.ts";

const FETCH = "src/tools/guarded-fetch.test.ts";

/** Guards of what is fetched from the web. */
export const WEB_MUTANTS: readonly Mutant[] = [
  {
    invariant: 8,
    breaks: "every address of a name is public",
    file: "src/tools/guarded-fetch.ts",
    text: "if (!addresses.every((each) => isAllowed(each))) throw",
    broken: "if (!addresses.some((each) => isAllowed(each))) throw",
    tests: [FETCH],
  },
  {
    invariant: 8,
    breaks: "a redirect is looked at",
    file: "src/tools/guarded-fetch.ts",
    text: "const addresses = await checkedAddresses(at, options, signal);",
    broken: "const addresses = hop === 0 ? await checkedAddresses(at, options, signal) : ([at.hostname] as const);",
    tests: [FETCH],
  },
  {
    invariant: 8,
    breaks: "the connection uses the checked addresses",
    file: "src/tools/guarded-fetch.ts",
    text: "const all = addresses.map((address) => ({ address, family: isIP(address) }));",
    broken: 'const all = [{ address: "127.0.0.2", family: 4 }];',
    tests: [FETCH],
  },
  {
    invariant: 8,
    breaks: "a header for one site reaches only that",
    file: "src/tools/guarded-fetch.ts",
    text: "...(at.origin === first.origin && headers),",
    broken: "...headers,",
    tests: [FETCH],
  },
  {
    invariant: 10,
    breaks: "compressed content is limited by what comes out",
    file: "src/tools/guarded-fetch.ts",
    text: "if (size <= maxBytes) continue;",
    broken: 'if (size <= maxBytes || response.headers["content-encoding"]) continue;',
    tests: [FETCH],
  },
];
