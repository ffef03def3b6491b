"""Programs that run text as code, by table: how each reads its arguments."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

VALUE, EXPANSION = "\0", "\1"
"""In the text of a word: a value of the invocation, and what only the shell knows."""


class WordRole(IntEnum):
    """The role of a word in a command. The higher, the more dangerous."""

    DATA = 0
    OPERAND = 1
    """Data, unless it begins with a dash: options are still read here."""
    COMMAND = 2
    """A program's name: of no program that runs its arguments as code."""
    CODE = 3


class ProgramSyntax(NamedTuple):
    """The syntax of a program's arguments. Options are letters, or whole words with their dashes."""

    code: str = ""
    """Letters of options whose argument is code."""
    takes: str = ""
    """Letters of options with another argument."""
    plain: str = ""
    """Letters of options without argument."""
    flagged: str = ""
    """Letters of options that make the first operand code."""
    code_words: tuple[str, ...] = ()
    takes_words: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    """Options that begin a command, as `-exec` of find."""
    skip: int = 0
    """Operands before those that count."""
    first: WordRole = WordRole.DATA
    """Of the first operand, when no option gave the code."""
    rest: WordRole = WordRole.DATA
    command: bool = False
    """Whether the first operand begins a command."""
    loose: bool = False
    """Whether any later operand may begin it, because options are not known."""
    permutes: bool = False
    """Whether options are read after operands too."""
    long_by_one_dash: bool = False
    reads: bool = False
    """Whether it runs its standard input when it is given no code."""
    is_shell: bool = False
    """Whether its code is shell code."""
    stops: str = ""
    """Letters of options after whose argument all is data."""
    stops_words: tuple[str, ...] = ()
    opens: str = ""
    """Letters of options that make the names of files code, as Perl's -n: it runs `command |`."""
    feeds: bool = False
    """Whether it puts its standard input into the command that it begins, as xargs."""
    guesses: bool = False
    """Whether it is not known, and options such as -c are taken for those of an interpreter."""


_SHELL = ProgramSyntax(
    flagged="c",
    plain="abefhiklmnprstuvxBCDEHPTV",
    takes="oO",
    code_words=("--rcfile", "--init-file"),
    first=WordRole.CODE,
    reads=True,
    is_shell=True,
)
_ALL = ProgramSyntax(first=WordRole.CODE, rest=WordRole.CODE)
_CLIENT = _ALL._replace(reads=True)
WRAPPER = ProgramSyntax(command=True)
"""Begins the command that its operands are, as `nohup` does."""
_LOOSE = ProgramSyntax(command=True, loose=True)
_SCRIPT = ProgramSyntax(first=WordRole.CODE, reads=True)
_FILES = ProgramSyntax(first=WordRole.OPERAND, rest=WordRole.OPERAND, permutes=True)
_PYTHON = _SCRIPT._replace(code="cm", takes="WX", plain="bBdEhiIOPqRsStuvVx", stops="cm")
_PERL = _SCRIPT._replace(code="eEMm", plain="acCDfgiInlpsStTuUvVwWxX0", opens="np")
_RUBY = _SCRIPT._replace(code="er", takes="CEFIKTWx", plain="acdhlnpsSUvwy")
_NODE = _SCRIPT._replace(
    code="epr", takes="C", plain="ichv", code_words=("--eval", "--print", "--require", "--import")
)
_PHP = _SCRIPT._replace(code="rRBEFf", takes="cdtTSzg", plain="aCehHilmnqsvw", code_words=("--run", "--file"))
_R = ProgramSyntax(
    code="ef",
    takes="gd",
    code_words=("--file",),
    stops_words=("--args",),
    first=WordRole.CODE,
    rest=WordRole.CODE,
    reads=True,
)
_OCTAVE = _SCRIPT._replace(takes="p", plain="fhHiqvVW", code_words=("--eval",))
_MATLAB = _SCRIPT._replace(
    code_words=("-r", "-batch"),
    takes_words=("-logfile", "-c", "-sd"),
    stops_words=("-r", "-batch"),
    long_by_one_dash=True,
)
_JULIA = _SCRIPT._replace(
    code="eELm", takes="JpCtOgH", plain="iqhv", code_words=("--eval", "--print", "--load")
)
_JAVA = ProgramSyntax(
    code_words=("-jar", "-cp", "-classpath", "--class-path", "-agentlib", "-javaagent"),
    stops_words=("-jar",),
    first=WordRole.CODE,
    long_by_one_dash=True,
)
_AWK = ProgramSyntax(
    code="fEei",
    takes="vFlWLop",
    plain="bcCghIkMnNOPrsStV",
    code_words=("--file", "--source", "--exec", "--include", "--load"),
    takes_words=("--assign", "--field-separator"),
    first=WordRole.CODE,
)
_SED = ProgramSyntax(
    code="ef",
    takes="l",
    plain="nrEiszub",
    code_words=("--expression", "--file"),
    takes_words=("--line-length",),
    first=WordRole.CODE,
    rest=WordRole.OPERAND,
    permutes=True,
)
_SSH = ProgramSyntax(
    code="oFSEIJ",
    takes="bBcDeiLlmOpPQRwW",
    plain="46AaCfGgKkMNnqsTtVvXxYy",
    skip=1,
    first=WordRole.CODE,
    rest=WordRole.CODE,
    reads=True,
    is_shell=True,
)
_TAR = _FILES._replace(
    code="IF",
    takes="fCbTXgHKLNV",
    plain="AcdrtuxzjJZapPvwkmOShlBGinsUW",
    code_words=(
        "--use-compress-program", "--to-command", "--checkpoint-action", "--rsh-command", "--info-script",
        "--new-volume-script", "--rmt-command",
    ),
    takes_words=("--file", "--directory", "--exclude", "--transform", "--strip-components"),
)  # fmt: skip
_FIND = _FILES._replace(
    commands=("-exec", "-execdir", "-ok", "-okdir"),
    takes_words=(
        "-name",
        "-iname",
        "-path",
        "-ipath",
        "-wholename",
        "-regex",
        "-iregex",
        "-lname",
        "-ilname",
        "-type",
        "-xtype",
        "-maxdepth",
        "-mindepth",
        "-newer",
        "-anewer",
        "-cnewer",
        "-size",
        "-mtime",
        "-mmin",
        "-atime",
        "-amin",
        "-ctime",
        "-cmin",
        "-perm",
        "-user",
        "-group",
        "-uid",
        "-gid",
        "-links",
        "-inum",
        "-samefile",
        "-printf",
        "-fprint",
        "-fprintf",
        "-regextype",
        "-fstype",
    ),
    long_by_one_dash=True,
)
_SU = ProgramSyntax(
    code="c",
    takes="gGsuwT",
    plain="flmPp",
    code_words=("--command", "--session-command"),
    skip=1,
    first=WordRole.CODE,
    rest=WordRole.CODE,
    reads=True,
    is_shell=True,
)
_READS_NAMES = ProgramSyntax(takes="dnOsuc", plain="t", code="C", first=WordRole.CODE)


