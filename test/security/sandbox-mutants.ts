const SANDBOX = "src/tools/sandbox/requests.test.ts";
const SYSTEM_CALLS = "src/tools/sandbox/syscall-filter.test.ts";

/** Guards of the sandbox for commands; part of `MUTANTS`. None needs bubblewrap. */
export const SANDBOX_MUTANTS = [
  {
    invariant: 13,
    breaks: "a sandboxed command starts in its workspace only",
    file: "src/tools/sandbox/mounts.ts",
    text: "if (!isAtOrBeneath(workspace, cwd))",
    broken: "if (workspace === cwd + cwd)",
    tests: [SANDBOX],
  },
  {
    invariant: 13,
    breaks: "a sandboxed command is not shown a directory that contains the gateway's state",
    file: "src/tools/sandbox/mounts.ts",
    text: "hidden.find((each) => isAtOrBeneath(path, each))",
    broken: "hidden.find((each) => path === each + each)",
    tests: [SANDBOX],
  },
  {
    invariant: 13,
    breaks: "a sandboxed command may not change a workspace that it may read",
    file: "src/tools/sandbox/mounts.ts",
    text: 'workspaceAccess === "rw" ? "--bind" : "--ro-bind"',
    broken: 'workspaceAccess === "rw" ? "--bind" : "--bind"',
    tests: [SANDBOX],
  },
  {
    invariant: 13,
    breaks: "a variable of a sandboxed command cannot add options of bubblewrap",
    file: "src/tools/sandbox/bubblewrap.ts",
    text: 'if (value.includes("\\0"))',
    broken: 'if (value === "\\0")',
    tests: [SANDBOX],
  },
  {
    invariant: 13,
    breaks: "variables of a sandboxed command do not act in the programs that build the sandbox",
    file: "src/tools/sandbox/bubblewrap.ts",
    text: "env: marker === undefined ? {} : { [MARKER_VARIABLE]: marker },",
    broken: "env: marker === undefined ? {} : request.env,",
    tests: [SANDBOX],
  },
  {
    invariant: 13,
    breaks: "a sandboxed command makes no set-user-id programs",
    file: "src/tools/sandbox/syscall-filter.ts",
    text: "const SET_ID = 0o6000;",
    broken: "const SET_ID = 0o2000;",
    tests: [SYSTEM_CALLS],
  },
  {
    invariant: 13,
    breaks: "a sandboxed command opens no sockets that have no namespace",
    file: "src/tools/sandbox/syscall-filter.ts",
    text: "const FAMILIES = [1, 2, 10, 16];",
    broken: "const FAMILIES = [1, 2, 10, 16, 40];",
    tests: [SYSTEM_CALLS],
  },
];
