# What ./demo and ./test need on a fresh Debian machine. Sourced; installs only what is missing.

# winrm-rs asks for Rust 1.98 and builds with 1.95 as well; a current Rust does not need this. Cargo has no setting
# for it, and stops a bare `cargo build` with an older Rust before build.rs could say so.
# shellcheck disable=SC2034
older_rust=--ignore-rust-version

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

need_root() {
  [[ $(id -u) == 0 ]] || { echo "this starts containers and network namespaces: run it as root"; exit 2; }
}

# libssh2 is built against the system's OpenSSL.
install_build_tools() {
  local missing=() file
  for file in gcc:gcc pkg-config:pkg-config; do
    command -v "${file%%:*}" >/dev/null || missing+=("${file##*:}")
  done
  [[ -e /usr/include/openssl/ssl.h ]] || missing+=(libssl-dev)
  if ((${#missing[@]})); then
    step "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
  need_rust
}

# Installs packages of Debian if one of these programs is missing.
install_for() {
  local programs=$1 program
  shift
  for program in $programs; do
    command -v "$program" >/dev/null && continue
    step "installing $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    return
  done
}

# The shells in which the Tab key is tried.
install_shells() { install_for "zsh fish" zsh fish; }

# What packages are made with, for a target of musl.
install_package_tools() {
  install_build_tools
  install_for "musl-gcc make perl file rpmbuild" musl-tools make perl file rpm
  if [[ ! -d $(rustc --print sysroot)/lib/rustlib/$1 ]]; then
    command -v rustup >/dev/null || { echo "the standard library for $1 is missing; rustup adds it: https://rustup.rs, then run this again"; exit 2; }
    rustup target add "$1"
  fi
}

# What looks at the page of a report: a browser, fonts for it, and a judge of accessibility.
install_browser() {
  if ! command -v chromium >/dev/null || ! command -v npm >/dev/null || [[ ! -d /usr/share/fonts/opentype/noto ]]; then
    step "installing a browser"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-core fonts-noto-cjk >/dev/null
    command -v npm >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >/dev/null
  fi
  [[ -e target/npm/node_modules/axe-core/axe.min.js ]] ||
    { mkdir -p target/npm && npm install --silent --no-audit --no-fund --prefix target/npm axe-core@4; }
}

# Debian 12's own Rust is too old; from Debian 13 on there is a rustup package.
need_rust() {
  if ! command -v cargo >/dev/null && apt-cache show rustup >/dev/null 2>&1; then
    step "installing Rust"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq rustup >/dev/null && rustup default stable
  fi
  command -v cargo >/dev/null || { echo "Rust 1.95 or newer is needed: https://rustup.rs, then run this again"; exit 2; }
}
