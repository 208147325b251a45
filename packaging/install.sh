#!/bin/sh
# Installs the agent: what lies beside this script, or a release that it fetches; or removes it.
#
#   ./install.sh               into ~/.local, or /usr/local with OPENGENI_SYSTEM=1
#   ./install.sh --from URL    the newest release of that place
#   ./install.sh --uninstall   the service and the programs; connections stay, --purge removes them
#
# OPENGENI_INSTALL_BASE_URL   the same as --from, where no programs lie beside this script
# OPENGENI_UPDATE_KEY         the public key of minisign that releases have to be signed by (--key)
# OPENGENI_AGENT_VERSION      this version instead of the newest
# OPENGENI_CHANNEL            stable or beta
# OPENGENI_CA_FILE            the CA of the place of releases, instead of the system's
# OPENGENI_PREFIX             another place (OPENGENI_INSTALL_DIR: the same, by its bin directory)
# OPENGENI_ENROLL_TOKEN       connect with this token (read from the environment, never an argument)
# OPENGENI_WORKSPACE_ID       connect by a code that somebody confirms
# OPENGENI_NO_SERVICE=1       do not start the service
# OPENGENI_ALLOW_DOWNGRADE=1  also over a newer version
#
# A release is fetched over https, and nothing of it is unpacked before its signature and its digest
# are right (docs/install.md).
#
# Each version has a directory of its own in PREFIX/lib/opengeni-agent, with a link "current" to the
# one that counts; PREFIX/bin and PREFIX/share lead through it. So all changes in one step, and what
# runs goes on with what it was started from.
#
# Exit status: 0 done, 1 failed, 2 wrong usage, 3 not fetched, 4 another digest or size, 5 not signed
# by the key, 6 nothing here can verify signatures, 7 not for this machine.
set -eu

# Where releases are and whose they are. ./dev package fills this in for builds that have a key.
known_base=''
known_key=''

fail() {
    echo "install.sh: $2" >&2
    exit "$1"
}

if [ -n "${OPENGENI_PREFIX:-}" ]; then
    prefix=$OPENGENI_PREFIX
elif [ -n "${OPENGENI_INSTALL_DIR:-}" ]; then
    case $OPENGENI_INSTALL_DIR in
    */bin) prefix=${OPENGENI_INSTALL_DIR%/bin} ;;
    *) fail 2 "OPENGENI_INSTALL_DIR has to end in /bin" ;;
    esac
elif [ "${OPENGENI_SYSTEM:-0}" = 1 ]; then
    prefix=/usr/local
else
    prefix=${HOME:?is not set}/.local
fi
case $prefix in
/*) ;;
*) fail 2 "the place has to be an absolute path" ;;
esac
root=$prefix/lib/opengeni-agent
list=$root/links
agent=$prefix/bin/opengeni-agent

version_of() { # PROGRAM
    "$1" --version 2>/dev/null | sed -n '1s/^opengeni-agent //p'
}

# What a version brings, as paths below PREFIX.
files_of() { # DIRECTORY
    (cd "$1" && find bin share -type f 2>/dev/null | LC_ALL=C sort)
}

# A link in one step, whatever has been there.
put_link() { # TARGET LINK
    rm -f -- "$2.new"
    ln -s -- "$1" "$2.new"
    mv -Tf -- "$2.new" "$2"
}

remove_link() { # PATH BELOW PREFIX; only what leads into our own directory
    case $1 in
    */../* | ../* | /*) fail 1 "$list is damaged; nothing more is removed" ;;
    esac
    case $(readlink -- "$prefix/$1") in
    *lib/opengeni-agent/current/*) rm -f -- "$prefix/$1" ;;
    esac
}

install_version() { # NAME OF ITS DIRECTORY
    rm -rf -- "$root/.install"
    cp -R -- "$here/files" "$root/.install"
    chmod -R u=rwX,go=rX -- "$root/.install"
    rm -rf -- "${root:?}/$1"
    mv -T -- "$root/.install" "$root/$1"
    if [ -L "$root/current" ]; then
        put_link "$(readlink -- "$root/current")" "$root/previous"
    fi
    put_link "$1" "$root/current"
    files_of "$root/$1" | while IFS= read -r file; do
        mkdir -p -- "$prefix/$(dirname -- "$file")"
        up=$(printf '%s\n' "$file" | sed 's|[^/]*$||; s|[^/]*/|../|g')
        put_link "${up}lib/opengeni-agent/current/$file" "$prefix/$file"
    done
    # Links of the version before that have nowhere to lead any more.
    if [ -f "$list" ]; then
        while IFS= read -r file; do
            [ -e "$prefix/$file" ] || remove_link "$file"
        done <"$list"
    fi
    files_of "$root/$1" >"$list.new"
    mv -f -- "$list.new" "$list"
    # Versions that nothing leads to.
    previous=$(readlink -- "$root/previous" || true)
    for dir in "$root"/[0-9]*; do
        case ${dir##*/} in
        "$1" | "$previous") ;;
        *) rm -rf -- "$dir" ;;
        esac
    done
    rm -f -- "$root"/trial-*
}