def _each(names: str, program: ProgramSyntax) -> dict[str, ProgramSyntax]:
    return dict.fromkeys(names.split(), program)


_PROGRAMS: dict[str, ProgramSyntax] = {
    **_each("sh ash bash dash ksh mksh pdksh lksh oksh zsh csh tcsh fish rbash rksh yash posh hush", _SHELL),
    **_each("elvish xonsh pwsh", _SHELL),
    **_each("python pypy ipython bpython fslpython", _PYTHON),
    **_each("awk gawk mawk nawk original-awk igawk", _AWK),
    **_each("sed gsed ssed", _SED),
    "perl": _PERL,
    "ruby": _RUBY,
    **_each("node nodejs", _NODE),
    "php": _PHP,
    "R": _R,
    "Rscript": _SCRIPT._replace(code="e", takes="g"),
    "lua": _SCRIPT._replace(code="el", plain="iEvW"),
    "luajit": _SCRIPT._replace(code="elbjO", plain="iEv"),
    **_each("tclsh wish", _SCRIPT),
    "expect": _SCRIPT._replace(code="cf", plain="bDdinNv"),
    "octave": _OCTAVE,
    "matlab": _MATLAB,
    "scilab": _MATLAB._replace(code_words=("-e", "-f", "-quit"), stops_words=()),
    "julia": _JULIA,
    "java": _JAVA,
    **_each("groovy scala", _SCRIPT._replace(code="e")),
    "dc": _SCRIPT._replace(code="ef", plain="hV"),
    "gnuplot": _SCRIPT._replace(code="ec", plain="pd", rest=WordRole.CODE),
    # all that they are given may be code, also what they read
    **_each(
        "bc m4 sqlite3 psql mysql mariadb ed ex vi vim gdb at batch crontab parallel qsub sbatch", _CLIENT
    ),
    **_each("deno bun clojure ghc ocaml emacs nvim make gmake ninja cmake ant watch oarsub condor_run", _ALL),
    **_each("sage gp wolframscript wolfram math MathKernel root root.exe aliroot stata", _CLIENT),
    "maxima": _CLIENT._replace(code_words=("--batch-string", "--run-string", "--batch", "--init")),
    **_each("guile sbcl clisp racket erl elixir swift osascript powershell cmd.exe socat bsub", _CLIENT),
    **_each("spm spm_standalone run_spm.sh run_spm8.sh run_spm12.sh run_spm25.sh tmux screen", _CLIENT),
    **_each("idl gdl", _MATLAB._replace(code_words=("-e",), stops_words=("-args", "-arg"), takes_words=())),
    **_each("Slicer SlicerApp-real", ProgramSyntax(code_words=("--python-code", "--python-script"))),
    **_each(
        "fiji fiji-linux ImageJ ImageJ-linux imagej",
        ProgramSyntax(code_words=("-eval", "--eval", "-run", "--run"), long_by_one_dash=True),
    ),
    "blender": ProgramSyntax(code="P", code_words=("--python-expr", "--python"), stops_words=("--",)),
    **_each("gimp gimp-console", ProgramSyntax(code="b", code_words=("--batch",))),
    "gs": _SCRIPT._replace(code="c", first=WordRole.OPERAND, rest=WordRole.OPERAND),
    **_each("nc ncat netcat", ProgramSyntax(code="ec", code_words=("--exec", "--sh-exec"))),
    **_each("coverage kernprof", ProgramSyntax(skip=1, first=WordRole.CODE)),
    "ssh": _SSH,
    "su": _SU,
    "runuser": _SU._replace(skip=0, first=WordRole.DATA, rest=WordRole.DATA, command=True, loose=True),
    # files, and options that run programs
    "scp": _FILES._replace(code="oSF", takes="ciJlPX"),
    "sftp": _FILES._replace(code="oSFb", reads=True),
    "rsync": _FILES._replace(
        code="e",
        takes="fTBM",
        plain="aAcdDgGhHiIklLnNoOpPqrRsStuUvWxXyzC",
        code_words=("--rsh", "--rsync-path"),
    ),
    "tar": _TAR,
    "zip": _FILES._replace(code_words=("-TT", "--unzip-command")),
    "sort": _FILES._replace(takes="koStT", plain="bdfgiMhnRrVcCmsuz", code_words=("--compress-program",)),
    "git": _FILES._replace(code="c", takes="C", code_words=("--exec-path", "--upload-pack", "--config")),
    "wget": _FILES._replace(code="e", code_words=("--use-askpass",)),
    "curl": _FILES._replace(code="K", code_words=("--config",)),
    **_each("less more most", _FILES),  # +COMMAND
    "man": _FILES._replace(code="PH", code_words=("--pager", "--html")),
    "tcpdump": _FILES._replace(code="z"),
    "find": _FIND,
    "split": _FILES._replace(takes="abClnt", code_words=("--filter",)),
    "script": _FILES._replace(code="c", code_words=("--command",)),
    # programs that begin another
    "env": WRAPPER._replace(
        code="S", takes="uC", plain="i0v", code_words=("--split-string",), takes_words=("--unset", "--chdir")
    ),
    "nice": WRAPPER._replace(takes="n", takes_words=("--adjustment",)),
    **_each(
        "nohup busybox toybox builtin ! noglob nocorrect catchsegv valgrind linux64 linux32 pkexec", WRAPPER
    ),
    "setsid": WRAPPER._replace(plain="cfw"),
    "ionice": WRAPPER._replace(takes="cnpPu", plain="t"),
    "chrt": WRAPPER._replace(takes="TPD", plain="abfirRmpv", skip=1),
    "taskset": WRAPPER._replace(plain="acp", skip=1),
    "timeout": WRAPPER._replace(takes="ks", plain="fpv", takes_words=("--kill-after", "--signal"), skip=1),
    "stdbuf": WRAPPER._replace(takes="ioe"),
    "time": WRAPPER._replace(takes="fo", plain="apvqV", takes_words=("--format", "--output")),
    "unbuffer": WRAPPER._replace(plain="p"),
    "sudo": WRAPPER._replace(takes="CDghpRrTtUu", plain="AbBEeHiKklnPSsVv", reads=True),
    "doas": WRAPPER._replace(takes="Cu", plain="Lns"),
    **_each("gosu su-exec chroot", WRAPPER._replace(skip=1)),
    "fakeroot": WRAPPER._replace(takes="lfsib"),
    "proot": WRAPPER._replace(takes="rbqwSRkmp", plain="0v"),
    "flock": WRAPPER._replace(
        code="c",
        takes="wE",
        plain="senuoxFv",
        code_words=("--command",),
        skip=1,
        permutes=True,
        is_shell=True,
    ),
    "xargs": WRAPPER._replace(
        takes="adEILnPs",
        plain="0oprtx",
        takes_words=("--max-args", "--max-procs", "--replace", "--delimiter"),
        reads=True,
        feeds=True,
    ),
    "command": WRAPPER._replace(plain="pvV"),
    "exec": WRAPPER._replace(takes="a", plain="cl"),
    "tini": WRAPPER._replace(takes="pe", plain="svwgl"),
    "dumb-init": WRAPPER._replace(takes="r", plain="cv"),
    "xvfb-run": WRAPPER._replace(takes="efnpswl", plain="a"),
    "strace": WRAPPER._replace(takes="eaobEIOpPsSuUX", plain="cCdDfFhikqrtTvVwxyzZ"),
    "ltrace": WRAPPER._replace(takes="eaolnpsuxF", plain="bcCfhiLrStTV"),
    "numactl": WRAPPER._replace(takes="CNmip", plain="al"),
    "unshare": WRAPPER._replace(takes="wSRG"),
    "nsenter": WRAPPER._replace(takes="tSGrw"),
    **_each("mpirun mpiexec srun aprun udocker singularity apptainer conda mamba", _LOOSE),
    **_each("docker podman nerdctl", _LOOSE._replace(code_words=("--entrypoint",))),
    "shell": ProgramSyntax(
        skip=1, first=WordRole.CODE, rest=WordRole.CODE
    ),  # of singularity and apptainer, after the image
    **_each(
        "micromamba pixi uv poetry pipenv bwrap systemd-run firejail entr npx perf setarch coproc", _LOOSE
    ),
    **_each(
        "prlimit cgexec dbus-run-session gtime faketime eatmydata chpst s6-setuidgid start-stop-daemon",
        _LOOSE,
    ),
    # what the shell itself evaluates
    "eval": _ALL._replace(is_shell=True),
    **_each("let alias complete compgen bind enable hash fc history autoload zmodload sched shift [[", _ALL),
    **_each("unset declare typeset local export readonly integer float", _ALL),
    "trap": ProgramSyntax(plain="lp", first=WordRole.CODE, is_shell=True),
    **_each(". source", ProgramSyntax(first=WordRole.CODE)),
    "read": _ALL._replace(code="a", takes="dinNptu", plain="ers"),
    **_each("readarray mapfile", _READS_NAMES),
    "printf": ProgramSyntax(code="v", first=WordRole.OPERAND),
    "wait": ProgramSyntax(code="p"),
    "getopts": ProgramSyntax(skip=1, first=WordRole.CODE),
}
UNKNOWN, GUESSED = ProgramSyntax(), ProgramSyntax(guesses=True)
_version = re.compile(r"[-.]?\d[\d.]*$")
_python = re.compile(r"\w+python$")
runs_arguments = re.compile(
    r"(?:-m)?(?:timeit|pdb|c?[pP]rofile|trace|runpy|code|IPython|ipdb|debugpy|viztracer|memory_profiler)"
).fullmatch
"""Whether a module of Python, of `-m`, runs what it is given."""
_octave = re.compile(r"octave-cli$|octave-gui$")
assigns = re.compile(r"[A-Za-z_]\w*\+?=").match
"""Whether a word sets a variable."""
is_run = re.compile(
    r"PATH|ENV|BASH_ENV|IFS|PS[0-4]|PROMPT_COMMAND|SHELL|SHELLOPTS|BASHOPTS|CDPATH|FPATH|ZDOTDIR|LD_\w+|DYLD_\w+"
    r"|PAGER|EDITOR|VISUAL|BROWSER|LESSOPEN|LESSCLOSE|TAR_OPTIONS|GIT_\w+|RSYNC_RSH|PERL5?(?:LIB|OPT|DB)"
    r"|PYTHON\w+|RUBY(?:LIB|OPT)|NODE_(?:OPTIONS|PATH)|(?:_JAVA|JDK_JAVA|JAVA_TOOL)_OPTIONS|CLASSPATH|LUA_\w+"
    r"|MAKEFLAGS|MATLABPATH|OCTAVE_PATH|R_(?:PROFILE|ENVIRON|LIBS)\w*|AWKPATH|AWKLIBPATH|GCONV_PATH|HISTFILE"
).fullmatch
"""Whether a variable of this name is run, or tells where programs and libraries are found."""
_RESERVED = frozenset(
    [
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "case",
        "esac",
        "while",
        "until",
        "for",
        "in",
        "select",
        "function",
        "coproc",
        "time",
        "test",
        "set",
    ]
)


def program_of(text: str) -> ProgramSyntax | None:
    """Find the entry of a command word, or None when it is no evaluator."""
    name = text.rpartition("/")[2]
    bare = _version.sub("", name)
    for known in (name, bare, _octave.sub("octave", name), _python.sub("python", bare)):
        if known in _PROGRAMS:
            return _PROGRAMS[known]
    return None


def can_be_command(name: str) -> bool:
    """Say whether a value may be the name of a program: of none in the table, and no word of the shell's
    own.
    """
    return not (program_of(name) or assigns(name) or name in _RESERVED)


def completes(name: str) -> bool:
    """Say whether a value within a name can make it that of a program in the table, as `ba[A]` does."""
    pieces = name.split(VALUE)
    pattern = re.compile(".*".join(map(re.escape, pieces)))
    return any(pieces) and any(pattern.fullmatch(known) for known in _PROGRAMS)
