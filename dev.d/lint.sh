# Static checks. Each prints its findings; any finding fails.

# Functions that must not appear: unbounded, not thread-safe, or a shell in disguise.
BANNED='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|system|popen|alloca'
ALLOCATORS='malloc|calloc|realloc|free|strdup|strndup|asprintf'

lint_banned() {
    local found=0
    if c_sources | xargs grep -nE "(^|[^_[:alnum:]>.])($BANNED) *\(" | grep -vE '^[^:]*:[0-9]+: *(//|\*)'; then
        echo "lint: banned functions, see above" >&2
        found=1
    fi
    if c_sources | grep -E '\.c$' | grep -vE '^(platform/base/|tests/)' |
        xargs grep -nE "(^|[^_[:alnum:]>.])($ALLOCATORS) *\(" | grep -vE '^[^:]*:[0-9]+: *(//|\*)|lint: allocator'; then
        echo "lint: use base/alloc.h, an arena or a buffer" >&2
        found=1
    fi
    if c_sources | xargs grep -nE '#include "\.\./'; then
        echo "lint: an include that climbs out of its folder goes around the layers" >&2
        found=1
    fi
    return $found
}

lint_sizes() {
    local found=0 file lines
    while read -r file; do
        lines=$(wc -l <"$file")
        if [ "$lines" -gt 600 ]; then
            echo "lint: $file has $lines lines; 600 is the limit" >&2
            found=1
        fi
    done < <(c_sources | grep -v '^tests/')
    return $found
}

# A layer that includes what it does not link must fail to compile: proven on a probe.
lint_layers() {
    local probe=build/layer-probe.c
    mkdir -p build
    echo '#include "link/link.h"' >"$probe"
    if cc -fsyntax-only -I build/include/base "$probe" 2>/dev/null; then
        echo "lint: the base layer can see the agent's headers" >&2
        return 1
    fi
    rm -f "$probe"
}

lint_format() {
    if ! c_sources | xargs clang-format --dry-run -Werror 2>/tmp/og-format.$$; then
        head -n 20 /tmp/og-format.$$ >&2
        rm -f /tmp/og-format.$$
        echo "lint: run ./dev format" >&2
        return 1
    fi
    rm -f /tmp/og-format.$$
}

lint_tidy() {
    c_sources | grep -E '\.c$' | grep -v '^tests/' |
        xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build 2>/dev/null |
        grep -E 'warning:|error:' && return 1
    return 0
}

lint_cppcheck() {
    c_sources | grep -E '\.c$' | grep -v '^tests/' |
        cppcheck --quiet -j "$(nproc)" --std=c11 --enable=warning,performance,portability \
            --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem \
            --suppress=unknownMacro --suppress=normalCheckLevelMaxBranches --file-list=- 2>&1
}

lint_analyzer() {
    cmake -S . -B build-analyzer -G Ninja -DCMAKE_BUILD_TYPE=Debug -DOG_TESTS=OFF \
        -DCMAKE_C_FLAGS="-O1 -fanalyzer -Wno-error" >/dev/null
    cmake --build build-analyzer --clean-first 2>&1 | grep -E 'Wanalyzer' && return 1
    return 0
}

dev_lint() {
    install_missing "${LINT_PACKAGES[@]}"
    build_preset release
    local failed=0 check
    for check in banned sizes limits layers format tidy cppcheck analyzer; do
        if "lint_$check"; then echo "lint $check: ok"; else echo "lint $check: FAILED"; failed=1; fi
    done
    return $failed
}
