/**
 * What is known of programs by their names. The first list decides what can be on the allowlist: a pattern on one of these would allow
 * everything, because its arguments are programs, or name files that are.
 */

/** Shells and interpreters, without the digits of their versions. */
const INTERPRETERS = new Set(
  (
    "sh bash dash zsh ksh mksh fish csh tcsh ash busybox toybox pwsh python pypy node nodejs deno bun ruby irb perl php lua luajit tclsh wish expect " +
    "awk gawk mawk nawk sed gsed ed ex vi vim nvim view emacs nano java javac jshell kotlin kotlinc scala groovy dotnet mono guile racket sbcl clisp " +
    "erl elixir iex ghc ghci runghc stack ocaml swift julia r rscript octave gdb lldb sqlite psql mysql mongosh redis-cli jq osascript ts-node tsx"
  ).split(" "),
);

/** Programs that start another one: named by an argument, by a file in the working directory, or by their own settings. */
const CARRIERS = new Set(
  (
    "env nice nohup timeout stdbuf setsid flock time chroot unshare nsenter setpriv setarch linux32 linux64 taskset ionice chrt sudo su doas run0 pkexec " +
    "runuser xargs parallel find fd fdfind entr watch script screen tmux ssh scp sftp rsync rclone mosh telnet nc ncat netcat socat curl wget git hg svn " +
    "tar zip unzip 7z cpio rpm dpkg apt apt-get yum dnf pacman brew snap flatpak npm npx pnpm yarn pnpx bunx corepack pip pipx uv uvx poetry conda gem " +
    "bundle rake cargo rustc go gcc g++ clang clang++ cc c++ make gmake cmake ninja meson bazel mvn gradle ant just task docker podman nerdctl kubectl " +
    "helm systemctl systemd-run crontab at batch bwrap firejail strace ltrace valgrind perf man less more most pg zless info lynx w3m " +
    "sort split dd install ln xdg-open open eslint jest vitest mocha tsc prettier pytest tox nox black mypy ansible ansible-playbook terraform vagrant " +
    "ldd m4 dc gnuplot tex pdftex latex pdflatex xelatex lualatex latexmk run-parts start-stop-daemon fakeroot faketime prlimit numactl cpulimit cgexec " +
    "capsh catchsegv chpst envdir setuidgid softlimit unbuffer rlwrap xvfb-run dbus-run-session ssh-agent systemd-inhibit torsocks proxychains logrotate sg " +
    "newgrp gh tig mc ranger vimdiff gvim rvim rview vim.basic vim.tiny vim.nox pager editor emacsclient duckdb mariadb mongo tcc zig nix yash elvish nu " +
    "xonsh ipython jupyter " +
    "eval exec source . command builtin trap alias ld ld.so openssl gpg ffmpeg convert magick gs tcpdump"
  ).split(" "),
);

/** `/usr/bin/python3.11` -> `python`. Pure. */
export const programName = (path: string): string => {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const plain = name.replace(/\.(?:exe|cmd|bat|com)$/, "");
  return CARRIERS.has(plain) || INTERPRETERS.has(plain) ? plain : plain.replace(/[-_]?\d[\d.]*$/, "");
};

/** True for a program that runs what its arguments or files say. It can be allowed once only. Pure. */
export const runsOtherPrograms = (path: string): boolean => {
  const name = programName(path);
  // The loader of the system is a program that starts the one behind it: ld-linux-x86-64.so.2.
  return INTERPRETERS.has(name) || CARRIERS.has(name) || /^ld[-.]/.test(name);
};

/** What a reading program may be given: flags that neither write nor start anything. */
type ReadingProgram = {
  flags: RegExp;
  /** Its operands are files, which must lie where the caller may read. */
  readsFiles: boolean;
  /** An operand of another form makes it write. */
  operands?: RegExp;
  /** More operands than this make it write. */
  maxOperands?: number;
};

const reads = (flags: RegExp): ReadingProgram => ({ flags, readsFiles: true });
const shows = (flags: RegExp): ReadingProgram => ({ flags, readsFiles: false });
const NO_FLAGS = /^$/;

