import type { Architecture } from "./syscall-filter.ts";

/**
 * The user and group of commands of a gateway that runs as root: of a range that no system assigns. As root, a command could change the
 * device files and settings of the host even without capabilities, and the kernel would not count its processes.
 */
const COMMAND_ID = 1_900_000_000;

/** Numbers of the calls unshare and mount; those of newer calls are the same everywhere. */
const CALL_NUMBERS: Readonly<Record<Architecture, readonly [unshare: number, mount: number]>> = { x64: [272, 165], arm64: [97, 40] };

/** Where the script mounts its paths, in a mount namespace of its own: a directory that every system has and every user may enter. */
const STAGE = "/tmp";

/**
 * Mounts each path below the stage so that root's files belong to the user of commands there, and on the disk still to root; then runs
 * the rest of its arguments. Needs Perl for system calls that have no program in util-linux before 2.39. Arguments: id, number of the call
 * unshare, of mount, count of the paths, the paths.
 */
const MOUNT_SCRIPT = `use strict;
my ($id, $unshare, $mount, $count, @rest) = @ARGV;
my @paths = splice @rest, 0, $count;
my ($none, $root, $tmpfs, $stage, $options, $empty) = ("none", "/", "tmpfs", "${STAGE}", "mode=755,size=1m", "");
sub fail { print STDERR "Cannot build the sandbox: $_[0]: $!\\n"; exit 126 }
# A process in a user namespace, whose map of ids the mounts get.
pipe(my $wait, my $hold) or fail("pipe");
pipe(my $ready, my $entered) or fail("pipe");
defined(my $child = fork) or fail("fork");
if (!$child) {
  close $hold;
  syscall($unshare + 0, 0x10000000) == 0 && syswrite $entered, "y";
  sysread $wait, my $byte, 1;
  exit 0;
}
close $entered;
sysread($ready, my $byte, 1) == 1 or fail("user namespace");
for my $kind ("uid", "gid") {
  open(my $map, ">", "/proc/$child/\${kind}_map") or fail("map of ids");
  syswrite($map, "0 $id 1\\n") or fail("map of ids");
}
open(my $namespace, "<", "/proc/$child/ns/user") or fail("user namespace");
kill "KILL", $child;
waitpid $child, 0;
# CLONE_NEWNS; MS_REC and MS_PRIVATE.
syscall($unshare + 0, 0x20000) == 0 or fail("mount namespace");
syscall($mount + 0, $none, $root, $none, 0x44000, 0) == 0 or fail("private mounts");
my @trees;
for my $path (@paths) {
  my $isDirectory = -d $path;
  # open_tree with AT_FDCWD, OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC; mount_setattr with AT_EMPTY_PATH, MOUNT_ATTR_IDMAP.
  my $tree = syscall(428, -100, $path, 0x80001);
  $tree >= 0 or fail($path);
  my $attributes = pack("Q4", 0x100000, 0, 0, fileno($namespace));
  syscall(442, $tree, $empty, 0x1000, $attributes, 32) == 0 or fail("$path: the file system cannot map owners");
  push @trees, [$tree, $isDirectory];
}
# MS_NOSUID and MS_NODEV.
syscall($mount + 0, $tmpfs, $stage, $tmpfs, 6, $options) == 0 or fail($stage);
for my $index (0 .. $#trees) {
  my ($tree, $isDirectory) = @{$trees[$index]};
  my $target = "$stage/$index";
  ($isDirectory ? mkdir $target : open my $file, ">", $target) or fail($target);
  # move_mount with MOVE_MOUNT_F_EMPTY_PATH.
  syscall(429, $tree, $empty, -100, $target, 4) == 0 or fail($paths[$index]);
}
exec { $rest[0] } @rest or fail($rest[0]);`;

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
  const numbers = CALL_NUMBERS[architecture].map(String);
  return {
    id: COMMAND_ID,
    enter: (paths) => {
      const places = new Map(paths.map((path, index) => [path, `${STAGE}/${index}`]));
      const mount = [perl, "-e", MOUNT_SCRIPT, id, ...numbers, String(paths.length), ...paths];
      const become = [setpriv, `--reuid=${id}`, `--regid=${id}`, "--clear-groups", "--inh-caps=-all", "--"];
      return { argv: [...mount, ...become], sourceOf: (path) => places.get(path) ?? path };
    },
  };
}
