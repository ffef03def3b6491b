#!/bin/sh
# Runs the wrapper beside this file by the first Python that can load it: as things are, else without LD_LIBRARY_PATH
# and LD_PRELOAD, else one that lacks only ssl or ctypes. Where there is none, `run` still answers: a report of class
# "node" for each manifest, and exit code 71. At SIGTERM before that, likewise: "cancelled", and 143. (No function is
# called before `refuse` but in a subshell: in one, "$@" of the trap is the function's.) What is on a mount that does
# not answer (CVMFS, NFS) is passed over.
case $0 in /*) here=${0%/*} ;; */*) here=$PWD/${0%/*} ;; *) here=$PWD ;; esac
refuse() {
    trap '' TERM INT && unset LD_LIBRARY_PATH LD_PRELOAD
    PATH=/usr/bin:/bin:${PATH-} code=$4 into=. manifests='' index=0 count=-1 number=0
    message="$3$(printf '%s\n' "$why$silent" | tail -n 1 | LC_ALL=C tr -cd 'A-Za-z0-9 ._:,/()=-')"
    said='"outcome":"failed","version":1,"failure":"'$1'","cause":"'$2'","message":"'$message'"'
    echo "launch.sh: $message" >&2
    while [ $# -gt 4 ]; do
        case $5 in --manifests) manifests=$6 ;; --into) into=$6 ;; --index) index=$6 ;; --count) count=$6 ;; esac
        shift
    done
    [ -r "$manifests" ] && mkdir -p "$into" || exit "$code"
    while IFS= read -r line || [ -n "$line" ]; do
        # Canonical JSON begins with the attempt's id; its sha256 says which orders were read.
        attempt=$(printf '%s\n' "$line" | sed -n 's/^{"attempt":"\([A-Za-z0-9_][A-Za-z0-9._@:+-]*\)".*/\1/p')
        [ -n "$attempt" ] && number=$((number + 1)) && [ "$number" -gt "$index" ] || continue
        [ "$count" -lt 0 ] || [ "$number" -le $((index + count)) ] || continue
        sum=$(printf %s "$line" | sha256sum 2>/dev/null | cut -d' ' -f1)
        printf '{"attempt":"%s","host":{"name":"%s"},"manifest_sha256":"%s",%s}' "$attempt" "$(uname -n)" "$sum" \
            "$said" >"$into/$attempt.part" && mv -f "$into/$attempt.part" "$into/$attempt.report.json"
    done <"$manifests"
    exit "$code"
}
trap 'why= silent=; refuse cancelled cancelled "cancelled before it started" 143 "$@"' TERM INT
# Says "=PYTHON", the first of a pattern that can load the wrapper, or why none can, or "late". A child looks: on a mount
# that hangs, no signal may reach it. It keeps nothing open that others wait for, and is left alone then.
look() {
    {
        (unset LD_LIBRARY_PATH LD_PRELOAD && exec /bin/sleep "$limit") &
        timer=$! said=
        {
            IFS=
            for python in $1; do
                command -v "$python" >/dev/null || continue
                said=$("$python" -I -S -c "$load" "$here/wrapper.pyz" 2>&1) && said="=$python" && break
            done
            printf '%s\n' "${said##*$newline}"
            kill "$timer"
        } &
        wait "$timer" && echo late || wait
    } 2>/dev/null | { IFS= read -r said && printf '%s\n' "$said"; }
}
why='' silent='' limit=30 newline='
'
for needs in 'ssl, ctypes,' 'ctypes, ssl,' ''; do
    [ "$needs" = 'ssl, ctypes,' ] || unset LD_LIBRARY_PATH LD_PRELOAD
    load="import sys; sys.path.insert(0, sys.argv[1]); import $needs zlib, hashlib, wrappers.__main__"
    for place in ${ENGINE_PYTHON:+"$ENGINE_PYTHON"} python3 /usr/libexec/platform-python \
        ${DIRACOS:+"$DIRACOS/bin/python"} /usr/bin/python3 /usr/local/bin/python3 \
        '/cvmfs/dirac.egi.eu/dirac/*/Linux-*/bin/python3' '/opt/rh/rh-python3*/root/usr/bin/python3'; do
        case $silent in *" $place does not answer."*) continue ;; esac
        said=$(look "$place")
        case $said in
            =*) exec "${said#=}" -I -S "$here/wrapper.pyz" "$@" ;;
            late) silent="$silent $place does not answer." limit=10 ;; # several may be on one mount
            ?*) why=$said ;;
        esac
    done
done
refuse node no-python 'no Python 3.6 or newer on this node works (ENGINE_PYTHON names one). ' 71 "$@"
