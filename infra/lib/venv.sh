# shellcheck shell=bash
# Sourced: tools from PyPI, each list in a virtual environment of its own. Reads $repository. What is used of them compiles
# itself on first use; compiling all of it would take as long again as the installation.

# venv_install NAME: afterwards $venv has what infra/lib/requirements/NAME.txt lists; fails when that can't be had.
venv_install() {
  # shellcheck disable=SC2154 # set by the script that sources this
  local requirements=$repository/infra/lib/requirements/$1.txt
  venv=$repository/.pagemill/infra/$1
  cmp --silent "$requirements" "$venv/installed.txt" && return
  printf '== installing %s into %s\n' "$1" "$venv"
  rm -rf "$venv"
  python3 -m venv "$venv" \
    || { printf 'no virtual environment; install it (Debian: apt-get install python3-venv)\n' >&2; return 1; }
  "$venv/bin/pip" --quiet --disable-pip-version-check install --no-compile --requirement "$requirements" || return 1
  cp "$requirements" "$venv/installed.txt"
}
