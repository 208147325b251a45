"""The owner pauses the agent: no control plane gets anything done until it is resumed."""
import json
import os
import threading

import pytest

from natsclient import wait_until
from rig import ControlError, Runtime


def refused(runtime, **more):
    try:
        runtime.shell("echo ran", **more)
    except ControlError as error:
        assert error.code == "CONSENT_REQUIRED" and not error.retryable and "paused" in error.message
        return True
    return False


def test_a_pause_refuses_everything_but_a_ping_and_outlives_a_restart(online, server):
    agent, runtime = online
    done = agent.command("pause")
    assert done.returncode == 0 and "Paused" in done.stdout
    wait_until(lambda: refused(runtime), what="the pause to be taken over")
    assert runtime.ping().nonce == 7
    for op, fields in (("fs_read", {"path": "/etc/passwd"}), ("fs_list", {"path": "/"}), ("metrics", {}),
                       ("fs_write", {"path": "x"}), ("pty_open", {})):
        with pytest.raises(ControlError) as error:
            runtime.call(op, **fields)
        assert error.value.code == "CONSENT_REQUIRED", op
    assert not os.path.exists(os.path.join(agent.root, "x"))
    assert "paused" in agent.command("status").stdout.lower()
    assert json.loads(agent.command("status", "--json").stdout)["paused"] is True
    agent.stop()
    seen = len(runtime.hellos)
    agent.start()
    runtime.wait_online(after=seen)
    assert refused(runtime)
    assert "Resumed" in agent.command("resume").stdout
    wait_until(lambda: not refused(runtime), what="the end of the pause")
    assert "not paused" in agent.command("resume").stdout


def test_what_runs_is_listed_or_killed(online):
    agent, runtime = online
    gate = os.path.join(agent.root, "gate")
    os.mkfifo(gate)
    ended = []

    def work():
        try:
            ended.append(runtime.shell(f"cat {gate}"))
        except ControlError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: json.loads(agent.command("status", "--json").stdout)["connections"][0]["operations"])
    done = agent.command("pause")
    assert "exec for" in done.stdout and "--kill" in done.stdout and not ended
    wait_until(lambda: refused(runtime), what="the pause to be taken over")
    assert agent.command("pause", "--kill").returncode == 0
    thread.join(20)
    assert ended, "the command was not ended"
    assert refused(runtime)
    agent.command("resume")
    wait_until(lambda: not refused(runtime), what="the end of the pause")


def test_a_machine_can_be_paused_before_it_serves(server, make_agent):
    agent = make_agent(server, start=False)
    assert agent.command("pause").returncode == 0
    runtime = Runtime(server)
    agent.start()
    runtime.wait_online()
    assert refused(runtime)
