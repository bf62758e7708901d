#!/usr/bin/env bash
# Resolve the lock files in requirements/ anew: every package with its hashes, for every system and Python from 3.11 on.
# Pins stay as they are where they still fit; with --upgrade everything moves to its newest version. Call it as `make lock`.
# uv does not read pip's configuration; it has its own: UV_DEFAULT_INDEX, SSL_CERT_FILE (see its documentation).
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # IN, OUT and what else uv should know
    build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-annotate --custom-compile-command "make lock" "$1" --output-file "requirements/$2" "${@:3}"
}

# The largest set first; the others take its versions, so that what is tested is what the image holds.
compile pyproject.toml dev.txt --extra dev "$@"
compile pyproject.toml test.txt --extra test --constraint requirements/dev.txt "$@"
compile pyproject.toml image.txt --extra postgres --extra aws --extra http --extra mysql --extra vault --extra github --constraint requirements/dev.txt "$@"
compile requirements/build.in build.txt --constraint requirements/dev.txt "$@"
