# Sourced: builds the workspace's programs and says where they are.
# Reads $repository. PAGEMILL_PROFILE chooses cargo's profile. dev is the default: it is ready sooner than release,
# shares everything with the tests, and what is slow without optimisation is optimised in it (see Cargo.toml).

# shellcheck shell=bash
# build_programs: afterwards $programs is the folder that holds worker, bulk-trigger and make-samples.
build_programs() {
  local profile=${PAGEMILL_PROFILE:-dev} folder
  folder=$profile
  [[ $profile == dev ]] && folder=debug
  command -v cargo >/dev/null || { printf 'error: cargo is missing; install the Rust toolchain (rustup.rs)\n' >&2; return 1; }
  printf '== building (profile %s; the first time takes some minutes)\n' "$profile"
  # The whole workspace at once: one set of features, so that nothing is built twice.
  # shellcheck disable=SC2154 # set by the script that sources this
  (cd "$repository" && cargo build --locked --workspace --bins --profile "$profile")
  # shellcheck disable=SC2034 # for the script that sources this
  programs=${CARGO_TARGET_DIR:-$repository/target}/$folder
}
