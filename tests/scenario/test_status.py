"""opengeni-agent status asks the running agent and tells how everything is at this moment."""
import json
import os
import signal
import threading
import time

from natsclient import freeze, wait_until
from rig import Runtime


def status(agent, expected=0):
    done = agent.command("status", "--json")
    assert done.returncode == expected, done.stderr
    return json.loads(done.stdout)


def test_running_operations_are_told_by_name_alone(online):
    agent, runtime = online
    gate = os.path.join(agent.root, "gate")
    os.mkfifo(gate)
    waiting = threading.Thread(target=runtime.shell, args=(f"cat {gate}; : hushed-argument",))
    waiting.start()
    try:
        told = wait_until(lambda: (s := status(agent))["connections"][0]["operations"] and s,
                          what="the command in the status")
        (connection,) = told["connections"]
        assert connection["state"] == "online" and connection["ops_running"] == 1
        assert [o["op"] for o in connection["operations"]] == ["exec"]
        assert abs(time.time() * 1000 - connection["operations"][0]["since_ms"]) < 60_000
        assert told["running"] and told["pid"] == agent.process.pid and told["terminals"] == 0
        text = agent.command("status").stdout
        assert "1 operation running" in text and "running     exec for " in text
        with open(os.path.join(agent.config, "status.json")) as f:
            written = f.read()
        for secret in ("hushed-argument", gate, "test-bearer"):
            assert secret not in text and secret not in written
        assert oct(os.stat(os.path.join(agent.config, "status.json")).st_mode & 0o777) == "0o600"
    finally:
        with open(gate, "w"):
            pass
        waiting.join()
    wait_until(lambda: status(agent)["connections"][0]["operations"] == [],
               what="the command to be gone from the status")


def test_the_latest_trouble_is_told_and_kept_when_it_is_over(online, server):
    agent, runtime = online
    assert status(agent)["connections"][0]["last_error"] is None
    seen = len(runtime.hellos)
    server.kill()
    down = wait_until(lambda: (c := status(agent)["connections"][0])["state"] == "backoff" and c,
                      what="the link to wait")
    assert down["last_error"] and down["last_error_at_ms"] and down["attempt"] >= 0
    text = wait_until(lambda: "backoff" in (t := agent.command("status").stdout) and t,
                      what="the wait for the next attempt in the status")
    assert "last error" in text and " ago)" in text
    server.start()
    after = Runtime(server)
    after.wait_heard()
    assert seen
    up = wait_until(lambda: (c := status(agent)["connections"][0])["state"] == "online" and c)
    assert up["last_error"] and up["next_retry_ms"] == 0


def test_every_question_is_answered_and_nobody_else_makes_it_write(online):
    agent, runtime = online
    path = os.path.join(agent.config, "status.json")

    def settled():
        with open(path) as f:
            return [c["state"] for c in json.load(f)["connections"]] == ["online"]

    wait_until(settled, what="the state to be written")
    before = os.stat(path)
    beats = len(runtime.heartbeats())
    wait_until(lambda: len(runtime.heartbeats()) > beats, what="a heartbeat")
    assert os.stat(path).st_ino == before.st_ino and os.stat(path).st_mtime_ns == before.st_mtime_ns
    first = status(agent)
    second = status(agent)
    assert before.st_mtime_ns < os.stat(path).st_mtime_ns
    assert first["updated_at_ms"] < second["updated_at_ms"]
    assert second["connections"][0]["heartbeats_sent"] >= beats


def test_an_agent_that_does_not_answer_is_told_as_it_was(online):
    agent, _ = online
    status(agent)
    freeze(agent.process)
    frozen = status(agent)
    assert frozen["running"] and frozen["connections"][0]["state"] == "online"
    agent.process.send_signal(signal.SIGCONT)


def test_after_the_end_nothing_is_told_of_the_past(online):
    agent, _ = online
    status(agent)
    agent.stop()
    ended = status(agent, expected=4)
    assert not ended["running"] and ended["connections"][0]["state"] is None
