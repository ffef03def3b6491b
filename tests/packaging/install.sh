#!/bin/sh
# Install the engine from this directory, without a network:
#
#     sh install.sh --signers FILE DIRECTORY     FILE has the public key of who made the bundle
#     sh install.sh --unsigned DIRECTORY         whoever made it: only its checksums are compared
#
# DIRECTORY must not exist. With --python PROGRAM, that Python is taken. Needs sha256sum, a Python, and
# ssh-keygen for the signature. Exit codes: 2 wrong usage, 3 this machine lacks something, 1 not what it should be.
set -eu

fail() { # CODE LINE ...
    code=$1
    shift
    printf 'install: %s\n' "$@" >&2
    exit "$code"
}

usage() { fail 2 "$1" "usage: sh install.sh (--signers FILE | --unsigned) [--python PROGRAM] DIRECTORY"; }

absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s/%s\n' "$PWD" "$1" ;; esac }

signers='' unsigned='' python='' target=''
while [ $# -gt 0 ]; do
    case $1 in
    --signers | --python)
        [ $# -gt 1 ] || usage "$1 needs a value"
        if [ "$1" = --signers ]; then signers=$(absolute "$2"); else python=$2; fi
        shift
        ;;
    --unsigned) unsigned=yes ;;
    -*) usage "no option $1" ;;
    *)
        [ -z "$target" ] || usage "one directory, not $target and $1"
        target=$(absolute "$1")
        ;;
    esac
    shift
done
[ -n "$target" ] || usage "where to? name a directory"
[ -n "$signers$unsigned" ] || usage "who made this bundle? name a file with the public key, or say --unsigned"
[ ! -e "$target" ] || fail 2 "$target exists already: name a new directory" \
    "an installation must not change under an engine that runs; remove the old one later"

cd "$(dirname "$0")"
if [ -n "$signers" ]; then
    [ -r "$signers" ] || fail 2 "--signers: $signers cannot be read"
    [ -f SHA256SUMS.sig ] || fail 1 "this bundle is not signed: there is no SHA256SUMS.sig"
    command -v ssh-keygen >/dev/null || fail 3 "ssh-keygen is missing: install openssh-client (Debian) or openssh (Alma, Rocky)"
    said=$(ssh-keygen -Y verify -f "$signers" -I boutiques-engine -n boutiques-engine \
        -s SHA256SUMS.sig <SHA256SUMS 2>&1) || fail 1 "the signature is not of a key in $signers: $said"
fi
sha256sum --check --quiet --strict SHA256SUMS >&2 || fail 1 "the bundle was changed or is not whole; nothing is installed"

[ "$(uname -m)" = x86_64 ] || fail 3 "the bundle is for x86_64, not $(uname -m)"
known=$(tr '\n' ' ' <pythons)
found=''
for name in ${python:-$(sed 's/^/python/' pythons) python3}; do
    is=$("$name" -I -c 'import sys, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case " $known" in *" $is "*) found=$name && break ;; esac
done
[ -n "$found" ] || fail 3 "no ${python:-Python} of version ${known}was found" "install one, or name it with --python"

printf 'Installing into %s: a minute or two.\n' "$target"
trap 'rm -rf "$target"' EXIT
trap 'exit 130' HUP INT TERM
"$found" -m venv --without-pip "$target"
# Every file must have a hash of the lock, whatever pip's own settings add. pip wants a home, cron may have none.
pip=$(echo wheels/pip-*.whl)
HOME=${HOME:-$target} PIP_CONFIG_FILE=/dev/null "$target/bin/python" "$pip/pip" --disable-pip-version-check --quiet --no-input \
    install --no-cache-dir --no-index --find-links wheels --only-binary :all: --require-hashes -r requirements.lock
"$target/bin/engine" --version
trap - EXIT

printf 'It is in %s.\n' "$target"
printf 'Next: docs/how-to/run-a-portal.md, or docs/tutorial.md; settings are explained in config/engine.example.yaml.\n'
# What SHA256SUMS does not name was put there by somebody else.
sed -n 's/^\([0-9a-f]*\)  tools\//\1 /p' SHA256SUMS | while read -r sum tools; do
    printf 'For nodes without user namespaces, put %s where all of them can read it, and set\n' "$PWD/tools/$tools"
    printf 'node:\n  tools: /where/it/is/%s\n  tools_sha256: %s\n' "$tools" "$sum"
done
