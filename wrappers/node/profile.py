"""Reading /etc/profile of an image, without the job being ended or moved by it.

bosh runs scripts in containers by `/bin/sh -l`, so images rely on what /etc/profile sets up. But Debian's
and Alpine's /etc/profile replace PATH, and with it the image's own ENV PATH (measured:
`PATH=/opt/conda/bin:/bin sh -l -c 'echo $PATH'` has lost /opt/conda/bin). Hence the profile is read by hand,
and the PATH from before goes in front of it. Others change the directory, set options under which a job ends
at the first failing command, or end the shell themselves: a shell of its own tries the profile first, and
where it does not come to the end, only the variables that it exported are taken.
"""

_AFTER = (
    'set +aCefuvx; trap - 0 1 2 3 15; umask "$engine_umask"; command cd "$engine_directory"; '
    'PATH="${engine_path:+$engine_path:}$PATH"; export PATH'
)
_TRIAL = (
    'exec 3>&1 >/dev/null 2>&1 </dev/null; trap "export -p >&3" 0; '
    f". /etc/profile; {_AFTER}; printf whole >&3"
)
READ = (
    "engine_path=$PATH engine_directory=$PWD engine_umask=$(umask); if [ -r /etc/profile ]; then "
    "engine_told=$(engine_path=$engine_path engine_directory=$engine_directory engine_umask=$engine_umask "
    f"/bin/sh -c '{_TRIAL}'); "
    'if [ "$engine_told" = whole ]; then . /etc/profile; else eval "$engine_told"; '
    'echo "/etc/profile of the image ends the shell: only variables that it exports are set" >&2; fi; '
    f"{_AFTER}; fi; unset engine_path engine_directory engine_umask engine_told\n"
)
"""What a shell does first, in one line."""
