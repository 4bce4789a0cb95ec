# Sourced: builds the workspace's programs and says where they are.
# Reads $repository. PAGEMILL_PROFILE chooses cargo's profile. dev is the default: it is ready sooner than release,
# shares everything with the tests, and what is slow without optimisation is optimised in it (see Cargo.toml).

# shellcheck shell=bash
# What the tests ask of the project's own crates. With dev the programs have it too: otherwise the same crates are compiled
# once for the programs and once more for the tests, and the two builds take turns in replacing target/debug/worker.
features_of_tests=pagemill-document/testing,pagemill-index/testing,pagemill-metadata/stub

# build_programs [TARGET ...]: afterwards $programs is the folder that holds worker, bulk-trigger and make-samples, and
# what else is named by cargo's options (--example NAME).
build_programs() {
  local profile=${PAGEMILL_PROFILE:-dev} folder features=()
  folder=$profile
  if [[ $profile == dev ]]; then
    folder=debug
    features=(--features "$features_of_tests")
  fi
  command -v cargo >/dev/null || { printf 'error: cargo is missing; install the Rust toolchain (rustup.rs)\n' >&2; return 1; }
  printf '== building (profile %s; the first time takes some minutes)\n' "$profile"
  # The whole workspace at once: one set of features, so that nothing is built twice.
  # shellcheck disable=SC2154 # set by the script that sources this
  (cd "$repository" && cargo build --locked --workspace --bins "$@" --profile "$profile" "${features[@]}")
  # shellcheck disable=SC2034 # for the script that sources this
  programs=${CARGO_TARGET_DIR:-$repository/target}/$folder
}
