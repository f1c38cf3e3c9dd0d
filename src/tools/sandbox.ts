export type WorkspaceAccess = "none" | "ro" | "rw";

/** Hosts of the network that commands reach through a proxy of the gateway, by TCP. */
export type CommandEgress = {
  /** Names, with `*.` for all below one, and addresses; with a port, or for the ports 80 and 443. */
  hosts: readonly string[];
  /** Whether they may have addresses of private networks. None of this machine is reached. */
  allowPrivateNetwork: boolean;
};

/** What one command may reach. Paths are absolute and free of links. */
export type SandboxRequest = {
  /** The program and its arguments as they would run outside. */
  argv: readonly string[];
  /** Where the command starts: the workspace or a directory in it. */
  cwd: string;
  /** The only directory of the host that the command may change, or only read with `workspaceAccess: "ro"`. It has the same path inside. */
  workspace: string;
  /** `none`: an empty directory in memory is in the place of the workspace. */
  workspaceAccess: WorkspaceAccess;
  /** The whole environment of the command. */
  env: Readonly<Record<string, string>>;
  /** Further directories and files that it may read, at the same path: skills, for example. */
  readable: readonly string[];
  /** False: a network of its own with nothing but its own loopback. True: the network of the host, with everything that listens on 127.0.0.1. */
  network: boolean;
  /** What it reaches of the network all the same; absent: nothing. Only bubblewrap has that. */
  egress?: CommandEgress;
  /** It has a terminal of its own, from which keys like C-c reach it as signals. */
  terminal?: boolean;
};

/** What must be started instead: options of `runCommand`. */
export type SandboxedCommand = {
  argv: readonly string[];
  cwd: string;
  /** Of the programs that build the sandbox. The command itself gets the environment of the request. */
  env: Readonly<Record<string, string>>;
  /** What these programs read from the descriptors 4, 5, and so on. */
  inputs: readonly Uint8Array[];
  /** Ends what the command has left running. Must be called once, when it has ended or is to end; resolves when nothing is left. */
  release?: (how: "exited" | "stopped" | "timed out") => Promise<void>;
};

export interface Sandbox {
  /** For people: `bubblewrap 0.8.0, as user 1000`. */
  readonly name: string;
  /** What holds and what does not, one short line each. */
  readonly guarantees: readonly string[];
  /** Throws when a request cannot be isolated: the text says why, and what to change. */
  wrap(request: SandboxRequest): SandboxedCommand | Promise<SandboxedCommand>;
}

/** Whether commands can be isolated on this machine; if not, why, and how to fix it. */
export type SandboxProbe = { sandbox: Sandbox } | { sandbox: null; reason: string; fix: string };
