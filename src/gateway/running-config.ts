import type { AuthSettings } from "../auth/credentials.ts";
import type { ConfigIssue } from "../config/issue.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { AgentCatalog } from "./agent-catalog.ts";
import type { LogLevels } from "./settings.ts";

/** A configuration and what follows from it. Building one has no effect on what runs. */
export type ConfigState = {
  readonly loaded: LoadedConfig;
  readonly agents: AgentCatalog;
  readonly auth: AuthSettings;
  readonly logLevels: LogLevels;
};

/** The configuration in use. Consumers read it when they need it, so that a swap changes all of them at once. */
export class RunningConfig {
  #state: ConfigState;
  /** Findings of the file, when its content is not in use. */
  #rejected: readonly ConfigIssue[] | null = null;

  constructor(state: ConfigState) {
    this.#state = state;
  }

  get state(): ConfigState {
    return this.#state;
  }

  get loaded(): LoadedConfig {
    return this.#state.loaded;
  }

  get config(): Config {
    return this.#state.loaded.config;
  }

  get agents(): AgentCatalog {
    return this.#state.agents;
  }

  swap(next: ConfigState): void {
    this.#state = next;
  }

  /** Findings of the file as it is now, whether or not its content is in use. */
  get issues(): readonly ConfigIssue[] {
    return this.#rejected ?? this.loaded.issues;
  }

  /** Errors of the file in one line each. */
  errors(): string[] {
    return this.issues.filter((issue) => issue.severity === "error").map(({ path, message }) => (path ? `${path}: ${message}` : message));
  }

  /** The content of the file is not in use because of these findings; null: it is in use. */
  reject(issues: readonly ConfigIssue[] | null): void {
    this.#rejected = issues;
  }
}