/** Programs that only show something, and that follow no links which they find themselves (as `diff` does in directories). A flag that is not named here makes the command one to be asked about. */
const READING: Readonly<Record<string, ReadingProgram>> = {
  pwd: shows(/^-[LP]$/),
  true: shows(NO_FLAGS),
  false: shows(NO_FLAGS),
  echo: shows(/^-[neE]+$/),
  // An operand that is not a format sets the clock.
  date: { ...shows(/^(?:-u|-I|--iso-8601|-R)$/), operands: /^\+/ },
  whoami: shows(NO_FLAGS),
  id: shows(/^-[ugnGr]+$/),
  uname: shows(/^-[asnrvmpio]+$/),
  nproc: shows(NO_FLAGS),
  basename: shows(/^-[as]$/),
  dirname: shows(/^-z$/),
  sleep: shows(NO_FLAGS),
  ls: reads(/^(?:-[1aAdFhHilnoprRsStuUX]+|--color=(?:never|auto)|--full-time)$/),
  cat: reads(/^-[AbeEnstTuv]+$/),
  head: reads(/^(?:-[qv]|-\d+|-[nc]\d*|--lines=\d+|--bytes=\d+)$/),
  tail: reads(/^(?:-[qv]|-\d+|-[nc]\+?\d*|--lines=\+?\d+|--bytes=\+?\d+)$/),
  wc: reads(/^-[clmLw]+$/),
  stat: reads(/^-[Lt]+$/),
  file: reads(/^-[bi]+$/),
  du: reads(/^(?:-[abchkmsx]+|--max-depth=\d+|-d\d+)$/),
  cmp: reads(/^-[bls]+$/),
  grep: reads(/^(?:-[abcEFGhHiInoqrsvwx]+|-[ABCm]\d+|--include=.*|--exclude=.*|--exclude-dir=.*|--color=never|--count|-e)$/),
  // `uniq a b` writes b.
  uniq: { ...reads(/^-[cdiu]+$/), maxOperands: 1 },
  cut: reads(/^(?:-[dfbcs].*|--output-delimiter=.*)$/),
  tr: shows(/^-[cCdst]+$/),
  md5sum: reads(/^-[bt]$/),
  sha256sum: reads(/^-[bt]$/),
  realpath: reads(/^-[emLPqsz]+$/),
  readlink: reads(/^-[femnqsvz]+$/),
  sort: reads(/^(?:-[bdfghiMnrRsuVz]+|-k[\d.,a-zA-Z]*|-t.|--unique)$/),
  rg: reads(/^(?:-[acFHiIlnNoSsvwx]+|-[ABCm]\d+|-[gt].*|--files|--hidden|--no-ignore)$/),
  tree: reads(/^(?:-[adfFhips]+|-L\d*)$/),
};

/** Directories whose programs have the names that they should have. */
const SYSTEM_DIRECTORIES = ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"];
/** `cd` changes where the rest runs; the others change nothing at all. */
const BUILT_IN = new Set(["cd", ":", "true", "false", "pwd", "echo"]);

/** A program of the shell itself. Pure. */
export const isShellBuiltIn = (name: string): boolean => BUILT_IN.has(name);

/**
 * Other commands of the shells. Some systems have programs with these names, which do not run: `printf -v PATH` of bash sets where programs
 * are found, and `test -v 'a[$(command)]'` runs a command.
 */
const SHELL_COMMANDS = new Set(
  (
    ". [ alias bg bind break builtin caller chdir command compgen complete compopt continue declare dirs disown enable eval exec exit export fc fg getopts " +
    "hash help history jobs kill let local logout mapfile popd printf pushd read readarray readonly return set shift shopt source suspend test times trap " +
    "type typeset ulimit umask unalias unset wait"
  ).split(" "),
);

/** A name that the shell takes for a command of its own, whose effect is not that of the program of this name. Pure. */
export const isShellCommand = (name: string): boolean => SHELL_COMMANDS.has(name);

/**
 * Whether a command only shows something. `within`: for each argument, whether it leads to something that the caller may read; every
 * argument of a program that reads files is taken for a path, also the value of a flag. Pure.
 */
export function onlyReads(path: string, args: readonly string[], within: readonly boolean[]): boolean {
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  if (directory !== "" && !SYSTEM_DIRECTORIES.includes(directory)) return false;
  const name = path.slice(path.lastIndexOf("/") + 1);
  const program = Object.hasOwn(READING, name) ? READING[name]! : null;
  if (program === null) return false;
  const { flags, readsFiles, operands, maxOperands = Infinity } = program;
  let isBehindDashes = false;
  let count = 0;
  for (const [at, arg] of args.entries()) {
    if (arg === "--" && !isBehindDashes) isBehindDashes = true;
    else if (arg.startsWith("-") && arg !== "-" && !isBehindDashes) {
      if (!flags.test(arg)) return false;
    } else {
      count += 1;
      if (count > maxOperands || operands?.test(arg) === false) return false;
      if (readsFiles && arg !== "-" && !within[at]) return false;
    }
  }
  return true;
}
