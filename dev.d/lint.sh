# Static checks. Each prints what it finds; any finding fails.

# Functions that must not appear: unbounded, not thread-safe, or a shell in disguise.
BANNED='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|system|popen|alloca'
ALLOCATORS='malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf'

# Prints FILE:LINE:TEXT of the files named on stdin, with comments dropped and literals emptied, so
# that only code is judged. A call may stand behind a note, "lint: allocator, <why>".
c_code() {
    xargs perl -0777 -ne '
        s{//[^\n]*lint: allocator[^\n]*}{ LINT_ALLOCATOR}g;
        s{("(?:[^"\\\n]|\\.)*"|\x27(?:[^\x27\\\n]|\\.)*\x27)|//(?:[^\n\\]|\\.)*|/\*.*?\*/}
         {defined $1 ? "\"\"" : $& =~ s/[^\n]//gr}gse;
        my $line = 0;
        for (split /\n/) { $line++; print "$ARGV:$line:$_\n" if /\S/ }'
}

# Prints the calls of one of NAMES: the name itself, not a member or a longer name that ends in it.
calls_of() { # NAMES
    grep -P "(?<![\w.])(?<!->)(?:$1)\s*\("
}

lint_banned() {
    local found=0
    if c_sources | c_code | calls_of "$BANNED"; then
        echo "lint: banned functions, see above" >&2
        found=1
    fi
    if c_sources | grep -E '\.c$' | grep -vE '^(platform/base/|tests/)' | c_code |
        grep -v LINT_ALLOCATOR | calls_of "$ALLOCATORS"; then
        echo "lint: use base/alloc.h, an arena or a buffer" >&2
        found=1
    fi
    if c_sources | xargs grep -nE 'scanf *\(.*%l?(s|\[)'; then
        echo "lint: a text scanned without a width" >&2
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

# What a folder must not see, one pair a line: the folder, a header of its own, a header above it.
LAYERS='
platform/base            base/arena.h               process/child.h
platform/base            base/arena.h               proto/wire.h
platform/process         process/child.h            files/read.h
platform/process         process/child.h            link/link.h
platform/files           files/read.h               ops/op.h
platform/files           files/read.h               proto/wire.h
platform/host            host/metrics.h             config/connection.h
platform/desktop/client  desktop_client/desktop.h   proto/wire.h
platform/desktop/client  desktop_client/desktop.h   ops/op.h
proto                    proto/wire.h               ops/op.h
proto                    proto/wire.h               process/child.h
relay-client             relay/tunnel.h             config/connection.h
relay-client             relay/tunnel.h             link/link.h
agent/config             config/connection.h        link/link.h
agent/update             update/layout.h            link/link.h
agent/update/upgrade     upgrade/upgrade.h          link/link.h
agent/ops                ops/op.h                   link/link.h
agent/link               link/link.h                daemon/links.h
hub/ctl                  ctl/units.h                link/link.h
'

# Tries to compile an include with the include directories that a folder's own files are given.
layer_sees() { # FOLDER HEADER
    local directories
    directories=$(grep '"command":' build-lint/compile_commands.json |
        grep -E -m 1 -- "-c $PWD/$1/[^/ ]+\.c" | grep -oE -- '(-I|-isystem )[^ ]+')
    # From the root directory, where nothing can be found by a path relative to it.
    # shellcheck disable=SC2086 # one word each
    (cd / && echo "#include \"$2\"" | cc -D_GNU_SOURCE -fsyntax-only $directories -x c -) 2>&1
}

# An include that climbs to a layer above must not compile: proven, not assumed. Each proof has a
# counterpart that compiles, so that a mistyped line of the table cannot pass for one.
lint_layers() {
    local found=0 folder own above said
    while read -r folder own above; do
        [ -n "$folder" ] || continue
        if ! compgen -G "build-lint/include/*/$above" >/dev/null; then
            echo "lint: there is no $above any more to keep from $folder" >&2
            found=1
        elif ! said=$(layer_sees "$folder" "$own"); then
            printf 'lint: %s cannot see its own %s:\n%s\n' "$folder" "$own" "$said" >&2
            found=1
        elif said=$(layer_sees "$folder" "$above") ||
            ! grep -qF "$above: No such file" <<<"$said"; then
            echo "lint: $folder can see $above, of a layer that it must not know" >&2
            found=1
        fi
    done <<<"$LAYERS"
    if c_sources | xargs grep -nE '#include "(\.\.?/|.*/\.\./)'; then
        echo "lint: an include that climbs out of its folder goes around the layers" >&2
        found=1
    fi
    # What the system installs is visible to all.
    if c_sources | grep '^platform/' |
        xargs grep -nE '#include <(nats|libwebsockets|protobuf-c|curl|jansson)'; then
        echo "lint: the platform knows no network and no wire" >&2
        found=1
    fi
    if c_sources | grep -vE '^(platform/desktop|tests)/' | xargs grep -nE '#include <(X11/|rfb/)'; then
        echo "lint: an X error may only ever end the desktop process" >&2
        found=1
    fi
    return $found
}

lint_format() {
    local said
    if ! said=$(c_sources | xargs clang-format --dry-run -Werror 2>&1); then
        grep 'error:' <<<"$said" || echo "$said"
        echo "lint: run ./dev format" >&2
        return 1
    fi
}

# uninitvar: cppcheck takes an array that a called function fills for an unset one; clang-tidy and
# gcc follow the call. varFuncNullUB: our NULL is a pointer, as POSIX wants. The others are about
# what it does not read, or what is generated.
CPPCHECK=(
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr
    --error-exitcode=1 --suppress=uninitvar --suppress=varFuncNullUB
    --suppress=missingIncludeSystem --suppress=unknownMacro "--suppress=*:*.pb-c.*"
)

lint_configure() {
    local rules
    for rules in .clang-tidy dev.d/lint.sh dev.d/analyze; do
        [ "$rules" -nt build-lint/rules ] && rm -rf build-lint
    done
    cmake -S . -B build-lint -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS=-O1 -DOG_TESTS=OFF \
        -DCMAKE_C_COMPILER_LAUNCHER="$PWD/dev.d/analyze" \
        -DCMAKE_C_CLANG_TIDY="clang-tidy;--quiet" \
        -DCMAKE_C_CPPCHECK="$(IFS=';' && echo "${CPPCHECK[*]}")" >/dev/null
    touch build-lint/rules
}

# gcc -fanalyzer, clang-tidy and cppcheck, each of them part of compiling a file: what did not
# change is not looked at again, and what has a finding is not done.
lint_sources() {
    local log=build-lint/findings.log
    cmake --build build-lint -- -k 0 -j "$(nproc)" >"$log" 2>&1 && return 0
    if ! grep -E '(error|warning|portability|performance): ' "$log" | sort -u; then
        tail -n 40 "$log"
    fi
    echo "lint: all of it is in $log" >&2
    return 1
}

dev_lint() {
    install_missing "${BUILD_PACKAGES[@]}" "${LINT_PACKAGES[@]}"
    lint_configure
    local failed=0 check
    for check in banned sizes limits format sources layers; do
        if "lint_$check"; then echo "lint $check: ok"; else echo "lint $check: FAILED"; failed=1; fi
    done
    return $failed
}