# One at a time, be it this script or 'opengeni-agent update'.
lock() {
    mkdir -p -- "$root"
    chmod go-w -- "$root"
    exec 9<"$root"
    if command -v flock >/dev/null; then
        flock -n 9 || fail 1 "another installation or update is at work"
    fi
}

unlock() { # also for children, who would keep it
    exec 9<&-
}

remove_files() {
    [ -d "$root" ] || return 0
    if [ -f "$list" ]; then
        while IFS= read -r file; do
            remove_link "$file"
        done <"$list"
    fi
    rm -rf -- "$root"/[0-9]* "$root"/.update-* "$root/.install"
    rm -f -- "$list" "$root/current" "$root/previous" "$root"/trial-*
    rmdir -- "$root" 2>/dev/null || true
}

purge() {
    config=${OPENGENI_CONFIG_DIR:-${XDG_CONFIG_HOME:-$HOME/.config}/opengeni/agent}
    [ -d "$config" ] || return 0
    # The known names alone, whatever the variable points to.
    for name in credentials.json machine-identity.ed25519 machine-identity.host agent.lock agent.ini \
        completed-update.json status.json update.lock paused virtual-desktop.auth; do
        rm -f -- "$config/$name"
    done
    if [ -d "$config/connections" ] && [ ! -L "$config/connections" ]; then
        find "$config/connections" -maxdepth 1 -type f \( -name '*.json' -o -name '.*.tmp' \) -exec rm -f -- {} +
        rmdir -- "$config/connections" 2>/dev/null || true
    fi
    for name in spool browserd interaction-runtime; do
        if [ -d "$config/$name" ] && [ ! -L "$config/$name" ]; then
            rm -rf -- "${config:?}/$name"
        fi
    done
    rmdir -- "$config" 2>/dev/null || true
    case $config in
    */opengeni/agent) rmdir -- "${config%/agent}" 2>/dev/null || true ;;
    esac
    echo "Removed the connections. The machine stays listed at its workspaces until it is removed there."
}

