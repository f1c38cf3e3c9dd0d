import { formatSshTarget, type SshTarget } from "./target.ts";

/** Why ssh ended, from what it wrote. `isFinal`: another attempt cannot help, or must not be made. */
export type SshFailure = { reason: string; fix: string; isFinal: boolean };

/** Pure. `text`: what ssh wrote to its standard error. */
export function sshFailure(text: string, target: SshTarget, exitCode: number | null): SshFailure {
  const host = target.destination.slice(target.destination.indexOf("@") + 1);
  const known = target.port === null || target.port === 22 ? host : `'[${host}]:${target.port}'`;
  const login = `ssh${target.port === null ? "" : ` -p ${target.port}`} ${target.destination}`;
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(text))
    return {
      reason: `the host key of ${host} is another one than before; someone may have put a machine in its place`,
      fix: `compare the new key with the one on that machine; only if they are equal: ssh-keygen -R ${known}, then ${login}`,
      isFinal: true,
    };
  if (/Host key verification failed|host key is known/i.test(text))
    return {
      reason: `the host key of ${host} is not known yet`,
      fix: `connect once and compare the key that it shows: ${login}`,
      isFinal: true,
    };
  if (/Permission denied/.test(text))
    return {
      reason: `${host} accepts none of the keys of this user`,
      fix: `make this work without a question: ssh -o BatchMode=yes ${login.slice(4)} true (ssh-add loads a key with a passphrase; --identity names a file)`,
      isFinal: true,
    };
  if (/Could not resolve hostname/.test(text))
    return { reason: `the name ${host} is not known`, fix: "check the name, and the DNS of this machine.", isFinal: false };
  if (/Connection refused/.test(text))
    return {
      reason: `no SSH server answers at ${formatSshTarget(target)}`,
      fix: "start it there, or name its port: user@host:port",
      isFinal: false,
    };
  if (/timed out|No route to host|Network is unreachable/.test(text))
    return { reason: `${host} cannot be reached`, fix: "check the network and the firewall of that machine.", isFinal: false };
  const last = text.trim().split("\n").at(-1)?.slice(0, 200) ?? "";
  return { reason: last === "" ? `ssh ended with code ${exitCode}` : `ssh said: ${last}`, fix: `${login} shows more.`, isFinal: false };
}
