#!/usr/bin/env bash
# Resolve pyproject.toml into hash-locked requirements that hold for every platform from Python 3.11 on.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
    pyproject.toml requirements/build.in "$@" >/dev/null
}

compile -o requirements/runtime.lock
compile --extra dev -c requirements/runtime.lock -o requirements/development.lock