install_all() {
    version=$(version_of "$here/files/bin/opengeni-agent")
    [ -n "$version" ] ||
        fail 7 "these programs do not run here: another architecture, or libraries are missing"
    there=$(version_of "$agent" || true)
    start=start
    if [ -n "$there" ] && [ "$there" != "$version" ] && [ "${OPENGENI_ALLOW_DOWNGRADE:-0}" != 1 ] &&
        [ "$(printf '%s\n%s\n' "$version" "$there" | sort -V | tail -n 1)" = "$there" ]; then
        echo "Version $there is installed, and newer than $version: it stays."
    else
        name=$version
        if [ "$(readlink -- "$root/current" 2>/dev/null || true)" = "$name" ]; then
            name=$version.again # the one that is current must not go away for a moment
        fi
        [ -z "$there" ] || cmp -s -- "$here/files/bin/opengeni-agentd" "$root/current/bin/opengeni-agentd" ||
            start="start --restart"
        lock
        install_version "$name"
        unlock
        echo "Installed opengeni-agent $version into $prefix."
    fi
    case :$PATH: in
    *:"$prefix/bin":*) ;;
    *) echo "Note: $prefix/bin is not in your PATH." ;;
    esac
    if [ -n "${OPENGENI_ENROLL_TOKEN:-}" ]; then
        "$agent" connect --non-interactive
    elif [ -n "${OPENGENI_WORKSPACE_ID:-}" ]; then
        "$agent" connect
    else
        echo "Next: opengeni-agent connect"
    fi
    if [ "${OPENGENI_NO_SERVICE:-0}" = 1 ]; then
        return
    fi
    # What root installs for everybody is everybody's to start.
    if [ "${OPENGENI_SYSTEM:-0}" = 1 ] && [ -z "$there${OPENGENI_ENROLL_TOKEN:-}${OPENGENI_WORKSPACE_ID:-}" ]; then
        echo "Then: opengeni-agent start, as each user; or, for the whole machine, opengeni-agent start --system"
    else
        unset OPENGENI_ENROLL_TOKEN
        # shellcheck disable=SC2086 # two words
        "$agent" $start || echo "The service could not be started; 'opengeni-agent run' works without it."
    fi
}

# --- a release: fetched, verified, unpacked, and its own install.sh does the rest

# https, or http from this very machine. Nobody's name in it, nor what a shell or a log could mistake.
check_url() { # URL
    case $1 in
    *[!A-Za-z0-9:/._~%?=\&+,\;\[\]-]*) fail 2 "this is no usable address: $1" ;;
    https://?*) ;;
    http://127.0.0.1[:/]* | http://localhost[:/]* | http://\[::1\][:/]*) ;;
    http://127.0.0.1 | http://localhost | http://\[::1\]) ;;
    *) fail 2 "only https is good enough for programs: $1" ;;
    esac
}

fetch() { # URL FILE BLOCKS; of 512 bytes, more than which is never written
    check_url "$1"
    (
        ulimit -c 0
        ulimit -f "$3"
        if command -v curl >/dev/null; then
            # -q: no ~/.curlrc, which could switch off what is asked for here
            curl -q --fail --silent --show-error --location --max-redirs 5 --tlsv1.2 \
                --proto "=${1%%:*}" --proto-redir =https --connect-timeout 10 --max-time 900 \
                --speed-limit 1 --speed-time 30 ${OPENGENI_CA_FILE:+--cacert "$OPENGENI_CA_FILE"} \
                --output "$2" -- "$1"
        elif command -v wget >/dev/null; then
            # No redirections: wget would follow them away from https.
            wget --no-config --quiet --tries=1 --timeout=30 --max-redirect=0 \
                ${OPENGENI_CA_FILE:+--ca-certificate="$OPENGENI_CA_FILE"} -O "$2" -- "$1"
        else
            echo "install.sh: neither curl nor wget is installed" >&2
            exit 1
        fi
    ) || fail 3 "$1 cannot be fetched"
}

bytes_of() { # FILE
    wc -c <"$1" | tr -d ' '
}

decode() { # TEXT FILE BYTES
    printf '%s\n' "$1" | openssl base64 -d -A >"$2" 2>/dev/null && [ "$(bytes_of "$2")" = "$3" ]
}

ed25519() { # KEY MESSAGE SIGNATURE; raw bytes each. RFC 8410 says what stands before a key.
    { printf '\060\052\060\005\006\003\053\145\160\003\041\000' && cat "$1"; } >"$work/key.der" &&
        openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key.der" -rawin -in "$2" \
            -sigfile "$3" >/dev/null 2>&1
}

