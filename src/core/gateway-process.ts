/** Environment variables. */
export type Env = Readonly<Record<string, string | undefined>>;

/** What a started gateway gives to the command that started it. */
export type RunningGateway = {
  /** `ws://127.0.0.1:18789` */
  readonly url: string;
  readonly port: number;
  /** Lines for the person who started it: where it listens, which model answers, the one-time link. */
  readonly banner: readonly string[];
  /** Resolves when the gateway has ended by itself (a restart was asked for); the exit code of the process. */
  readonly ended: Promise<number>;
  /** Ends it in order; resolves when everything is closed. */
  stop(reason: string): Promise<void>;
};

/** What `openclaw gateway` is given. */
export type GatewayOptions = {
  readonly port?: number;
  readonly bind?: "loopback" | "lan" | "tailnet" | "auto" | "custom";
  readonly auth?: "token" | "password" | "none" | "trusted-proxy";
  readonly tailscale?: "off" | "serve" | "funnel";
  readonly tokenFile?: string;
  readonly passwordFile?: string;
  readonly configPath?: string;
  readonly verbose: boolean;
  readonly force: boolean;
  /**
   * It runs on a copy of a state, to see whether this version can: it serves its clients, and resumes no turn, connects no channel, runs no job
   * and starts nothing else that reaches out.
   */
  readonly canary?: boolean;
};

/** An account as it would be after a change that is not saved yet. */
export type AccountCandidate = {
  /** The text of the configuration file, "" when there is none. */
  readonly raw: string;
  readonly path: string;
  readonly env: Env;
  readonly channel: string;
  readonly account: string | undefined;
  readonly change: Readonly<Record<string, unknown>>;
};
