# Sourced: builds the project's programs and says where they are.
# Reads $repository. PAGEMILL_PROFILE chooses cargo's profile. dev is the default: it is ready sooner than release,
# shares everything with the tests, and what is slow without optimisation is optimised in it (see Cargo.toml).

# shellcheck shell=bash
# What the tests ask of the project's own crates. With dev the programs have it too: otherwise the same crates are compiled
# once for the programs and once more for the tests, and the two builds take turns in replacing target/debug/worker.
features_of_tests=pagemill-document/testing,pagemill-index/testing,pagemill-metadata/stub

# With dev, the whole workspace: one set of features with the tests, so that nothing is built twice.
selection_of_workspace=(--workspace --features "$features_of_tests")
# With another profile, what the worker and bulk-trigger are when they are built alone, and the two tools beside them.
selection_to_ship=(--package pagemill-worker --package pagemill-bulk-trigger --package pagemill-raw-limit
  --package pagemill-samples --no-default-features --features pagemill-worker/default)
# Of the worker what `worker local` needs: no AWS SDK, no client of a Qdrant server or of an LLM, no MiniLM, and the flat
# vector store in place of Qdrant's engine. What is in it of other people's is compiled as it is for the workspace;
# scripts/lib/features.py holds the features together.
selection_of_demo=(--package pagemill-worker --package pagemill-samples --no-default-features
  --features 'pagemill-samples/shared,pagemill-document/testing')

# build_programs: afterwards $programs is the folder that holds worker, bulk-trigger, make-samples and raw-limit.
build_programs() {
  if [[ ${PAGEMILL_PROFILE:-dev} == dev ]]; then
    build "${selection_of_workspace[@]}"
  else
    build "${selection_to_ship[@]}"
  fi
}

# build_demo: afterwards $programs is the folder that holds make-samples, and a worker for the demo. What runs for a moment
# only is optimised less than dev does it, unless PAGEMILL_PROFILE says that it is to be dev.
build_demo() {
  local setting sooner=()
  if [[ -z ${PAGEMILL_PROFILE:-} ]]; then
    for setting in "${ready_sooner[@]}"; do sooner+=(--config "$setting"); done
  fi
  build "${selection_of_demo[@]}" "${sooner[@]}"
}

# Settings of cargo, for programs that run for a moment only: what dev optimises because tests use it for minutes, what it
# notes down for backtraces and for the next build after a change, and formats of images that the demo does not write.
ready_sooner=(profile.dev.debug=false profile.dev.incremental=false profile.dev.package.pagemill-pdf.opt-level=1)
for package in pagemill-{metadata,pipeline,queue,storage} lopdf tokenizers fancy-regex yake-rust tiktoken-rs whatlang \
  image-webp jpeg-encoder serde_json unicode-{normalization,segmentation}; do
  ready_sooner+=("profile.dev.package.$package.opt-level=0")
done
for package in aho-corasick regex-automata; do ready_sooner+=("profile.dev.package.$package.opt-level=1"); done
unset package

# build OPTION ...: what both of them do.
build() {
  local profile=${PAGEMILL_PROFILE:-dev} folder
  folder=$profile
  [[ $profile != dev ]] || folder=debug
  command -v cargo >/dev/null || { printf 'error: cargo is missing; install the Rust toolchain (rustup.rs)\n' >&2; return 1; }
  printf '== building (profile %s; the first time takes some minutes)\n' "$profile"
  # shellcheck disable=SC2154 # set by the script that sources this
  (cd "$repository" && cargo build --locked --bins --profile "$profile" "$@")
  # shellcheck disable=SC2034 # for the script that sources this
  programs=${CARGO_TARGET_DIR:-$repository/target}/$folder
}
