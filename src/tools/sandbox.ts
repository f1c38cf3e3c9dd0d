/** What one command may reach. */
export type SandboxRequest = {
  /** The program and its arguments as they would run outside. */
  argv: readonly string[];
  /** Real path of a directory inside the workspace. */
  cwd: string;
  /** Real path; the only directory of the host that the command may change, or only read with `workspaceAccess: "ro"`. */
  workspace: string;
  workspaceAccess: "ro" | "rw";
  /** The whole environment of the command. */
  env: Readonly<Record<string, string>>;
  /** Real paths of further directories (or files) that it may read, at the same path. */
  readable: readonly string[];
  /** False: an own network namespace without a way out. */
  network: boolean;
};
/** What is to be started instead. */
export type SandboxedCommand = { argv: readonly string[]; env: Readonly<Record<string, string>>; cwd: string };
export interface Sandbox {
  /** For people, e.g. "bubblewrap 0.8.0, as user 1000". */
  readonly name: string;
  /** What holds and what does not, one short line each. */
  readonly guarantees: readonly string[];
  wrap(request: SandboxRequest): SandboxedCommand;
}
export type SandboxProbe = { sandbox: Sandbox } | { sandbox: null; reason: string; fix: string };
