# What CI runs, and what one runs while working. Bare `just` lists the recipes.

set shell := ["bash", "-euo", "pipefail", "-c"]

[private]
default:
    @just --list --unsorted

# run a scenario by name: just scenario bad-model --seeds 20
scenario NAME *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    mapfile -t found < <(find scenarios -name '{{ NAME }}.yaml' | sort)
    if [ "${#found[@]}" -ne 1 ]; then
        echo "{{ NAME }}.yaml was found ${#found[@]} times in scenarios/; the names there are:" >&2
        find scenarios -name '*.yaml' | sed 's|.*/|  |; s|[.]yaml$||' | sort >&2
        exit 2
    fi
    cargo run --release -- run "${found[0]}" {{ ARGS }}

# all tests that need nothing but Rust
test:
    cargo test --workspace

# format, clippy, documentation, bans and licences
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --document-private-items
    cargo deny check bans licenses sources

# record the digests of the scenarios' timelines anew, after a change that is meant to change them
timelines:
    UPDATE_TIMELINES=1 cargo test -p rehearse --test program recorded_timeline

# measure every benchmark and print its figures
bench:
    cargo bench --workspace --bench '*' -- --quiet

# compare with Prometheus, expr, kustomize and the controllers themselves; needs Go and kustomize
oracle:
    cargo test -p promql -p rules -p conditions -p manifests -p rehearse -p fake-inference --features oracle
    cargo test -p fidelity --features oracle -- --nocapture

# run the suite with each of the planted bugs, and see it fail
planted:
    cargo test -p planted --features on -- --nocapture

# build the container image of fake-inference; needs docker, and Linux with glibc's static libraries
image:
    fake-inference/server/image/build

# the scenarios that ship on a real cluster, and the simulator beside it; see docs/kind.md
kind *ARGS:
    .ci/kind {{ ARGS }}

# everything that must hold before a merge; just ci --kills also kills runs on clusters
ci *ARGS:
    .ci/run {{ ARGS }}
