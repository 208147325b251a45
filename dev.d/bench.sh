# Measurements, next to the floor of the same run; "./dev bench hub" plays many machines at a hub. "./dev bench --markdown docs/benchmarks.md" keeps
# them. Figures of a busy machine mean nothing.

dev_bench() {
    install_missing "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    build_preset release --target programs
    if [ "${1:-}" = hub ]; then
        tests/bench/hub "${@:2}"
    else
        tests/bench/run "$@"
    fi
}
