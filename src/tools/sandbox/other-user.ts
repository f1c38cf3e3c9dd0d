import { MAPPED_OWNERS, mappedOwnersArguments } from "../mapped-owners.ts";
import type { Architecture } from "./syscall-filter.ts";

/**
 * The user and group of commands of a gateway that runs as root: of a range that no system assigns. As root, a command could change the
 * device files and settings of the host even without capabilities, and the kernel would not count its processes.
 */
const COMMAND_ID = 1_900_000_000;

/** Where the script mounts its paths, in a mount namespace of its own: a directory that every system has and every user may enter. */
const STAGE = "/tmp";

/** Mounts each path below the stage, then runs the rest of its arguments. Arguments: those of the beginning, count of the paths, the paths. */
const MOUNT_SCRIPT = `${MAPPED_OWNERS}
my $count = shift @ARGV;
my @paths = splice @ARGV, 0, $count;
my ($stage, $options) = ("${STAGE}", "mode=755,size=1m");
my @trees = map { [mapped($_, 0), -d $_] } @paths;
empty($stage, $options);
for my $index (0 .. $#trees) {
  my ($tree, $isDirectory) = @{$trees[$index]};
  my $target = "$stage/$index";
  ($isDirectory ? mkdir $target : open my $file, ">", $target) or fail($target);
  place($tree, $target, $paths[$index]);
}
exec { $ARGV[0] } @ARGV or fail($ARGV[0]);`;

/** Where a path of the host is found by what runs as another user. */
export type SourceOf = (path: string) => string;

export type OtherUser = {
  id: number;
  /** The programs in front of those that run as the other user, and the places of the paths that these use. */
  enter: (paths: readonly string[]) => { argv: readonly string[]; sourceOf: SourceOf };
};

/** The user of commands of a gateway that runs as root. */
export function createOtherUser({ perl, setpriv }: { perl: string; setpriv: string }, architecture: Architecture): OtherUser {
  const id = String(COMMAND_ID);
  return {
    id: COMMAND_ID,
    enter: (paths) => {
      const places = new Map(paths.map((path, index) => [path, `${STAGE}/${index}`]));
      const mount = [perl, "-e", MOUNT_SCRIPT, ...mappedOwnersArguments(COMMAND_ID, architecture), String(paths.length), ...paths];
      const become = [setpriv, `--reuid=${id}`, `--regid=${id}`, "--clear-groups", "--inh-caps=-all", "--"];
      return { argv: [...mount, ...become], sourceOf: (path) => places.get(path) ?? path };
    },
  };
}
