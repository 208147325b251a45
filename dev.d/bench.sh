# Measurements, next to the floor of the same run. "./dev bench --markdown docs/benchmarks.md" keeps
# them; "./dev bench hub" plays many machines at a hub, "./dev bench fleet" starts many agents on one
# broker, "./dev bench terminals" and "./dev bench desktop" look at terminals and at the live view
# through the hub's relay. Figures of a busy machine mean nothing.

dev_bench() {
    install_missing "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    build_preset release --target programs terminal_reader
    case ${1:-} in
        hub | fleet | terminals | desktop) "tests/bench/$1" "${@:2}" ;;
        *) tests/bench/run "$@" ;;
    esac
}
