import { writeFile } from "node:fs/promises";
import { MAPPED_OWNERS, mappedOwnersArguments } from "../../mapped-owners.ts";
import type { OtherUserPrograms } from "../records.ts";

/** The user and group of browsers of a gateway that runs as root: of a range that no system assigns, and not that of commands. */
const BROWSER_ID = 1_900_000_001;

/**
 * Mounts the directories of a browser where they are, for another user. Parents that others may not enter, such as /root, are covered with
 * empty directories, and so is /tmp. Arguments: those of the beginning, count of the directories that may be written, of those that may
 * only be read, the directories; then what is run.
 */
const MOUNT_SCRIPT = `${MAPPED_OWNERS}
my ($writable, $readable) = splice @ARGV, 0, 2;
my @paths = splice @ARGV, 0, $writable + $readable;
my @trees = map { mapped($paths[$_], $_ >= $writable) } 0 .. $#paths;
umask 0022;
empty("/tmp", "mode=1777,size=512m");
for my $index (0 .. $#paths) {
  my $at = "";
  for my $part (grep { length } split m{/}, $paths[$index]) {
    $at .= "/$part";
    -d $at or mkdir $at or fail($at);
    empty($at, "mode=755,size=1m") if $at ne $paths[$index] && !((stat $at)[2] & 1);
  }
  place($trees[$index], $at, $at);
}
umask 0077;
exec { $ARGV[0] } @ARGV or fail($ARGV[0]);`;

export type LauncherOptions = {
  /** Where the script is written: outside of what the browser may write. */
  path: string;
  programs: OtherUserPrograms;
  executable: string;
  writable: readonly string[];
  readable: readonly string[];
};

/** Writes a script that runs the browser as another user, for whom its directories are there and those of root are not. */
export async function writeLauncher({ path, programs, executable, writable, readable }: LauncherOptions): Promise<void> {
  const { perl, setpriv, architecture } = programs;
  const id = String(BROWSER_ID);
  const counts = [writable.length, readable.length].map(String);
  const mount = [perl, "-e", MOUNT_SCRIPT, ...mappedOwnersArguments(BROWSER_ID, architecture), ...counts, ...writable, ...readable];
  const become = [
    setpriv,
    `--reuid=${id}`,
    `--regid=${id}`,
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
    "--",
  ];
  await writeFile(path, `#!/bin/sh\nexec ${[...mount, ...become, executable].map(quoted).join(" ")} "$@"\n`, { mode: 0o700 });
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
