"""Terminals of a real agent through a real hub: what a person at a viewer sees."""

import os
import re
import time

import pytest

from hubrig import wait_until
from rig import ControlError
from terminalrig import Machine, Viewer


@pytest.fixture
def machine(hub, tmp_path):
    made = Machine(hub, tmp_path)
    yield made
    made.stop()


def counted(text):
    return [int(n) for n in re.findall(r"line (\d+)\.", text)]


COUNT = "i=0; while [ $i -lt %d ]; do echo line $i.; i=$((i+1)); sleep 0.01; done; echo counted"


def test_a_shell_is_used_and_ends(machine):
    assert machine.runtime.hellos[-1][2].capabilities.pty
    channel = machine.open()
    assert (channel.kind, channel.port) == (1, 7681)
    viewer = Viewer(machine.hub, channel)
    viewer.type("echo $((6*7)) $TERM $COLORTERM; stty size\n")
    assert "42 xterm-256color truecolor" in viewer.until("24 80")
    machine.call("pty_resize", pty_id=channel.channel_id, cols=132, rows=43)
    viewer.type("stty size\n")
    viewer.until("43 132")
    machine.call("pty_write", pty_id=channel.channel_id, data=b"echo by-$((1+1))-way\n")
    viewer.until("by-2-way")
    viewer.type("exit 3\n")
    while viewer.frame():
        pass
    assert viewer.closed.reason == 2 and viewer.closed.message == "pty exited"
    with pytest.raises(ControlError) as gone:
        machine.call("pty_close", pty_id=channel.channel_id)
    assert gone.value.code == "NOT_FOUND" and not gone.value.retryable


def test_secrets_of_the_agent_are_not_in_the_shell(machine):
    viewer = Viewer(machine.hub, machine.open())
    viewer.type("env; cat /proc/$PPID/cmdline | tr '\\0' ' '; echo all-$((1+1))-of-it\n")
    text = viewer.until("all-2-of-it")
    for name in ("bearer", "relayToken"):
        assert machine.credentials[name] not in text


def test_a_hub_that_is_killed_and_comes_back_loses_no_line(machine):
    channel = machine.open("sh", "-c", COUNT % 300 + "; read x")
    viewer = Viewer(machine.hub, channel)
    text = viewer.until("line 20.")
    machine.hub.kill()
    with pytest.raises((EOFError, ConnectionError)):
        while frame := viewer.frame():
            viewer.text += frame[1]
    text += viewer.text.decode()[len(text):]
    machine.hub.start()
    wait_until(lambda: machine.live() == 1, what="the terminal to be registered again")
    again = Viewer(machine.hub, channel, resume=viewer.next_seq)
    text += again.until("counted")
    assert counted(text) == list(range(300))
    again.type("\n")
    while again.frame():
        pass
    assert again.closed.reason == 2


def test_two_viewers_take_turns_and_a_late_one_sees_what_was_shown(machine):
    channel = machine.open(scope_id="session")
    first = Viewer(machine.hub, channel)
    first.type("echo early-$((1+1))\n")
    first.until("early-2")
    assert machine.open(scope_id="session") == channel
    second = Viewer(machine.hub, channel)
    second.until("early-2")
    with pytest.raises(EOFError):  # the newer one has taken its place
        while first.frame():
            pass
    second.type("echo key-$((3+4))\n")  # begins at 0 again, as a reloaded page does
    second.until("key-7")


def test_a_viewer_that_takes_nothing_holds_up_nobody(machine):
    flood = machine.open("sh", "-c", "yes 0123456789abcdef")
    stuck = Viewer(machine.hub, flood)
    other = machine.open()
    viewer = Viewer(machine.hub, other)

    def rss(pid):
        with open(f"/proc/{pid}/status") as f:
            return int(f.read().split("VmRSS:")[1].split()[0])

    agent = machine.agent.process.pid
    before = rss(agent), rss(machine.hub.process.pid)
    for i in range(10):
        viewer.type(f"echo turn-$(({i}+100))\n")
        viewer.until(f"turn-{i + 100}")
        assert machine.call("ping", nonce=i).nonce == i
        time.sleep(0.1)
    # A sanitizer keeps what was freed for a while.
    keeps = 64 << 10 if "asan" in os.environ.get("OG_BUILD", "") else 0
    assert rss(agent) - before[0] < (16 << 10) + keeps
    assert rss(machine.hub.process.pid) - before[1] < (48 << 10) + keeps
    assert machine.call("pty_close", pty_id=flood.channel_id).exit_code == -1
    stuck.close()


