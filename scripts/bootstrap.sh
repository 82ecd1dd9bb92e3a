#!/usr/bin/env bash
# Make .venv ready: `bootstrap.sh runtime` for the service, `bootstrap.sh development` for its tests as well.
# Stamps in .venv remember what was installed, so that a second run does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/apt.sh

wanted="${1:-runtime}"

# A command on PATH may be a shim that only prints an error: a Python counts when it runs and can make an environment
# that compiles extensions.
usable_python() {
  "$1" - >/dev/null 2>&1 <<'PYTHON'
import ensurepip, pathlib, sys, sysconfig, venv
header = pathlib.Path(sysconfig.get_path("include"), "Python.h")
sys.exit(not (sys.version_info >= (3, 11) and header.exists()))
PYTHON
}

find_python() {
  local name
  for name in python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
    if command -v "$name" >/dev/null && usable_python "$name"; then
      echo "$name"
      return 0
    fi
  done
  return 1
}

install_system_packages() {
  local missing=()
  find_python >/dev/null || missing+=(python3 python3-venv python3-dev)
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}

create_environment() {
  .venv/bin/python -c "" 2>/dev/null && return 0
  install_system_packages
  local python
  python="$(find_python)" || { echo "error: no Python 3.11 or newer with venv and headers was found" >&2; exit 1; }
  rm -rf .venv
  "$python" -m venv .venv
}

# up_to_date NAME CHECKSUM: whether the stamp NAME holds CHECKSUM
up_to_date() { [ "$(cat ".venv/.installed-$1" 2>/dev/null)" = "$2" ]; }

checksum() { cat "$@" | sha256sum | cut -d' ' -f1; }

install_lock() {
  local sum
  sum="$(checksum "requirements/$1.lock")"
  up_to_date "$1" "$sum" && return 0
  echo "installing requirements/$1.lock into .venv" >&2
  .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
    -r "requirements/$1.lock"
  echo "$sum" >".venv/.installed-$1"
}

install_project() {
  local sum
  # the folder counts too: an environment copied elsewhere must not run the old place's code
  sum="$({ pwd; cat pyproject.toml; cat setup.py engine/kernel/build_kernel.py engine/kernel/kernel.* \
    data/sources/build_rows.py data/sources/rows.[ch] 2>/dev/null; } \
    | sha256sum | cut -d' ' -f1)" || true
  up_to_date project "$sum" && return 0
  command -v cc >/dev/null || apt_install gcc libc6-dev
  echo "building talentfeed" >&2
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .
  echo "$sum" >".venv/.installed-project"
}

main() {
  create_environment
  if [ "$wanted" = development ]; then
    install_lock development
    checksum requirements/runtime.lock >.venv/.installed-runtime # the development lock holds it all
  else
    install_lock runtime
  fi
  install_project
}

main
