# bash completion of opengeni-ctl: commands, options, and the machines that the hub knows.
# Source it, or install it as /usr/share/bash-completion/completions/opengeni-ctl.
_opengeni_ctl() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
}
complete -o default -F _opengeni_ctl opengeni-ctl
