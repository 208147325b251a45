# docs/limits.md is written from platform/base/limits.h, so that no limit goes undocumented.

LIMITS=platform/base/limits.h

limits_document() {
    cat <<'HEAD'
# Limits

Every length, count, path and wait is bounded by a name in `platform/base/limits.h`; this page is made from it by `./dev format`.
HEAD
    perl -ne '
        sub amount { # NAME, VALUE: as a person would say it
            my ($name, $value) = @_;
            my $number = $value =~ s/(?<=\d)(u|ll|ull)\b//gr;
            if ($number =~ /^\((\d+) << ([12])0\)$/) {
                return "$1 " . ($2 == 1 ? "KiB" : "MiB");
            }
            my $ms = $name =~ /_MS(_|$)/ ? 1 : $name =~ /_S$/ ? 1000 : 0;
            if ($ms && $number =~ /^\d+$/) {
                $number *= $ms;
                return $number / 86400000 . " d" if $number >= 86400000 && $number % 86400000 == 0;
                return $number / 3600000 . " h" if $number >= 3600000 && $number % 3600000 == 0;
                return $number / 60000 . " min" if $number > 60000 && $number % 60000 == 0;
                return $number / 1000 . " s" if $number >= 1000 && $number % 100 == 0;
                return "$number ms";
            }
            $number .= " bytes" if $name =~ /_BYTES(_|$)/ && $number =~ /^\d+$/;
            return $number =~ s/\|/\\|/gr;
        }
        print "\n## ", ucfirst $1, "\n\n| limit | value | why |\n|---|---|---|\n" if m{^// --- (.*)$};
        if (m{^#define (\w+) +(.*?) *(?:// (.*))?$}) {
            my ($name, $value, $why) = ($1, $2, $3 // "");
            print "| `$name` | ", amount($name, $value), " | ", $why =~ s/\|/\\|/gr, " |\n";
        }' "$LIMITS"
}

lint_limits() {
    local found=0 name
    if grep -nE '^#define' "$LIMITS" | grep -v '// '; then
        echo "lint: limits without a reason, see above" >&2
        found=1
    fi
    while read -r name; do
        echo "lint: $LIMITS defines $name twice" >&2
        found=1
    done < <(awk '/^#define/ { print $2 }' "$LIMITS" | sort | uniq -d)
    while read -r name; do
        echo "lint: nothing uses $name of $LIMITS" >&2
        found=1
    done < <(comm -23 <(awk '/^#define/ { print $2 }' "$LIMITS" | sort -u) \
        <(c_sources | grep -vxF "$LIMITS" | xargs grep -hoE '\b[A-Z][A-Z0-9_]{3,}\b' | sort -u))
    if ! diff -q <(limits_document) docs/limits.md >/dev/null; then
        echo "lint: docs/limits.md is not what $LIMITS says; run ./dev format" >&2
        found=1
    fi
    return $found
}