def test_a_viewer_that_went_without_a_word_misses_nothing(machine):
    channel = machine.open("sh", "-c", COUNT % 100 + "; read x")
    viewer = Viewer(machine.hub, channel)
    viewer.until("line 5.")
    viewer.close()
    again = Viewer(machine.hub, channel, resume=viewer.next_seq)
    assert counted(viewer.text.decode() + again.until("counted")) == list(range(100))


def test_a_revoked_machine_keeps_its_shell_but_shows_it_nobody(machine):
    """The relay refuses the token. The program has a minute, in case that was a mistake; then it ends,
    which the unit test of terminals at a relay sees."""
    channel = machine.open("sh", "-c", "while :; do echo alive >> beat; sleep 0.1; done")
    status, _ = machine.hub.admin("POST", f"/api/machines/{channel.agent_id}/revoke", {})
    assert status == 200
    wait_until(lambda: machine.live() == 0, what="the channel to be gone")
    beat = os.path.join(machine.agent.root, "beat")
    size = os.path.getsize(beat)
    wait_until(lambda: os.path.getsize(beat) > size + 30, what="the program to go on")
    assert machine.live() == 0


def test_a_new_relay_address_counts_without_a_restart(machine):
    """Terminals are refused while the document names no relay; a new document is enough."""
    machine.agent.edit_document(relay_url="", relay_token="")
    wait_until(lambda: not machine.runtime.hellos[-1][2].capabilities.pty,
               what="a hello without terminals")
    with pytest.raises(ControlError) as refused:
        machine.open()
    assert refused.value.code == "STREAM" and not refused.value.retryable
    machine.agent.edit_document(relay_url=machine.credentials["relayUrl"],
                                relay_token=machine.credentials["relayToken"])
    wait_until(lambda: machine.runtime.hellos[-1][2].capabilities.pty,
               what="a hello with terminals")
    viewer = Viewer(machine.hub, machine.open())
    viewer.type("echo back-$((1+1))\n")
    viewer.until("back-2")


def test_a_terminal_that_nobody_watches_comes_back_to_the_relay_again_and_again(make_hub, tmp_path):
    """The relay forgets a channel with one end, with all that was shown: two minutes are made one
    second here. The shell does not notice, and a late viewer sees its prompt."""
    machine = Machine(make_hub("--fault", "relay-pair=1"), tmp_path)

    def accepted():
        return int(re.search(r"opens_accepted_total (\d+)", machine.hub.get("/metrics")[1]).group(1))

    try:
        channel = machine.open("sh", "-c", "echo prompt; while read x; do echo got-$x-$$.; done")
        wait_until(lambda: accepted() >= 4, 60, what="three registrations more")

        def attach():
            """It may be dropped together with the agent's end, just now."""
            try:
                viewer = Viewer(machine.hub, channel)
                viewer.until("prompt")
                return viewer
            except (EOFError, OSError):
                return None

        viewer = wait_until(attach, 60, what="the prompt")
        viewer.type("a\n")
        first = re.search(r"got-a-(\d+)\.", viewer.until(".")).group(1)
        before = accepted()
        time.sleep(3)
        assert accepted() == before  # a pair stays
        viewer.type("b\n")
        viewer.until(f"got-b-{first}.")
    finally:
        machine.stop()


def test_a_wrong_token_is_told_and_not_tried_again(machine):
    token = machine.credentials["relayToken"]
    seen = len(machine.runtime.hellos)
    machine.agent.edit_document(relay_token=token[:-1] + ("A" if token[-1] != "A" else "B"))
    machine.runtime.wait_online(after=seen)
    with pytest.raises(ControlError) as refused:
        machine.open()
    assert refused.value.code == "STREAM" and not refused.value.retryable
    assert "agent token: token signature is invalid" in refused.value.message


def is_gone(pid):
    try:
        os.kill(pid, 0)
        return False
    except ProcessLookupError:
        return True


def test_a_stop_takes_its_shells_along(machine):
    channels = [machine.open("sh", "-c", "echo $$; exec sleep 1000") for _ in range(3)]
    viewers = [Viewer(machine.hub, channel) for channel in channels]
    pids = [int(re.search(r"\d+", viewer.until("\n")).group()) for viewer in viewers]
    assert machine.agent.stop() == 0
    for viewer, pid in zip(viewers, pids):
        while viewer.frame():
            pass
        assert viewer.closed is not None
        wait_until(lambda: is_gone(pid), what="the end of a shell")
