# shellcheck shell=bash
# Sourced: the AWS emulator (ministack, from PyPI) in a virtual environment of its own, on loopback and a free port.
# Reads $repository.

emulator_venv=${PAGEMILL_RUNTIME:-$repository/.pagemill}/emulator

# emulator_install: afterwards $emulator_venv/bin has `ministack`, and `python` with boto3.
emulator_install() {
  local requirements=$repository/scripts/lib/emulator-requirements.txt
  cmp --silent "$requirements" "$emulator_venv/installed.txt" && return
  printf '== installing the AWS emulator into %s\n' "$emulator_venv"
  rm -rf "$emulator_venv"
  python3 -m venv "$emulator_venv" \
    || { printf 'error: no virtual environment; install it (Debian: apt-get install python3-venv)\n' >&2; return 1; }
  "$emulator_venv/bin/pip" --quiet --disable-pip-version-check install --requirement "$requirements" || return 1
  cp "$requirements" "$emulator_venv/installed.txt"
}

# emulator_start LOG: afterwards $AWS_ENDPOINT_URL (exported, with test credentials) answers; $emulator_pid is its process.
emulator_start() {
  local log=$1 port deadline
  port=$("$emulator_venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  BIND_HOST=127.0.0.1 MINISTACK_HOST=127.0.0.1 GATEWAY_PORT=$port \
    "$emulator_venv/bin/ministack" >"$log" 2>&1 </dev/null &
  emulator_pid=$!
  deadline=$((SECONDS + 60))
  until "$emulator_venv/bin/python" "$repository/scripts/lib/answers.py" "http://127.0.0.1:$port/_ministack/health"; do
    kill -0 "$emulator_pid" 2>/dev/null || { printf 'error: the emulator ended; see %s\n' "$log" >&2; return 1; }
    ((SECONDS < deadline)) || { printf 'error: the emulator does not answer; see %s\n' "$log" >&2; return 1; }
  done
  export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  unset AWS_SESSION_TOKEN AWS_PROFILE
  printf '== the AWS emulator answers at %s\n' "$AWS_ENDPOINT_URL"
}

# emulator_stop: ends the process that emulator_start began, if any.
emulator_stop() {
  [[ -n ${emulator_pid:-} ]] || return 0
  kill "$emulator_pid" 2>/dev/null || true
  wait "$emulator_pid" 2>/dev/null || true
  emulator_pid=
}
