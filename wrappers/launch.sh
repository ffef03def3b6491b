#!/bin/sh
# Finds a Python for the wrapper beside this file and runs it with our arguments. Where there is none, `run`
# still answers: a report of failure class "node" for each manifest, and exit code 71. At SIGTERM before that,
# likewise: class "cancelled", and 143. (No function before `refuse`: in one, "$@" of the trap is the function's.)
here=$(cd "$(dirname "$0")" && pwd) || exit 71
refuse() {
    class=$1 message=$2 code=$3 into=. manifests='' index=0 count=-1 number=0
    trap '' TERM INT
    shift 3
    echo "launch.sh: $message" >&2
    while [ $# -gt 0 ]; do
        case $1 in
            --manifests) manifests=$2; shift ;;
            --into) into=$2; shift ;;
            --index) index=$2; shift ;;
            --count) count=$2; shift ;;
        esac
        shift
    done
    [ -r "$manifests" ] && mkdir -p "$into" || exit "$code"
    while IFS= read -r line || [ -n "$line" ]; do
        # Canonical JSON begins with the attempt's id; its sha256 says which orders were read.
        attempt=$(printf '%s\n' "$line" | sed -n 's/^{"attempt":"\([A-Za-z0-9_][A-Za-z0-9._@:+-]*\)".*/\1/p')
        [ -n "$attempt" ] && number=$((number + 1)) && [ "$number" -gt "$index" ] || continue
        [ "$count" -lt 0 ] || [ "$number" -le $((index + count)) ] || continue
        sum=$(printf %s "$line" | sha256sum 2>/dev/null | cut -d' ' -f1)
        printf '{"attempt":"%s","failure":"%s","host":{"name":"%s"},"manifest_sha256":"%s","message":"%s",%s}' \
            "$attempt" "$class" "$(uname -n)" "$sum" "$message" '"outcome":"failed","version":1' \
            >"$into/$attempt.part" && mv "$into/$attempt.part" "$into/$attempt.report.json"
    done <"$manifests"
    exit "$code"
}
trap 'refuse cancelled "cancelled before it started" 143 "$@"' TERM INT
for python in ${ENGINE_PYTHON:+"$ENGINE_PYTHON"} python3 /usr/libexec/platform-python \
    ${DIRACOS:+"$DIRACOS/bin/python"} /usr/bin/python3 /usr/local/bin/python3 \
    /cvmfs/dirac.egi.eu/dirac/*/Linux-"$(uname -m)"/bin/python3 /opt/rh/rh-python3*/root/usr/bin/python3; do
    "$python" -I -S -c 'import sys, zlib, hashlib; sys.exit(sys.version_info < (3, 6))' >/dev/null 2>&1 &&
        exec "$python" -I -S "$here/wrapper.pyz" "$@"
done
refuse node "no Python 3.6 or newer on this node (set ENGINE_PYTHON to one)" 71 "$@"
