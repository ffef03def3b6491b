#!/bin/sh
# Finds a Python for the wrapper beside this file and runs it with our arguments. Where there is none,
# `run` still answers: a report of failure class "node" for each manifest, and exit code 71.
here=$(cd "$(dirname "$0")" && pwd) || exit 71
fits() {
    "$1" -I -S -c 'import sys, zlib, hashlib; sys.exit(sys.version_info < (3, 6))' >/dev/null 2>&1
}
for python in ${ENGINE_PYTHON:+"$ENGINE_PYTHON"} python3 /usr/libexec/platform-python \
    ${DIRACOS:+"$DIRACOS/bin/python"} /usr/bin/python3 /usr/local/bin/python3 \
    /cvmfs/dirac.egi.eu/dirac/*/Linux-"$(uname -m)"/bin/python3 /opt/rh/rh-python3*/root/usr/bin/python3; do
    fits "$python" && exec "$python" -I -S "$here/wrapper.pyz" "$@"
done
message="no Python 3.6 or newer on this node (set ENGINE_PYTHON to one)"
echo "launch.sh: $message" >&2
into=. manifests='' index=0 count=-1 number=0
while [ $# -gt 0 ]; do
    case $1 in
        --manifests) manifests=$2; shift ;;
        --into) into=$2; shift ;;
        --index) index=$2; shift ;;
        --count) count=$2; shift ;;
    esac
    shift
done
[ -r "$manifests" ] && mkdir -p "$into" || exit 71
while IFS= read -r line || [ -n "$line" ]; do
    # Canonical JSON begins with the attempt's id; its sha256 says which orders were read.
    attempt=$(printf '%s\n' "$line" | sed -n 's/^{"attempt":"\([A-Za-z0-9_][A-Za-z0-9._@:+-]*\)".*/\1/p')
    [ -n "$attempt" ] || continue
    number=$((number + 1))
    [ "$number" -gt "$index" ] || continue
    [ "$count" -lt 0 ] || [ "$number" -le $((index + count)) ] || continue
    sum=$(printf %s "$line" | sha256sum 2>/dev/null | cut -d' ' -f1)
    printf '{"attempt":"%s","failure":"node","host":{"name":"%s"},"manifest_sha256":"%s","message":"%s",%s}' \
        "$attempt" "$(uname -n)" "$sum" "$message" '"outcome":"failed","version":1' >"$into/$attempt.part" &&
        mv "$into/$attempt.part" "$into/$attempt.report.json"
done <"$manifests"
exit 71
