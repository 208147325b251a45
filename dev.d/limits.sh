# docs/limits.md is written from platform/base/limits.h, so that no limit goes undocumented.

limits_document() {
    cat <<'HEAD'
# Limits

Every length, count, path and wait is bounded by a name in `platform/base/limits.h`; this page is made from it by `./dev format`. Sizes are bytes, times milliseconds, unless the name says otherwise.
HEAD
    awk '
        /^\/\/ --- / { sub(/^\/\/ --- /, ""); printf "\n## %s\n\n| limit | value | |\n|---|---|---|\n", $0; next }
        /^#define [A-Z]/ {
            name = $2; value = $0; note = ""
            sub(/^#define +[A-Z0-9_]+ +/, "", value)
            if (match(value, / *\/\/ */)) { note = substr(value, RSTART + RLENGTH); value = substr(value, 1, RSTART - 1) }
            gsub(/u\y|U\y/, "", value); gsub(/\|/, "\\|", value)
            printf "| `%s` | %s | %s |\n", name, value, note
        }' platform/base/limits.h
}

lint_limits() {
    if ! diff -q <(limits_document) docs/limits.md >/dev/null; then
        echo "lint: docs/limits.md is not what limits.h says; run ./dev format" >&2
        return 1
    fi
}
