"""Which values would be run as code: both sides, by lines of shell that are run."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from engine.planning import CompiledTool, InvocationError
from engine.planning.positions import Position, positions
from engine.planning.shell import Context
from engine.planning.template import Keys
from tests.planning.attack import Victim, payloads
from tests.planning.field_lines import FIELD_CODE, FIELD_DATA
from tests.planning.samples import file, number, text, tool_of

DATA = [
    *FIELD_DATA,
    "tool [A]",
    "x=1; tool [A]",
    "tool $(cat [A])",
    'tool "$(cat [A])"',
    "tool x[A]y",
    "(cd x && tool [A])",
    "tool '[A]'",
    'tool "$x [A]"',
    'if [ -z "[A]" ]; then x; fi',
    'python3 run.py --input "[A]"',
    "tool -mc [A]",
    "tool --mode local [A]",
    "python3 -u -m mod [A]",
    'sh run.sh "[A]"',
    "bash -c 'tool \"$1\"' _ [A]",
    "python3 -c 'import sys; print(sys.argv[1])' [A]",
    "awk '{print $1}' [A]",
    "awk -v x=[A] '{print x}' f",
    "sed 's/a/b/' [A]",
    "sed -e s/x/y/ -- [A]",
    "cat [A] | awk '{print $1}' > f",
    "matlab -batch run [A]",
    "echo [A] | xargs tool",
    "find . -name [A]",
    "find . -name [A] -exec sh run.sh {} \\;",
    "timeout 10 tool [A]",
    "env X=1 tool [A]",
    "time tool [A]",
    'for x in [A] b; do tool "$x"; done',
    'x=[A]; tool "$x"',
    'f() { tool "$1"; }; f [A]',
    "cat <<EOF > f\nx\nEOF\ntool [A]",
    "tool [A] 2>&1 | tee log",
    "export X=[A]; tool",
    "declare -a x=[A]",
    "ssh -V; tool [A]",
    "singularity exec img.sif python run.py [A]",
    "mpirun -np 4 tool [A]",
    "case [A] in x) y;; esac",
    "test -f [A] && tool",
    "[ -f [A] ] && tool",
    "$FSLDIR/bin/bet [A]",
    "${FSLDIR}/bin/bet -r [A]",
    "tool <<< [A]",
    "tool > [A]",
    "tool < [A]",
    "java -jar x.jar [A]",
    "Rscript x.R [A]",
    "perl x.pl [A]",
    'tool "[L]"',
    "tool [L]",
    "mkdir [A] && cd [A] && tool",
    "tar xzf [A]",
    "tar -C [A] -xf x.tar",
    "unzip -d [A] x; tool",
    "X=[A] tool",
    "sh -c 'x \"$@\"' _ [L]",
    "export PATH=/opt/bin:$PATH; tool [A]",
    'x="$(basename [A] .nii.gz)"; tool "$x"',
    'x=[A]; if [ "$x" = "y" ]; then tool; fi',
    'for f in [L]; do tool "$f" || exit 1; done',
    'n=[A]; for i in $(seq 1 "$n"); do tool $i; done',
    'mkdir -p [A]; cp x [A]/; cd [A]; python3 /app/run.py --in ../x --label "[A]"',
    'unzip [A] -d in && find in -name "*.nii" -exec tool {} \\;',
    'tar -xzf "[A]" -C out',
    "ls [A] | head -n 1 | xargs -I{} tool {}",
    "cat [A] | python3 run.py",
    "echo \"[A]\" | sed 's/x/y/'",
    'echo "[A]" > params.txt; python3 run.py params.txt',
    'echo \'{"a": "[A]"}\' > c.json; tool c.json',
    "/opt/mcr/run_tool.sh /opt/mcr/v95 [A]",
    "bash /opt/run.sh [A] [B]",
    "bash -l -c 'source x; tool \"$@\"' bash [A]",
    "singularity run img [A]",
    "xvfb-run -a tool [A]",
    "timeout -k 5 1h tool [A]",
    "time -p tool [A]",
    "set -e; tool [A]",
    "source /opt/fsl.sh; bet [A]",
    "conda run -n base python run.py [A]",
    "awk '{x}' x=[A] f",
    "env A=[A] tool",
    "sudo -u [A] tool",
    "java -cp x Main [A]",
    "sh run.sh <<< [A]",
    "python3 script.py < <(echo [A])",
    'tool "[A]" && eval "$OUT"',
    'declare x="[A]"; tool "$x"',
    "find . -type f | xargs -n 1 sh run.sh [A]",
    "echo [A] | xargs python3 run.py",
    "echo [A] | xargs -n1 sh -c 'tool \"$1\"' _",
    "if tool [A]; then echo ok > [A].log; fi",
    "tool [A] | tee [A].log",
    "(tool [A]; echo $?) > log 2>&1",
    "wait; tool [A] & wait",
    'OUT=[A]; mkdir -p "$OUT"; cd "$OUT" || exit 1',
    "python - <<END\nprint(1)\nEND\ntool [A]",
    "jq '.x' [A] > y",
    'cut -d, -f1 [A] | sort -u | while read x; do tool "$x"; done',
    "grep -e [A] f",
    "ln -s [A] x.nii; tool x.nii",
    'test -z "[A]" || tool [A]',
]
"""Values are arguments here: whatever is quoted is accepted."""
CODE = [
    *FIELD_CODE,
    "bash -c -- [A]",
    "awk [A]",
    "awk [A] f",
    "sed s/x/[A]/ f",
    "sed -n [A] f",
    "python3 <<< [A]",
    "source <(echo [A])",
    "[ -v [A] ]",
    "test -v [A]",
    "printf -v [A] x",
    "$SHELL -c [A]",
    '"$SHELL" -c "[A]"',
    "flock f -c [A]",
    "flock -w 3 f sh -c [A]",
    "env sh -c [A]",
    "env A=1 sh -c '[A]'",
    "timeout 10 bash -c [A]",
    "nohup nice -n 5 sh -c [A]",
    "sudo -u x sh -c [A]",
    "find . -exec sh -c [A] \\;",
    "xargs -I{} sh -c [A]",
    "echo [A] | sh",
    "echo [A] | cat | sh -s",
    "{ echo [A]; } | bash",
    "sh < [A]",
    "bash <(echo [A])",
    ". [A]",
    "eval [A]",
    'eval "$(echo [A])"',
    'x=[A]; eval "$x"',
    'x=[A]; y=$x; sh -c "$y"',
    "for x in [A]; do eval $x; done",
    'f() { eval "$1"; }; f [A]',
    "echo [A] | while read x; do eval $x; done",
    "echo [A] > f.sh; sh f.sh",
    "echo [A] > run.m; matlab -batch run",
    "python3 -c [A]",
    "python3 -c \"print('[A]')\"",
    'python3 -c"[A]"',
    "perl -ne [A]",
    "perl -ne 'print' [A]",
    "perl -pi -e [A] f",
    "ruby -e [A]",
    "node -e [A]",
    "node --eval=[A]",
    "Rscript -e [A]",
    "R -e [A]",
    "octave --eval [A]",
    'matlab -r "x [A]"',
    "php -r [A]",
    "lua -e [A]",
    "julia -e [A]",
    "ssh host [A]",
    "watch [A]",
    "parallel [A] ::: x",
    "trap [A] EXIT",
    "let x=[A]",
    "declare [A]",
    "export [A]",
    "unset [A]",
    "read [A]",
    "[[ [A] -eq 1 ]]",
    "((x=[A]))",
    "echo $((x+[A]))",
    "x=[A]; echo $((x+1))",
    "x[[A]]=1",
    "PATH=[A] tool",
    "BASH_ENV=[A] bash x",
    "PS4=[A]; set -x",
    "busybox sh -c [A]",
    "exec sh -c [A]",
    "command eval [A]",
    "builtin eval [A]",
    "! eval [A]",
    "time sh -c [A]",
    "coproc sh -c [A]",
    "su x -c [A]",
    "script -c [A] f",
    "sh [A] [B]",
    "sh [B] [A]",
    "python3 [B] [A]",
    "bash [B] -c [A]",
    "tool & sh -c [A]",
    "if true; then sh -c [A]; fi",
    "alias x=[A]",
    "make [A]",
    'sqlite3 db "[A]"',
    "gdb -ex [A]",
    "sort --compress-program=[A] f",
    "tar --to-command=[A] -xf x",
    "rsync -e [A] a b",
    "zsh -c [A]",
    "/usr/bin/env -S sh -c [A]",
    "tool &> f [A]",
    "$(which python3) -c [A]",
    'sh -c "$(cat [A])"',
    'echo "[A]" >> $HOME/run.sh; bash $HOME/run.sh',
    "sh -ec [A]",
    "sh -c x[A]",
    "sh -e -- [A]",
    "bash --rcfile [A] -i",
    "bash -O extglob -c [A]",
    "PERL5OPT=[A] perl x",
    "bash > log -c [A]",
    "cat <<EOF | sh\n[A]\nEOF",
    "printf '%s' [A] | bash",
    "tee x.sh <<< [A]; sh x.sh",
    "echo [A] | tee x.sh; sh x.sh",
    "x=$(echo [A]); $x",
    'x="$(echo [A])"; eval "$x"',
    'read x <<< [A]; eval "$x"',
    'printf -v x %s [A]; eval "$x"',
    "sh -c 'sh -c \"$1\"' _ [A]",
    "export X=[A]; sh -c 'eval \"$X\"'",
    "x=[A]; echo ${!x}",
    'set -- [A]; eval "$1"',
    'sh -c "eval \\"\\$0\\"" [A]',
    'a=(x [A]); eval "${a[1]}"',
    "echo [A] > /tmp/t; . /tmp/t",
    "cat [A] > x.py && python3 x.py",
    "[ [A] -eq 1 ]",
    "[[ -v [A] ]]",
    "[[ $x -eq 1 && [A] ]]",
    "x=[A]; [[ $x -eq 1 ]]",
    'sh -c ": $(echo [A])"',
    "gawk -e [A]",
    "sed --expression=[A]",
    "sed -f [A]",
    "sed -i.bak -e [A] f",
    "/usr/bin/python3.11 -c [A]",
    "python -Wignore -c [A]",
    "python3 -X dev -c [A]",
    "xargs -n 1 -I {} bash -c '[A]'",
    "conda run -n env python -c [A]",
    "srun -n 4 bash -c [A]",
    "docker run -it image sh -c [A]",
    "Y=sh; $Y -c [A]",
    "bash -ic [A]",
    "bash -l -c [A]",
    "bash -x [A]",
    "chroot / sh -c [A]",
    "strace -f sh -c [A]",
    "vim -c [A]",
    "emacs --eval [A]",
    "gnuplot -e [A]",
    "bc <<< [A]",
    "echo [A] | bc",
    "crontab [A]",
    "dc -e [A]",
    "echo [A] | xargs sh -c",
    "echo [A] | xargs -I{} sh -c 'tool {}'",
    "echo [A] | xargs python3 -c",
    "echo [A] | xargs -n1 bash",
    "echo [A] | python3 -",
    "echo [A] | python3 /dev/stdin",
    "awk -f /dev/stdin <<< [A]",
    "sed -f - <<< [A]",
    "VAR=[A] sh -c '$VAR'",
    'x=$(echo [A] | tr a b); eval "$x"',
    'while read -r l; do sh -c "$l"; done <<< "[A]"',
    'a=([A]); "${a[@]}"',
    'set -- [A]; "$@"',
    'f(){ "$@"; }; f [A]',
    "f(){ $1; }; f [A]",
    'export "[A]=x"',
    "env [A]=x tool",
    "read -r x <<< [A]; $x",
    'mapfile -t a <<< [A]; "${a[0]}"',
    'IFS=, read a b <<< "[A]"; eval $b',
    "echo [A] > Makefile; make",
    "echo [A] >> ~/.bashrc; bash -l",
    'printf "%s" "[A]" > x; bash x',
    "eval $(tool --x [A])",
    "bash -c 'echo '[A]",
    'if [ 1 ]; then x=[A]; fi; eval "$x"',
    "x=[A]; f() { eval $x; }; f",
    "{ echo a; echo [A]; } > s.sh; . ./s.sh",
    "(echo [A]) | sh",
    "cat x [A] | sh",
    "echo [A] | sudo -S sh",
    "echo [A] | su x",
    "echo [A] | env -i bash",
    "echo [A] | timeout 5 sh",
    "exec bash -c [A]",
    "sh -c 'eval $0' [A]",
    "bash -c 'x=$1; eval \"$x\"' _ [A]",
    'bash -c \'f() { eval "$1"; }; f "$1"\' _ [A]',
    "python3 -c 'import os' ; python3 -c[A]",
    'echo [A] | while read x; do sh <<< "$x"; done',
    'x=[A]; sh <<< "$x"',
    'x=[A]; echo "$x" | sh',
    'x=[A]; echo "$x" > f.sh; sh f.sh',
    'x=[A]; awk "$x" f',
    "x=[A]; $x",
    "x=[A]; ${x}",
    "x=[A]; let y=x",
    "x=[A]; (( y = x ))",
    "x=[A]; a[$x]=1",
    "x=[A]; echo ${a[$x]}",
    "x=[A]; echo ${y:$x}",
    "x=[A]; export PATH=$x:$PATH; tool",
    'x=[A]; python3 -c "print($x)"',
    "time -p sh -c [A]",
    "! sh -c [A]",
    "if sh -c [A]; then x; fi",
    "while sh -c [A]; do x; done",
    "sh -c x && sh -c [A]",
    "y=$(sh -c [A])",
    'tool "$(sh -c [A])"',
    "tool <(sh -c [A])",
    "case x in x) sh -c [A];; esac",
    "f() { sh -c [A]; }; f",
    "select x in [A]; do eval $x; done",
    "until eval [A]; do x; done",
    "unset x[[A]]",
    'ssh -t host "cd x && tool [A]"',
    "ssh host -- [A]",
    "tar xf x --checkpoint-action=exec=[A]",
    'tar xf x --to-command "[A]"',
    "stdbuf -oL sh -c [A]",
    "nice -n 10 sh -c [A]",
    "nice -10 sh -c [A]",
    "ionice -c 3 sh -c [A]",
    "/usr/bin/time -v sh -c [A]",
    "gawk -i [A] x",
    "mawk -W exec [A]",
    "perl -M[A] x",
    "ruby -r[A] x",
    "php -d x=y -r [A]",
    "Rscript --vanilla -e [A]",
    "octave-cli --eval [A]",
    "matlab -nodisplay -nosplash -r [A]",
    "julia --project=. -e [A]",
    "node --print [A]",
    "lua5.3 -e [A]",
    "python3.11 -Ic [A]",
    "sh -o errexit -c [A]",
    "sh +e -c [A]",
    "bash --norc --noprofile -c [A]",
    'bash --posix -c "[A]"',
    "env -u X -i sh -c [A]",
    "env --unset=X sh -c [A]",
    "xargs -r -n 1 sh -c [A]",
    "parallel -j 2 [A]",
    "find . -ok sh -c [A] \\;",
    "find . -name x -exec env sh -c [A] {} +",
    "busybox ash -c [A]",
    "toybox sh -c [A]",
    "chroot /x /bin/sh -c [A]",
    "docker exec -it c bash -c [A]",
    'apptainer exec --bind /x:/y i.sif bash -c "[A]"',
    "srun --mpi=pmi2 bash -c [A]",
    "mpirun --oversubscribe -np 2 -x PATH bash -c [A]",
    "uv run python -c [A]",
    "conda run -n base bash -c [A]",
]
"""Values are run here, by this command or a later one."""
COMMANDS = [
    "env -i [A]",
    "[A]",
    "[A] x",
    "[A] [B]",
    "xargs [A]",
    "nice [A]",
    "exec [A]",
    "command [A]",
    '"[A]" x',
    "'[A]'",
]
"""Values name the program here."""


def tool_with(line: str) -> CompiledTool:
    return tool_of(line, text("a"), text("b", optional=True), text("l", list=True, optional=True))


def places_of(line: str) -> list[Position]:
    tool = tool_with(line).tool
    return [place for some in positions(tool, Keys(tool)) for place in some.values()]


@pytest.mark.parametrize("line", DATA)
def test_arguments_of_programs_are_no_code(line: str) -> None:
    places = places_of(line)
    assert places
    assert all(place.context is not Context.EXPOSED and not place.is_command for place in places)


@pytest.mark.parametrize("line", CODE)
def test_a_value_that_is_run_may_only_have_harmless_characters(line: str) -> None:
    compiled = tool_with(line)
    assert compiled.exposed, line
    compiled.expand({"a": "sub-01_T1w.nii.gz"})
    for payload in payloads(["[A]"]):
        with pytest.raises(InvocationError, match=r"only letters, digits and|cannot begin with -"):
            compiled.expand({"a": payload})


@pytest.mark.parametrize("line", COMMANDS)
def test_a_value_that_names_the_program_cannot_be_one_that_runs_code(line: str) -> None:
    compiled = tool_with(line)
    assert "bet" in compiled.expand({"a": "bet", "b": "x"}).command_line
    for name in ("sh", "/bin/bash", "eval", "python3.11", "env", "X=1", "if", "-c"):
        with pytest.raises(InvocationError, match=r"cannot be chosen by a value|cannot begin with -"):
            compiled.expand({"a": name, "b": "x"})


@pytest.mark.whole  # thousands of shells, most of which start another program
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_nothing_of_the_attackers_runs_in_any_of_these_lines(shell: str, tmp_path: Path) -> None:
    victim, ran = Victim(tmp_path), 0
    for line in [*DATA, *CODE, *COMMANDS]:
        compiled = tool_with(line)
        for payload in payloads(["[A]", "[B]"]):
            with contextlib.suppress(InvocationError):
                rendered = compiled.expand({"a": payload, "b": payload, "l": [payload, payload]}).command_line
                assert victim.run(shell, rendered) == [], rendered
                ran += 1
    assert ran > 1000


def test_a_number_and_a_choice_of_the_author_are_accepted_in_code() -> None:
    tool = tool_of("awk [A] [N]", text("a", **{"value-choices": ["{print $1}"]}), number("n"))
    assert tool.expand({"a": "{print $1}", "n": -1}).command_line == "awk '{print $1}' -1"


def test_where_a_program_still_reads_options_a_value_cannot_be_one() -> None:
    compiled = tool_of("sed 's/a/b/' [A]", text("a"))
    assert compiled.expand({"a": "my file"}).command_line == "sed 's/a/b/' 'my file'"
    assert compiled.expand({"a": "-"}).command_line == "sed 's/a/b/' -"
    with pytest.raises(InvocationError, match="input a: '-e1e touch x' would be an option"):
        compiled.expand({"a": "-e1e touch x"})
    guarded = tool_of("sed 's/a/b/' -- [A]", text("a"))
    assert guarded.expand({"a": "-e1e touch x"}).command_line == "sed 's/a/b/' -- '-e1e touch x'"


def test_an_absent_value_lets_the_next_take_its_place() -> None:
    optional: dict[str, Any] = {"optional": True}
    assert tool_of("sh [B] [A]", text("a"), file("b", **optional)).exposed == ("b", "a")
    assert tool_of("sh [B] [A]", text("a"), file("b")).exposed == ("b",)
    assert tool_of("tool [B] [A]", text("a"), file("b", **optional)).exposed == ()


def test_a_flag_may_be_the_option_before_code() -> None:
    flagged = text("a", **{"command-line-flag": "-c", "command-line-flag-separator": " "})
    assert tool_of("python3 [A]", flagged).exposed == ("a",)
    assert tool_of("tool [A]", flagged).exposed == ()


def test_those_who_share_a_key_are_judged_one_by_one() -> None:
    one = text("a", optional=True)
    other = text("b", optional=True, **{"value-key": "[A]", "command-line-flag": "-e"})
    assert tool_of("sed -n -e x [A]", one, other).exposed == ("b",)


def test_a_line_that_cannot_be_parsed_takes_harmless_values_only() -> None:
    assert tool_of("tool ( [A]", text("a")).exposed == ("a",)


def test_no_value_ends_a_here_document() -> None:
    compiled = tool_of("cat <<END > f\n[A]\n[B]\nEND\n", text("a"), text("b"))
    compiled.expand({"a": "x", "b": "y"})
    for value in ("END", "EN", "D"):
        with pytest.raises(InvocationError, match="could end the here-document"):
            compiled.expand({"a": value, "b": "reboot"})
    inside = tool_of("cat <<END > f\nlabel = [A]\nEND\n", text("a"))
    assert "label = END" in inside.expand({"a": "END"}).command_line


def test_after_a_here_document_values_are_arguments_again() -> None:
    compiled = tool_of("cat <<'END' > f\nx\nEND\ntool [A]", text("a"))
    assert compiled.expand({"a": "my file"}).command_line.endswith("tool 'my file'")