# What minisign checks: the key's id, the signature over the file's BLAKE2b-512, and the one over
# that signature and the trusted comment.
verify_by_openssl() { # FILE
    comment=$(sed -n 3p "$1.minisig" | tr -d '\r')
    case $comment in
    'trusted comment: '*) ;;
    *) return 1 ;;
    esac
    decode "$key" "$work/key" 42 &&
        decode "$(sed -n 2p "$1.minisig" | tr -d '\r')" "$work/signature" 74 &&
        decode "$(sed -n 4p "$1.minisig" | tr -d '\r')" "$work/global" 64 || return 1
    head -c 10 "$work/key" | tail -c 8 >"$work/id"
    head -c 10 "$work/signature" | tail -c 8 | cmp -s - "$work/id" || return 1
    tail -c 32 "$work/key" >"$work/raw-key"
    tail -c 64 "$work/signature" >"$work/raw"
    { cat "$work/raw" && printf '%s' "${comment#trusted comment: }"; } >"$work/over"
    openssl dgst -blake2b512 -binary "$1" >"$work/digest" &&
        ed25519 "$work/raw-key" "$work/digest" "$work/raw" &&
        ed25519 "$work/raw-key" "$work/over" "$work/global"
}

verify() { # FILE; its signature is FILE.minisig
    # Signed through a digest (algorithm "ED"); the older kind is refused, as by the agent.
    case $(sed -n 2p "$1.minisig") in
    RU[QRST]*) ;;
    *) fail 5 "$2 is not signed as it has to be" ;;
    esac
    if command -v minisign >/dev/null; then
        minisign -V -q -P "$key" -m "$1" -x "$1.minisig" >/dev/null 2>&1 ||
            fail 5 "$2 is not signed by the key $key"
    else
        verify_by_openssl "$1" || fail 5 "$2 is not signed by the key $key"
    fi
}

find_verifier() {
    command -v minisign >/dev/null && return
    # Only OpenSSL 3 verifies Ed25519 from a file.
    case $(openssl version 2>/dev/null || true) in
    'OpenSSL '[3-9]*) ;;
    *) fail 6 "nothing here can verify signatures: install minisign, or OpenSSL 3" ;;
    esac
}

text_of() { # NAME; of a JSON object in one line
    sed -n 's/.*[{,] *"'"$1"'" *: *"\([^"\\]*\)".*/\1/p'
}

absolute() { # ADDRESS; relative ones are below the base
    case $1 in
    *://*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$base/$1" ;;
    esac
}

# Sets version, url, signature_url, and sha256 and size, which may be empty.
find_release() {
    machine=$(uname -m)
    case $machine in
    x86_64 | aarch64) ;;
    *) fail 7 "there are no releases for $machine" ;;
    esac
    sha256='' size=''
    version=${OPENGENI_AGENT_VERSION:-latest}
    if [ "$version" != latest ]; then
        case $version in
        *[!0-9A-Za-z.+-]*) fail 2 "OPENGENI_AGENT_VERSION is something like 1.0.0, or latest" ;;
        [0-9]*.[0-9]*.[0-9]*) ;;
        *) fail 2 "OPENGENI_AGENT_VERSION is something like 1.0.0, or latest" ;;
        esac
        url=$base/agent/v$version/opengeni-agent-$version-$machine-linux.tar.gz
        signature_url=$url.minisig
        return
    fi
    channel=${OPENGENI_CHANNEL:-stable}
    case $channel in
    stable | beta) ;;
    *) fail 2 "the channel is stable or beta" ;;
    esac
    manifest=$work/manifest.json
    fetch "$base/agent/$channel/manifest.json" "$manifest" 512
    fetch "$base/agent/$channel/manifest.json.minisig" "$manifest.minisig" 8
    verify "$manifest" "the list of releases"
    # From here on it is the word of the key's owner.
    tr -d '\r\n\t' <"$manifest" >"$work/line"
    [ "$(text_of channel <"$work/line")" = "$channel" ] || fail 5 "the list is of another channel"
    version=$(text_of version <"$work/line")
    tr '{' '\n' <"$work/line" | sed 's/^/{/' | grep "\"target\" *: *\"$machine-unknown-linux-gnu\"" |
        head -n 1 >"$work/artifact" || true
    [ -s "$work/artifact" ] || fail 7 "version $version is not offered for $machine"
    url=$(text_of url <"$work/artifact")
    signature_url=$(text_of minisig_url <"$work/artifact")
    sha256=$(text_of sha256 <"$work/artifact")
    size=$(sed -n 's/.*[{,] *"size" *: *\([0-9]*\).*/\1/p' <"$work/artifact")
    [ -n "$version" ] && [ -n "$url" ] && [ -n "$signature_url" ] && [ -n "$sha256" ] ||
        fail 5 "the list of releases makes no sense"
    url=$(absolute "$url")
    signature_url=$(absolute "$signature_url")
}

