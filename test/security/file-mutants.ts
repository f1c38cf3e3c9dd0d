const BOUNDARY = "test/security/workspace-boundary.test.ts";

/** Guards of the tools for files; part of `MUTANTS` in mutants.ts, which describes the fields. */
export const FILE_MUTANTS = [
  {
    invariant: 8,
    breaks: "a directory is not entered through a link",
    file: "src/core/held-directory.ts",
    text: "O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);",
    broken: "O_PATH | constants.O_DIRECTORY);",
    tests: [BOUNDARY],
    title: "cannot be seen",
  },
  {
    invariant: 8,
    breaks: "a link does not lead out of the roots",
    file: "src/tools/path-walk.ts",
    text: "if (location === null) throw new OutsideError(path, true);",
    broken: 'location ??= { root: "/", names: path.split("/").filter(isName) };',
    tests: [BOUNDARY],
    title: "cannot be seen",
  },
  {
    invariant: 8,
    breaks: "a file is not opened through a link that appears meanwhile",
    file: "src/tools/workspace-files.ts",
    text: "constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;",
    broken: "constants.O_RDONLY | constants.O_NONBLOCK;",
    tests: ["test/security/workspace-race.test.ts"],
    title: "reading shows",
  },
  {
    invariant: 8,
    breaks: "files that the gateway names are read by random names only",
    file: "src/tools/workspace-files.ts",
    text: "this.#named.includes(dirname(absolute)) && RANDOM_NAME.test(basename(absolute)) ? absolute : null",
    broken: "this.#named.includes(dirname(absolute)) ? absolute : null",
    tests: [BOUNDARY],
    title: "random name",
  },
  {
    invariant: 8,
    breaks: "a patch stays in the workspace",
    file: "src/tools/apply-patch/apply-patch.ts",
    text: "{ ...context, outside: [] }",
    broken: "context",
    tests: [BOUNDARY],
    title: "directories that the configuration names",
  },
  {
    invariant: 7,
    breaks: "directories for all agents open nothing for people on channels",
    file: "src/gateway/tool-permits.ts",
    text: '(surface === "operator" ? [own, shared] : [own])',
    broken: "[own, shared]",
    tests: ["src/gateway/tool-permits.test.ts"],
  },
];
