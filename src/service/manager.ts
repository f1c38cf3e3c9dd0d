import type { ServiceDefinition } from "./definition.ts";

/** What the system says about a service. */
export type ServiceState = {
  readonly manager: "systemd" | "launchd" | "windows";
  readonly name: string;
  /** `user`: of the user who installed it; `system`: of the machine. */
  readonly scope: "user" | "system";
  /** The file with its definition. */
  readonly file: string;
  readonly installed: boolean;
  /** It starts by itself, at the start of the machine or when its user signs in. */
  readonly enabled: boolean;
  readonly active: boolean;
  /** In the words of the system. */
  readonly state: string;
  readonly pid: number | null;
  readonly restarts: number | null;
  readonly lastExit: string | null;
  /** What the gateway has told the system about itself. */
  readonly statusText: string | null;
};

/** One system that starts services and keeps them running. Failures are CliError with what the system said. */
export interface ServiceManager {
  /** Writes the definition and makes it known. Nothing is started. */
  install(definition: ServiceDefinition): Promise<"installed" | "updated" | "unchanged">;
  /** Removes it with everything that `install` has written; it is stopped first. */
  uninstall(): Promise<boolean>;
  /** Resolves when the system counts it as started. */
  start(): Promise<void>;
  /** `disable`: it does not start by itself any more. */
  stop(options: { disable: boolean }): Promise<void>;
  restart(): Promise<void>;
  state(): Promise<ServiceState>;
  /** What else has to be known, such as that services of the user end when the user signs out. */
  warnings(): Promise<readonly string[]>;
}
