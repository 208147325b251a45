# The main job for real: a broker with a TLS WebSocket listener, an agent that dials it, a command
# run on this machine through both, and what to try next.

demo_free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

demo_say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# Shows a command as a person would type it, then runs it.
demo_run() {
    local word line='$'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./:@=+,-]*) line+=" '$word'" ;;
        *) line+=" $word" ;;
        esac
    done
    echo "$line"
    "$@"
}

dev_demo() {
    build_preset release --target programs
    local home port ws_port
    home=$(mktemp -d -t opengeni-demo.XXXXXX)
    DEMO_HOME=$home DEMO_PIDS=()
    trap demo_finish EXIT
    trap 'exit 130' INT TERM
    port=$(demo_free_port) ws_port=$(demo_free_port)

    demo_say "1. A broker: nats-server, with wss on port $ws_port under a CA made just now"
    tests/acceptance/certificates "$home"
    cat >"$home/nats.conf" <<CONF
listen: 127.0.0.1:$port
websocket {
    listen: "127.0.0.1:$ws_port"
    tls { cert_file: "$home/server.pem", key_file: "$home/server.key" }
}
CONF
    nats-server -c "$home/nats.conf" >"$home/nats.log" 2>&1 &
    DEMO_PIDS+=($!)

    demo_say "2. An agent in a home of its own, dialing wss://localhost:$ws_port"
    mkdir -p "$home/work" "$home/.config/opengeni/agent"
    chmod 700 "$home/.config/opengeni/agent"
    (umask 077 && cat >"$home/.config/opengeni/agent/credentials.json" <<JSON
{"agent_id": "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "workspace_id": "11111111-1111-4111-8111-111111111111",
 "nats_bearer": "demo", "nats_urls": ["wss://localhost:$ws_port"], "relay_url": "", "update_pubkey": "",
 "consented_whole_machine": true, "consented_screen_control": false}
JSON
    )
    (cd "$home/work" && exec env HOME="$home" OPENGENI_CONFIG_DIR="$home/.config/opengeni/agent" \
        "$OLDPWD/build/bin/opengeni-agent" run --ca-file "$home/ca.pem") >"$home/agent.log" 2>&1 &
    DEMO_PIDS+=($!)

    export OPENGENI_SERVER=nats://127.0.0.1:$port PATH=$PWD/build/bin:$PATH
    demo_say "3. The other end of the wire"
    local machine=11111111-1111-4111-8111-111111111111/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa
    if ! demo_wait "$machine"; then
        echo "the agent did not come online; its log:" >&2
        tail -n 20 "$home/agent.log" >&2
        exit 1
    fi
    demo_run opengeni-ctl ping --count 1 "$machine"
    demo_run opengeni-ctl exec "$machine" -- uname -a
    demo_run opengeni-ctl exec --shell "$machine" 'echo "hello from $(hostname), in $PWD"'
    echo "hello, file" | demo_run opengeni-ctl put "$machine" - hello.txt
    demo_run opengeni-ctl ls -l "$machine" .
    demo_run opengeni-ctl cat "$machine" hello.txt

    demo_say "It works. Try next, in another terminal:"
    cat <<NEXT
    export PATH=$PWD/build/bin:\$PATH OPENGENI_SERVER=$OPENGENI_SERVER
    opengeni-ctl machines
    opengeni-ctl exec $machine -- ls -l /
    opengeni-ctl metrics $machine
    opengeni-ctl bench $machine
    opengeni-ctl --help

The agent's log is $home/agent.log. Ctrl-C ends all of it and removes $home.
NEXT
    # Without a terminal nobody could press Ctrl-C.
    [ -t 0 ] && [ -t 1 ] || return 0
    wait
}

demo_wait() {
    for _ in $(seq 150); do
        opengeni-ctl ping "$1" >/dev/null 2>&1 && return
        sleep 0.1
    done
    return 1
}

demo_finish() {
    trap - EXIT
    [ ${#DEMO_PIDS[@]} -gt 0 ] && kill "${DEMO_PIDS[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$DEMO_HOME"
}
