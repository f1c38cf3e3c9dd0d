import type { SandboxedCommand } from "./sandbox.ts";
import type { ToolPermit } from "./tool.ts";

/** Where a command runs: as the gateway's user, or isolated from it. */
export type CommandHost = "gateway" | "sandbox";

/** A command as a call asks for it. */
export type CommandRequest = {
  /** Id of the call of the tool. */
  callId: string;
  /** The exact text for the shell. */
  command: string;
  /** Real path of an existing directory. */
  cwd: string;
  /** The whole environment. */
  env: Readonly<Record<string, string>>;
  /** Names of the variables in it that the call itself sets. */
  ownVariables: readonly string[];
  /** What it reads while it runs. The agent writes a pipe or a terminal later, without a further decision. */
  input: "none" | "pipe" | "terminal";
  /** Where the call asks to run; undefined leaves it to the settings. */
  host: CommandHost | undefined;
};

/** What is started, exactly as it was allowed. */
export type AllowedCommand = {
  argv: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** What it reads from the descriptors 4, 5, and so on. */
  inputs?: readonly Uint8Array[];
  /** Ends what it has left running: called once, when it has ended or is to end. */
  release?: SandboxedCommand["release"];
  host: CommandHost;
  /** How it is isolated, as a sentence; absent outside of the sandbox. */
  isolation?: string;
};

/** Decides about commands, and asks a person where the settings say so. */
export interface CommandGate {
  /** Resolves when the command may run, which a person may have to decide. Rejects with the reason, in words for the model. */
  allow(request: CommandRequest, permit: ToolPermit, signal: AbortSignal): Promise<AllowedCommand>;
}
