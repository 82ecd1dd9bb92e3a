# Sourced by the other scripts: install Debian packages, non-interactively, without starting their services.

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian's maintainer scripts ask this file before they start a service; 101 means "do not".
forbid_service_starts() {
  [ -e /usr/sbin/policy-rc.d ] && return 0
  printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
  as_root chmod 755 /usr/sbin/policy-rc.d
  trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

apt_install() {
  if ! command -v apt-get >/dev/null; then
    echo "error: please install these packages by your system's own means: $*" >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    echo "error: as root, please run: apt-get install $*" >&2
    return 1
  fi
  echo "installing $*" >&2
  forbid_service_starts
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}
