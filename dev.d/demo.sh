# The user's way, for real: a hub, a one-time token, an agent that connects with it, a command run on
# this machine through both, and what to try next.

demo_free_ports() { # COUNT: all are taken before any is given back
    python3 -c '
import socket, sys
taken = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in taken:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in taken))' "$1"
}

demo_say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# Shows a command as a person would type it.
demo_show() {
    local word line='$'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./:@=+,-]* | '') line+=" '$word'" ;;
        *) line+=" $word" ;;
        esac
    done
    echo "$line"
}

demo_run() {
    demo_show "$@"
    "$@"
}

# Stops the demo with the reason and the end of a log.
demo_broken() { # WHAT LOG
    echo "$1; its log:" >&2
    tail -n 20 "$2" >&2
    exit 1
}

dev_demo() {
    build_preset release --target programs
    local home url server root=$PWD
    home=$(mktemp -d -t opengeni-demo.XXXXXX)
    DEMO_HOME=$home DEMO_PIDS=()
    trap demo_finish EXIT
    trap 'exit 130' INT TERM
    server=$(dev.d/nats-server-new) || {
        server=nats-server
        echo "going on with the installed nats-server: good for trying out, nobody is authenticated"
    }
    local ports
    read -r -a ports < <(demo_free_ports 3)
    url=http://127.0.0.1:${ports[0]}

    # A home of its own: nothing of yours is read or changed.
    mkdir -p -m 700 "$home/run" "$home/work"
    export HOME=$home XDG_RUNTIME_DIR=$home/run PATH=$root/build/bin:$PATH
    unset OPENGENI_SERVER OPENGENI_HUB OPENGENI_CONFIG_DIR OPENGENI_API_URL XDG_STATE_HOME XDG_CONFIG_HOME
    cd "$home/work"

    demo_say "1. The other side: a hub, with a nats-server of its own"
    demo_show opengeni-hub serve --listen "127.0.0.1:${ports[0]}"
    opengeni-hub serve --data "$home/.local/state/opengeni-hub" --listen "127.0.0.1:${ports[0]}" \
        --agents "127.0.0.1:${ports[1]}" --nats-port "${ports[2]}" --nats-server "$server" \
        >"$home/hub.log" 2>&1 &
    DEMO_PIDS+=($!)
    demo_wait curl -fs --noproxy '*' "$url/healthz" || demo_broken "the hub does not serve" "$home/hub.log"

    demo_say "2. A token that enrols one machine, once; this machine connects with it"
    echo "\$ opengeni-hub token > token"
    (umask 077 && opengeni-hub token --data "$home/.local/state/opengeni-hub" >token)
    demo_run opengeni-agent --api-url "$url" connect --token-file token --machine-name here

    demo_say "3. The agent serves"
    demo_show opengeni-agent run
    opengeni-agent run >"$home/agent.log" 2>&1 &
    DEMO_PIDS+=($!)
    opengeni-ctl --wait 20 ping --count 1 here >/dev/null ||
        demo_broken "the agent did not come online" "$home/agent.log"

    demo_say "4. You, from anywhere: opengeni-ctl finds the hub by itself here"
    demo_run opengeni-ctl machines
    demo_run opengeni-ctl exec here -- uname -a
    demo_run opengeni-ctl exec --shell here 'echo "hello from $(hostname), in $PWD"'
    echo "hello, file" | demo_run opengeni-ctl put here - hello.txt
    demo_run opengeni-ctl ls -l here .
    demo_run opengeni-ctl cat here hello.txt

    demo_say "It works. Try next, in another terminal:"
    cat <<NEXT
    export PATH=$root/build/bin:\$PATH XDG_RUNTIME_DIR=$home/run
    . $root/packaging/completions/opengeni-ctl.bash   # machines' names complete
    opengeni-ctl shell here
    opengeni-ctl metrics here
    opengeni-ctl bench here
    opengeni-ctl --help

And look at $url/healthz and $url/metrics.
The hub's log is $home/hub.log, the agent's is
$home/agent.log. Ctrl-C ends all of it and removes $home.
NEXT
    # Without a terminal nobody could press Ctrl-C.
    [ -t 0 ] && [ -t 1 ] || return 0
    wait
}

demo_wait() { # COMMAND...: until it succeeds
    for _ in $(seq 150); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    return 1
}

demo_finish() {
    trap - EXIT
    cd /
    [ ${#DEMO_PIDS[@]} -gt 0 ] && kill "${DEMO_PIDS[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$DEMO_HOME"
}
