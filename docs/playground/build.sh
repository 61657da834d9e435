#!/usr/bin/env bash
# Builds the page docs/book/src/two-tasks.html: polytask as WebAssembly, in one file with the page's HTML, CSS and
# JavaScript. Needs cargo with the target wasm32-unknown-unknown, and Python 3. `build.sh single` builds only the engine,
# with numbers of 32 bits, for the test that compares them (target/playground/single.wasm).
set -euo pipefail
cd "$(dirname "$0")"
target=wasm32-unknown-unknown
need() {
    echo "build.sh: $1 is missing. $2" >&2
    exit 1
}
command -v cargo >/dev/null || need cargo "See https://rustup.rs."
command -v python3 >/dev/null || need python3 "Any version 3 will do."
[ -e "$(rustc --print target-libdir --target $target)" ] || need "the target $target" "rustup target add $target"

root=$(cd ../.. && pwd)
export CARGO_TARGET_DIR="$root/target/playground"
# No path of this machine is to be in the page.
export RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$root=polytask"
wasm="$CARGO_TARGET_DIR/$target/release/playground.wasm"
if [ "${1:-}" = single ]; then
    cargo build --quiet --lib --release --target $target --features single
    cp "$wasm" "$CARGO_TARGET_DIR/single.wasm"
else
    cargo build --quiet --lib --release --target $target
    python3 bundle.py "$wasm" "$root/docs/book/src/two-tasks.html"
fi
