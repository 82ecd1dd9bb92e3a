#!/usr/bin/env bash
# Run the tests and the packages' doctests. With --unless-passed, do not repeat a run that passed on these very files.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=.venv/.tested

files_checksum() {
  git ls-files -z --cached --others --exclude-standard | sort -z | xargs -0 sha256sum 2>/dev/null | sha256sum \
    | cut -d' ' -f1
}

sum="$(files_checksum || true)"
if [ "${1:-}" = --unless-passed ] && [ "$(head -n 1 "$stamp" 2>/dev/null)" = "$sum" ]; then
  echo "the tests passed on these very files already:"
  tail -n 1 "$stamp"
  exit 0
fi

rm -f "$stamp"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
.venv/bin/pytest -rs -n "${TEST_WORKERS:-3}" --dist worksteal --doctest-modules data engine tracking api tests 2>&1 | tee "$log"
printf '%s\n%s\n' "$sum" "$(tail -n 1 "$log")" >"$stamp"
