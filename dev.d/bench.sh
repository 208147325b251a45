# Measurements, next to the floor of the same run. "./dev bench --markdown docs/benchmarks.md" keeps
# them. Figures of a busy machine mean nothing.

dev_bench() {
    install_missing "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    build_preset release --target programs
    tests/bench/run "$@"
}
