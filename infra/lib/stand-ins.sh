# shellcheck shell=bash
# Sourced: base images made here, for where no registry of images can be reached, and the engine that builds with them
# (buildah, which needs no service). Reads $repository and $image_cache.
#
# They stand in for Debian's and Rust's official images: the same distribution, as slim, made from its packages, with
# this machine's Rust toolchain. What this machine needs to reach its package registries (its own certificates, settings
# of pip, apt and cargo) is copied from where it has it into the stand-ins, and nowhere else.

# images ARGUMENTS...: buildah, with its storage in $image_cache.
# shellcheck disable=SC2154 # set by the script that sources this
images() { TMPDIR=$image_cache/tmp buildah --root "$image_cache/storage" --runroot "$image_cache/run" --storage-driver "$storage_driver" "$@"; }

# images_ready: the tools and the storage; fails with a reason where that can't be had.
images_ready() {
  local missing=() tool
  [[ $(id -u) -eq 0 ]] || { printf 'this needs root\n'; return 1; }
  for tool in buildah runc mmdebstrap; do type -P "$tool" >/dev/null || missing+=("$tool"); done
  if ((${#missing[@]})); then
    command -v apt-get >/dev/null || { printf '%s are missing, and there is no apt\n' "${missing[*]}"; return 1; }
    printf '== installing %s\n' "${missing[*]}"
    apt-get -qq update || true
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null \
      || { printf '%s could not be installed\n' "${missing[*]}"; return 1; }
  fi
  mkdir -p "$image_cache/tmp"
  # Overlays can't be stacked: in a container, layers are copied.
  storage_driver=overlay
  [[ $(stat --file-system --format %T "$image_cache") != overlayfs ]] || storage_driver=vfs
  images images >/dev/null || { printf 'buildah does not work here\n'; return 1; }
}

# stand_in NAME COMMAND...: makes the image localhost/pagemill-NAME by COMMAND, unless it was made in this way before;
# afterwards $stand_in is its name.
stand_in() {
  local image=localhost/pagemill-$1 made
  shift
  # Until this recipe or the toolchain changes; newer packages of Debian are no concern of a stand-in.
  made=$(cat "$repository/infra/lib/stand-ins.sh" <(rustc -vV) | sha256sum | cut -c 1-16)
  if images inspect --type image "$image:$made" >/dev/null 2>&1; then
    printf 'present  %s\n' "$image:$made"
  else
    "$@" "$image:$made" || return 1
    printf 'made     %s\n' "$image:$made"
  fi
  # shellcheck disable=SC2034 # for the script that sources this
  stand_in=$image:$made
}

# stand_in_run SUITE IMAGE: Debian's slim base, which is its smallest installation without manuals and translations.
stand_in_run() {
  local suite=$1 image=$2 tar=$image_cache/base.tar container path sources=() options=()
  for path in doc man info locale groff lintian linda; do options+=(--dpkgopt="path-exclude=/usr/share/$path/*"); done
  # Another distribution's sources are of no use; mmdebstrap then knows Debian's.
  # shellcheck disable=SC1091
  if [[ $(. /etc/os-release && printf '%s' "$ID-${VERSION_CODENAME:-}") == "debian-$suite" ]]; then
    for path in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do [[ ! -s $path ]] || sources+=("$path"); done
  fi
  rm -f "$tar"
  mmdebstrap --quiet --variant=minbase --include=usr-is-merged --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    "${options[@]}" --dpkgopt='path-include=/usr/share/doc/*/copyright' "$suite" "$tar" "${sources[@]}" || return 1
  container=$(images from scratch)
  images add --quiet "$container" "$tar" / >/dev/null
  for path in /usr/local/share/ca-certificates /etc/pip.conf; do
    [[ ! -e $path ]] || images copy --quiet "$container" "$path" "$path" >/dev/null
  done
  images config --cmd bash "$container"
  images commit --quiet --rm "$container" "$image" >/dev/null
  rm -f "$tar"
}

# stand_in_build BASE IMAGE: BASE with a C compiler and this machine's Rust toolchain where Rust's image has its own.
stand_in_build() {
  local base=$1 image=$2 container toolchain part
  toolchain=$(rustc --print sysroot) || return 1
  container=$(images from --pull-never "$base") || return 1
  images run --isolation chroot "$container" -- sh -c \
    'apt-get -qq update && apt-get -qq install -y --no-install-recommends ca-certificates gcc libc6-dev >/dev/null' || return 1
  for part in bin lib libexec; do
    [[ ! -d $toolchain/$part ]] || images copy --quiet "$container" "$toolchain/$part" "/usr/local/cargo/$part" >/dev/null || return 1
  done
  part=${CARGO_HOME:-$HOME/.cargo}/config.toml
  [[ ! -s $part ]] || images copy --quiet "$container" "$part" /usr/local/cargo/config.toml >/dev/null || return 1
  images config --env CARGO_HOME=/usr/local/cargo \
    --env PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  images commit --quiet --rm "$container" "$image" >/dev/null
}
