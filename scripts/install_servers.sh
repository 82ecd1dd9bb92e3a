#!/usr/bin/env bash
# The real servers the tests talk to. They are only installed: the tests start their own on free ports.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/apt.sh
PATH="$PATH:/usr/sbin:/sbin"

missing=()
command -v mariadbd >/dev/null || missing+=(mariadb-server)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v sshd >/dev/null || missing+=(openssh-server)
command -v ssh-keygen >/dev/null || missing+=(openssh-client)
[ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
