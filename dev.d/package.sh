# Packages: build-package/*.deb, and a tarball that works from any place. OPENGENI_UPDATE_KEY and
# OPENGENI_UPDATE_BASE_URL make a tarball whose agent updates itself (docs/install.md).

dev_package() {
    install_missing "${BUILD_PACKAGES[@]}" file
    local out=$PWD/build-package name stage
    cmake -S . -B "$out" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX=/usr \
        -DOPENGENI_UPDATE_KEY="${OPENGENI_UPDATE_KEY:-}" \
        -DOPENGENI_UPDATE_BASE_URL="${OPENGENI_UPDATE_BASE_URL:-}" -DOG_TESTS=OFF >/dev/null
    cmake --build "$out" -- --quiet
    (cd "$out" && rm -f ./*.deb && cpack -G DEB >cpack.log 2>&1) || {
        cat "$out/cpack.log" >&2
        return 1
    }
    name=opengeni-agent-$("$out/bin/opengeni-agent" --version | cut -d ' ' -f 2)-$(uname -m)-linux
    stage=$out/$name
    rm -rf "$stage"
    cmake --install "$out" --prefix "$stage/files" --strip >/dev/null
    rm -r "$stage/files/lib" # the units name /usr/bin; 'opengeni-agent start' writes one that fits
    cp README.md LICENSE "$stage"
    sed -e "s|^known_base=.*|known_base='${OPENGENI_UPDATE_BASE_URL:-}'|" \
        -e "s|^known_key=.*|known_key='${OPENGENI_UPDATE_KEY:-}'|" packaging/install.sh >"$stage/install.sh"
    chmod 755 "$stage/install.sh"
    cp "$stage/install.sh" "$out" # for the place of releases
    tar -C "$out" --owner 0 --group 0 --sort name -czf "$out/$name.tar.gz" "$name"
    (cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
    rm -rf "$stage"
    ls -1 "$out"/*.deb "$out/$name.tar.gz"
}

# What packages and the tarball hold, installed into a directory and run from there.
dev_test_package() {
    install_missing "${PACKAGE_PACKAGES[@]}"
    dev_package
    tests/package/run "$PWD/build-package"
    tests/package/chroot "$PWD/build-package"
}
