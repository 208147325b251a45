# Tests. Every part ends in lines that count; the last line sums the parts up.

# Most tests wait for something most of the time: that many at once keep the processors busy.
AT_ONCE=$((4 * $(nproc)))

# A test that fails while many run at once may only have been late: it is run again, alone, and both
# are shown. More than a few at once are no accident, nor is anything that a sanitizer tells.
UNSTEADY_MAX=3
is_unsteady() { # LOG COUNT
    [ "$2" -gt 0 ] && [ "$2" -le "$UNSTEADY_MAX" ] && ! grep -qE 'Sanitizer|runtime error:' "$1"
}

run_unit() { # PRESET [CTEST ARGUMENT]...
    build_preset "$1"
    local dir=build failed log
    [ "$1" = release ] || dir=build-$1
    log=$dir/unit.log
    ctest --test-dir "$dir" --output-on-failure --timeout 900 -j "$AT_ONCE" "${@:2}" | tee "$log" && return
    failed=$(wc -l <"$dir/Testing/Temporary/LastTestsFailed.log")
    is_unsteady "$log" "$failed" || return 1
    echo "-- unsteady, again alone: $(cut -d : -f 2 "$dir/Testing/Temporary/LastTestsFailed.log" | xargs)"
    ctest --test-dir "$dir" --output-on-failure --timeout 900 --rerun-failed
}

# The scenarios drive the programs of a build directory against real servers.
run_scenarios() { # PRESET [PYTEST ARGUMENT]...
    build_preset "$1"
    local dir=build log failed
    [ "$1" = release ] || dir=build-$1
    log=$dir/scenarios.log
    local run=(env "OG_BUILD=$PWD/$dir" /usr/bin/python3 -m pytest -q -p no:cacheprovider)
    "${run[@]}" -n "$AT_ONCE" "${@:2}" | tee "$log" && return
    mapfile -t failed < <(sed -nE 's/^(FAILED|ERROR) (tests[^ ]*::.*)/\2/p' "$log" | sed 's/ - .*//' | sort -u)
    is_unsteady "$log" ${#failed[@]} || return 1
    echo "-- unsteady, again alone: ${failed[*]}"
    "${run[@]}" "${failed[@]}"
}

sanitizer_options() {
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:strict_string_checks=1
    export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp:halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=0
}

# Tests of the desktop process, each with an X server of its own: under sanitizers the scenarios stand
# for them.
APART='^desktop_'
dev_test_desktop() { run_unit release -R "$APART"; }

dev_test_unit() { run_unit release; }
dev_test_scenario() { run_scenarios release tests/scenario tests/hub; }

# Scenarios that wait for a clock, or fill a disk, most of the time: what they reach, others reach too,
# so that sanitizers need not wait for them.
PATIENT='a_directory_of_a_hundred or a_frozen_server or a_listing_of_a_hundred or a_server_that_drops
    or a_server_that_hangs or a_slow_way or after_a_crash or an_agent_that_dies or an_exchange_that_hangs
    or an_idle_machine or busy_and_unavailable or displays_are_found or each_kind_of_server
    or heartbeats_come or outages_do_not_end or silence_is_noticed or slow_requests_are_ended'

dev_test_asan() {
    sanitizer_options
    run_unit asan -E "$APART"
    run_scenarios asan -k "not (${PATIENT//$'\n'/ })" tests/scenario tests/hub
}

# The threaded parts: the units with threads, and the link with everything that can happen to it.
dev_test_tsan() {
    sanitizer_options
    run_unit tsan -R '^(workers|admission|journal|spawn|tree|guardian|command|exec|fs_.*|metrics|capacity|tunnel.*|pty|terminals|terminal_relay|seam|strips|desktop_rfb)$'
    run_scenarios tsan tests/scenario/test_link.py tests/scenario/test_requests.py tests/hub/test_authorization.py
}

# What strangers can send is looked at longer.
FUZZ_LONG='control_request|info_rewrite|git_status|connection_document|hub_http'
dev_test_fuzz() { dev_fuzz 60 10; }
dev_test_lint() { dev_lint; }

# The control plane's own session code against a live agent, where its folder exists.
dev_test_acceptance() {
    local rig=${OG_SHARED:-../shared}/acceptance
    if [ ! -d "$rig" ]; then
        echo "acceptance: no $rig here; skipped"
        return
    fi
    build_preset release
    tests/acceptance/run "$rig"
}

dev_fuzz() { # [SECONDS [SECONDS OF THE OTHERS]]
    local seconds=${1:-60} others=${2:-${1:-60}} failed=0 target
    build_preset fuzz --target fuzzers
    local targets=(build-fuzz/fuzz/fuzz_*)
    for target in "${targets[@]}"; do
        if [[ ${target##*/fuzz_} =~ ^($FUZZ_LONG)$ ]]; then echo "$target $seconds"; else echo "$target $others"; fi
    done | sort -k 2 -nr | xargs -P "$(nproc)" -L 1 tests/fuzz/run || failed=1
    [ $failed -eq 0 ] && echo "${#targets[@]} passed, 0 failed"
    return $failed
}

dev_test() {
    install_missing "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${LINT_PACKAGES[@]}"
    local parts=("$@") part passed=0 failed=0
    [ ${#parts[@]} -gt 0 ] || parts=(unit scenario package asan tsan fuzz acceptance)
    for part in "${parts[@]}"; do
        echo "== $part"
        # A process of its own: there "set -e" ends a part at its first failing step, here it would not.
        if ./dev test-part "$part" </dev/null; then
            passed=$((passed + 1))
        else
            echo "== $part FAILED"
            failed=$((failed + 1))
        fi
    done
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
}

dev_test-part() { "dev_test_$1"; }
