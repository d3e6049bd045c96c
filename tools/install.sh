#!/usr/bin/env bash
# Installs Tocsin into .venv from the committed, hash-pinned lock. Needs Python 3.11 and nothing else.
# Does nothing while neither the lock nor pyproject.toml has changed since the last time.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(contacts customers engine flows incidents listening notifications runbooks signals storage tocsin)
venv=.venv
lock_stamp=$venv/.tocsin-lock
own_stamp=$venv/.tocsin-own

fail() {
  echo "install: $*" >&2
  exit 1
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3 python; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "no Python 3.11 found. Install it, or name it: make install PYTHON=/path/to/python3.11"
}

digest_of() {
  "$1" -c 'import hashlib, pathlib, sys
print(hashlib.sha256(b"".join(pathlib.Path(name).read_bytes() for name in sys.argv[1:])).hexdigest())' "${@:2}"
}

# The user's indexes, mirrors and proxies stay in force. What could change which files are taken, or where they go,
# does not: /dev/null is an empty constraints file, and it replaces one that pip's configuration may name.
pip_install() {
  env -u PYTHONPATH -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT PIP_CONSTRAINT=/dev/null PIP_USER=0 \
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --compile "$@"
}

python=$(find_python)
lock=$(digest_of "$python" requirements.lock)
if [ ! -x "$venv/bin/python" ] || [ "$(cat "$lock_stamp" 2>/dev/null)" != "$lock" ]; then
  echo "Installing the locked packages into $venv (about a minute)"
  "$python" -m venv --clear "$venv" \
    || fail "$python cannot make a virtual environment; on Debian: apt-get install python3.11-venv"
  # --no-deps: the lock is complete. Wheels only: nothing is built, so nothing unpinned is fetched to build it.
  pip_install --only-binary :all: --require-hashes -r requirements.lock
  "$venv/bin/python" -m pip check >/dev/null || fail "the lock is not consistent: $("$venv/bin/python" -m pip check)"
  echo "$lock" >"$lock_stamp"
fi

own=$(digest_of "$venv/bin/python" requirements.lock pyproject.toml)
if [ "$(cat "$own_stamp" 2>/dev/null)" != "$own" ]; then
  # hatchling and editables come from the lock, so the build needs no network.
  pip_install --no-build-isolation --editable .
  echo "$own" >"$own_stamp"
fi

# Incremental, and it writes byte-code even where PYTHONDONTWRITEBYTECODE is set: starting takes a third of the time.
"$venv/bin/python" -m compileall -q "${packages[@]}"
