# Builds. The preset's name decides the directory: build, build-asan, build-tsan, build-fuzz.

build_preset() {
    install_missing "${BUILD_PACKAGES[@]}"
    [ "$1" = fuzz ] && install_missing "${LINT_PACKAGES[@]}"
    cmake --preset "$1" >/dev/null
    cmake --build --preset "$1" "${@:2}" -- --quiet
}

dev_build() {
    build_preset release --target programs
    echo "programs are in $PWD/build/bin"
}

SOURCE_DIRS=(platform proto relay-client agent hub tests)

c_sources() {
    git ls-files -co --exclude-standard -- "${SOURCE_DIRS[@]}" | grep -E '\.[ch]$'
}

dev_format() {
    install_missing "${LINT_PACKAGES[@]}"
    c_sources | xargs clang-format -i
    limits_document >docs/limits.md
}
