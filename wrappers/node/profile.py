"""Reading /etc/profile of an image, without the job being ended or moved by it.

bosh runs scripts in containers by `/bin/sh -l`, so images rely on what /etc/profile sets up. But Debian's
and Alpine's /etc/profile replace PATH, and with it the image's own ENV PATH (measured:
`PATH=/opt/conda/bin:/bin sh -l -c 'echo $PATH'` has lost /opt/conda/bin). Hence the profile is read by
hand, and the PATH from before goes in front of it. Others change the directory, set options under which a
job ends at the first failing command, send its output elsewhere, or end the shell themselves: a shell of
its own tries the profile first, and where it does not come to the end, only the variables that it exported
are taken.

What the trial finds goes through a file beside the script, not through a pipe: nobody waits for a process
that the profile leaves in the background.
"""

REPORTED = ".profile"
"""What the name of the script is followed by in that of the file."""

_AFTER = (
    'set +aCefuvx; trap - 1 2 3 15; unset IFS; umask "$engine_umask"; command cd "$engine_directory"; '
    'PATH="${engine_path:+$engine_path:}$PATH"; export PATH'
)
_TRIAL = (
    f'engine_told=$0{REPORTED}; trap "export -p >\\"\\$engine_told\\"" 0; '
    f'. /etc/profile; {_AFTER}; trap - 0; command echo engine_told=whole >"$engine_told"'
)
_READ = (
    "exec 7<&0 8>&1 9>&2; . /etc/profile; trap - 0; exec <&7 >&8 2>&9 7<&- 8>&- 9>&-",
    'echo "/etc/profile of the image ends the shell: only variables that it exports are set" >&2',
)
READ = (
    "if [ -r /etc/profile ]; then engine_path=$PATH engine_directory=$PWD engine_umask=$(umask); "
    "engine_path=$engine_path engine_directory=$engine_directory engine_umask=$engine_umask "
    f"""/bin/sh -c '{_TRIAL}' "$0" </dev/null >/dev/null 2>&1; """
    f'engine_told=; if [ -r "$0{REPORTED}" ]; then . "$0{REPORTED}"; fi; '
    f'if [ "$engine_told" = whole ]; then {_READ[0]}; else {_READ[1]}; fi; '
    f"{_AFTER}; fi; unset engine_path engine_directory engine_umask engine_told\n"
)
"""What a shell does first, in one line."""