download_all() {
    [ -n "$base" ] || fail 2 "there are no programs beside this script; say where releases are: --from URL"
    [ -n "$key" ] || fail 2 "say which key releases are signed by: OPENGENI_UPDATE_KEY=RW..."
    case $key in
    RW*) ;;
    *) fail 2 "this is no public key of minisign: $key" ;;
    esac
    check_url "$base"
    find_verifier
    mkdir -p -- "$prefix/lib"
    work=$(mktemp -d "$prefix/lib/.opengeni-agent-download.XXXXXX")
    trap 'rm -rf -- "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    find_release
    archive=$work/archive.tar.gz
    echo "Fetching opengeni-agent $version from $base."
    fetch "$signature_url" "$archive.minisig" 8
    fetch "$url" "$archive" 131072
    verify "$archive" "the release"
    if [ -n "$sha256" ]; then
        digest=$(sha256sum <"$archive")
        [ "${digest%% *}" = "$(printf '%s\n' "$sha256" | tr A-F a-f)" ] ||
            fail 4 "the release is not the one that the list names"
    fi
    [ "${size:-0}" = 0 ] || [ "$(bytes_of "$archive")" = "$size" ] ||
        fail 4 "the release has not the size that the list names"
    mkdir -- "$work/tree"
    tar -xzf "$archive" --no-same-owner --strip-components=1 -C "$work/tree" ||
        fail 1 "the release cannot be unpacked"
    there=$(version_of "$work/tree/files/bin/opengeni-agent" || true)
    [ -z "$there" ] || [ "$there" = "$version" ] || fail 5 "the release is version $there, not $version"
    unset OPENGENI_INSTALL_BASE_URL OPENGENI_AGENT_VERSION
    status=0
    "$work/tree/install.sh" || status=$?
    exit "$status"
}

uninstall_all() { # and what connections have left, with --purge
    if [ -x "$agent" ]; then
        # Nothing is to be left that starts a program which has gone.
        "$agent" service uninstall || fail 1 "the service stays, so nothing was removed"
    fi
    remove_files
    echo "Removed opengeni-agent from $prefix."
    if [ "$1" = --purge ]; then
        purge
    fi
}

main() {
    action=install
    base='' key=${OPENGENI_UPDATE_KEY:-$known_key}
    while [ $# -gt 0 ]; do
        case $1 in
        --from | --key)
            [ $# -ge 2 ] || fail 2 "$1 wants a value"
            if [ "$1" = --from ]; then base=$2; else key=$2; fi
            [ -n "$2" ] || fail 2 "$1 wants a value"
            shift
            ;;
        --uninstall | --purge) action=$1 ;;
        -h | --help)
            echo "Usage: install.sh [--from URL] [--key KEY] | --uninstall | --purge"
            echo "Installs what lies beside it, or the newest release of URL; --uninstall removes it,"
            echo "and --purge also forgets connections. Its first lines tell of the environment."
            exit 0
            ;;
        *) fail 2 "what is '$1'? ./install.sh --help tells what there is" ;;
        esac
        shift
    done
    case $action in
    --*) uninstall_all "$action" ;;
    install)
        [ "$(uname -s)" = Linux ] || fail 7 "this is for Linux"
        # Whatever the umask of whoever installs: others may use it, and nobody else may change it,
        # or 'opengeni-agent update' refuses.
        umask 022
        # Read by a shell from a pipe, it lies nowhere.
        here=''
        case $0 in
        */install.sh | install.sh) here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) ;;
        esac
        if [ -z "$base" ] && [ -n "$here" ] && [ -f "$here/files/bin/opengeni-agent" ]; then
            install_all
        else
            base=${base:-${OPENGENI_INSTALL_BASE_URL:-$known_base}}
            while [ "$base" != "${base%/}" ]; do base=${base%/}; done
            download_all
        fi
        ;;
    esac
}

main "$@"
