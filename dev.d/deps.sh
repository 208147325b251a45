# What the project needs, by Debian package. Anything missing is installed as root, or named.

BUILD_PACKAGES=(
    build-essential cmake ninja-build pkg-config protobuf-c-compiler protobuf-compiler
    libprotobuf-c-dev libnats-dev libwebsockets-dev libjansson-dev libinih-dev libssl-dev
    libcurl4-openssl-dev libsqlite3-dev uthash-dev check libcap-dev
    libx11-dev libxext-dev libxtst-dev libxrandr-dev libxfixes-dev libxdamage-dev libdeflate-dev
    libvncserver-dev libpng-dev nats-server openssl git
)
TEST_PACKAGES=(
    python3 python3-pytest python3-pytest-xdist python3-protobuf procps xvfb xterm xdotool x11-xserver-utils
    x11-xkb-utils x11-utils openbox curl wget minisign man-db zsh fish strace novnc chromium
)
LINT_PACKAGES=(clang clang-tidy clang-format cppcheck libclang-rt-dev golang-go nodejs npm)

# To try packages out.
PACKAGE_PACKAGES=(lintian mmdebstrap arch-test)

# Some names differ between releases, and a tool may have come from elsewhere.
package_is_there() {
    case $1 in
    libclang-rt-dev) ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer* >/dev/null 2>&1 ;;
    golang-go) command -v go >/dev/null ;;
    nodejs) command -v node >/dev/null ;;
    npm) command -v npm >/dev/null ;;
    *) dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed' ;;
    esac
}

package_name() {
    case $1 in
    libclang-rt-dev) apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\).*/libclang-rt-\1-dev/p' | head -n 1 ;;
    *) echo "$1" ;;
    esac
}

# install_missing PACKAGE...
install_missing() {
    local missing=() package
    for package in "$@"; do
        package_is_there "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if ! command -v apt-get >/dev/null; then
        echo "dev: this needs Debian's packages: ${missing[*]}" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "dev: packages are missing; ask root to run:" >&2
        echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    echo "dev: installing ${missing[*]}" >&2
    apt-get update -qq
    local names=()
    for package in "${missing[@]}"; do
        names+=("$(package_name "$package")")
    done
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${names[@]}" >/dev/null
}

dev_deps() {
    install_missing "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${LINT_PACKAGES[@]}"
}
