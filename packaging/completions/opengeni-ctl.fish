# fish completion of opengeni-ctl: commands, options, and the machines that the hub knows.
function __opengeni_ctl_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null </dev/null
end
complete -c opengeni-ctl -a '(__opengeni_ctl_complete)'
