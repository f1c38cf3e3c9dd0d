/** Where an SSH tunnel leads. */
export type SshTarget = {
  /** `user@host`, or a host of the configuration of ssh. */
  destination: string;
  /** Null: the port that the configuration of ssh names, else 22. */
  port: number | null;
};

/** `user@host`, `user@host:port`, `user@[2001:db8::1]:port`, `host`; null for what ssh could take for an option or a command. */
export function parseSshTarget(text: string): SshTarget | null {
  const [, user, host, bracketed, port] =
    /^(?:([\w.+-]{1,64})@)?(?:([\w.-]{1,253})|\[([0-9A-Fa-f:.]{2,64})\])(?::(\d{1,5}))?$/.exec(text) ?? [];
  const name = host ?? bracketed;
  if (name === undefined || name.startsWith("-") || user?.startsWith("-")) return null;
  const number = port === undefined ? null : Number(port);
  if (number !== null && (number < 1 || number > 65_535)) return null;
  return { destination: user === undefined ? name : `${user}@${name}`, port: number };
}

export const formatSshTarget = ({ destination, port }: SshTarget): string => (port === null ? destination : `${destination}:${port}`);

export type SshOptions = {
  target: SshTarget;
  /** File of a private key, besides those that ssh finds itself. */
  identity: string | null;
  /** `strict`: the key of the host must be known. `openssh`: what the configuration of ssh says. */
  hostKeyPolicy: "strict" | "openssh";
  /** Port of the gateway on that machine. */
  remotePort: number;
};

/** The arguments of ssh for a tunnel from a Unix socket. It never asks a person, and forwards nothing else. Pure. */
export function sshArguments({ target, identity, hostKeyPolicy, remotePort }: SshOptions, socketPath: string): string[] {
  const options = [
    "ExitOnForwardFailure=yes",
    "BatchMode=yes",
    ...(hostKeyPolicy === "strict" ? ["StrictHostKeyChecking=yes"] : []),
    "UpdateHostKeys=yes",
    "ConnectTimeout=5",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "StreamLocalBindUnlink=yes",
    "StreamLocalBindMask=0177",
    // A shared connection would outlive the tunnel, and its end would not be noticed.
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
  ];
  return [
    "-N",
    "-T",
    "-L",
    `${socketPath}:127.0.0.1:${remotePort}`,
    ...(target.port === null ? [] : ["-p", String(target.port)]),
    ...options.flatMap((option) => ["-o", option]),
    ...(identity === null ? [] : ["-i", identity]),
    "--",
    target.destination,
  ];
}
