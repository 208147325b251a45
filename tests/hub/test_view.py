"""The live view: the real agent shows a real X server to viewers at the hub's relay."""

import os
import random
import time

import pytest

from hubrig import pb, wait_until
from rig import ControlError, NatsServer, Runtime
from screen import Receiver, decode_png
from terminalrig import Viewer
from viewrig import (ensure, helper, make_screen, noise, paint, rss, screen, serve, watch)


def test_the_picture_is_the_screen(screen, serve):
    screen.spawn("xterm", "-geometry", "40x10+20+30", "-e", "sh", "-c", "seq 8; sleep 1000")
    machine = serve(screen, consent=False)  # looking needs no consent
    assert machine.runtime.hellos[-1][2].capabilities.desktop
    reply = ensure(machine)
    channel, display = reply.channel, reply.display
    assert (channel.kind, channel.port) == (2, 6080)
    assert channel.channel_id.startswith("ch-") and len(channel.channel_id) == 35
    assert (channel.workspace_id, channel.agent_id) == (machine.credentials["workspaceId"],
                                                        machine.credentials["agentId"])
    assert (display.id, display.width, display.height) == (screen.display, 320, 240)
    viewer = watch(machine, reply)
    screen.run("xdotool", "mousemove", "300", "220")
    rows = viewer.until(lambda rows: len({pixel for row in rows for pixel in row}) > 1 and
                        rows == decode_png(machine.call("desktop_screenshot").png)[2])
    assert (len(rows[0]), len(rows)) == (320, 240)


def test_a_change_is_shown_and_silence_kept(screen, serve):
    paint(screen, "#101010")
    viewer = watch(serve(screen))
    viewer.sees("#101010")
    for colour in ("#ff0000", "#00ff00", "#0000fe"):
        paint(screen, colour)
        viewer.sees(colour)
    time.sleep(0.5)
    assert viewer.count(3.5) <= 3  # one again after a second, for those who missed it


def test_who_comes_late_sees_the_screen_as_it_is(screen, serve):
    machine = serve(screen)
    reply = ensure(machine)
    for level in range(1, 40):
        paint(screen, f"#{level:02x}{level:02x}{level:02x}")
    time.sleep(2.5)
    viewer = watch(machine, reply)
    viewer.sees("#272727", 30)


def test_two_calls_are_two_channels_with_one_view_each(screen, serve):
    machine = serve(screen)
    first, second = ensure(machine), ensure(machine)
    assert first.channel.channel_id != second.channel.channel_id
    viewers = watch(machine, first), watch(machine, second)
    paint(screen, "#00aa55")
    for viewer in viewers:
        viewer.sees("#00aa55")


def test_an_older_control_plane_gets_the_same_channel_again(screen, serve, tmp_path):
    machine = serve(screen)
    server = NatsServer(tmp_path)  # where the agent may have the older address, too
    try:
        have = machine.credentials
        machine.runtime = Runtime(server, agent=have["agentId"], workspace=have["workspaceId"])
        machine.agent.edit_document(nats_urls=[f"nats://127.0.0.1:{server.port}"])
        machine.runtime.wait_online()
        first, second = ensure(machine, fenced=False), ensure(machine, fenced=False)
        assert first == second
        assert ensure(machine).channel.channel_id != first.channel.channel_id
        paint(screen, "#123456")
        watch(machine, first).sees("#123456")
    finally:
        server.kill()


def test_the_oldest_view_makes_room(screen, serve):
    machine = serve(screen)
    viewers = [watch(machine) for _ in range(6)]
    for viewer in viewers[:2]:
        while viewer.picture() is not None:
            pass
        assert (viewer.closed.reason, viewer.closed.message) == (1, "desktop superseded")
    paint(screen, "#654321")
    for viewer in viewers[2:]:
        viewer.sees("#654321")
    wait_until(lambda: machine.live() == 4, what="four channels")


def test_a_viewer_drives_the_desktop(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    viewer = watch(serve(screen))
    viewer.point(100, 120)
    viewer.point(10, 11, action="MOVE")
    viewer.key("ctrl+c")
    viewer.key("zż", is_text=True)
    viewer.send(scroll=pb.ScrollEvent(x=30, y=40, delta_y=-100))
    wait_until(lambda: len(receiver.buttons()) == 4 and len(receiver.keys()) >= 8,
               what="all events")
    assert receiver.buttons() == [(1, 1, 100, 120), (-1, 1, 100, 120), (1, 4, 30, 40),
                                  (-1, 4, 30, 40)]
    keys = receiver.keys()
    assert keys[:4] == ["+Control_L", "+c", "-c", "-Control_L"]
    assert [k for k in keys[4:] if k[0] == "+"] == ["+z", "+U017C"]


def test_a_thousand_events_arrive_in_order(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    viewer = watch(serve(screen))
    sent = [random.Random(i).choice("abcdefghij") for i in range(1000)]
    for i, letter in enumerate(sent):
        viewer.key(letter)
        if i % 50 == 0:
            paint(screen, f"#0000{i // 50:02x}")
            time.sleep(0.05)
    wait_until(lambda: len(receiver.keys()) >= 2000, what="all keys")
    assert [k[1:] for k in receiver.keys() if k[0] == "+"] == sent


def test_without_consent_the_viewer_s_input_goes_nowhere(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    screen.run("xdotool", "mousemove", "200", "210")
    machine = serve(screen, consent=False)
    viewer = watch(machine)
    viewer.point(10, 10)
    viewer.key("a")
    viewer.key("text", is_text=True)
    viewer.send(scroll=pb.ScrollEvent(x=1, y=1, delta_y=300))
    viewer.socket.send(b"\x05\xff\xff")
    paint(screen, "#998877")
    time.sleep(1)
    ensure(machine)  # and the channel lives
    assert screen.pointer() == (200, 210)
    assert receiver.buttons() == [] and receiver.keys() == []
    assert viewer.count(1) > 0


def test_consent_that_is_withdrawn_ends_the_views_that_had_it(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    machine = serve(screen)
    viewer = watch(machine)
    viewer.point(50, 60)
    wait_until(lambda: len(receiver.buttons()) == 2, what="the click")
    machine.agent.edit_document(consented_screen_control=False)
    while viewer.picture() is not None:
        pass
    assert viewer.closed.reason == 1
    viewer = watch(machine)
    viewer.point(70, 80)
    viewer.picture()
    time.sleep(0.5)
    assert len(receiver.buttons()) == 2


def test_nonsense_on_the_channel_is_passed_over(screen, serve):
    machine = serve(screen)
    viewer = watch(machine)
    for data in (b"\x05", b"\x05\xff", b"\x05\x12\x04abcd", b"\x05" + b"\x00" * 1000):
        viewer.socket.send(data)
    viewer.point(2147483647, -2147483648, action="MOVE")
    viewer.key("NoSuchKey")
    viewer.key("x" * 5000)
    viewer.type("hello")
    paint(screen, "#334455")
    viewer.sees("#334455")
    wait_until(lambda: screen.pointer() == (319, 0), what="the pointer in the corner")


def test_views_and_terminals_end_with_the_agent(screen, serve):
    machine = serve(screen)
    terminals = [Viewer(machine.hub, machine.open("sh", "-c", "echo pid-$$-; exec sleep 1000"))
                 for _ in range(3)]
    pids = [int(terminal.until("-\r").split("-")[1]) for terminal in terminals]
    views = [watch(machine) for _ in range(2)]
    assert machine.agent.stop() == 0
    for viewer in views + terminals:
        while viewer.frame() is not None:
            pass
        assert (viewer.closed.reason, viewer.closed.message) == (1, "agent stopping")
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_screen_that_dies_is_shown_again(screen, serve):
    viewer = watch(serve(screen))
    viewer.picture()
    screen.kill()
    time.sleep(1)
    screen.start()
    paint(screen, "#55aa00")
    viewer.sees("#55aa00", 30)


def test_the_view_comes_back_with_the_relay(screen, serve, hub):
    machine = serve(screen)
    reply = ensure(machine)
    watch(machine, reply).close()
    hub.stop()
    paint(screen, "#aa5500")
    hub.start()
    wait_until(lambda: machine.live() == 1, what="the channel")
    watch(machine, reply).sees("#aa5500")


def test_a_viewer_that_does_not_read_sees_the_newest_later(make_screen, serve, tmp_path):
    screen = make_screen(size="1280x800")
    pictures = [noise(screen, seed, tmp_path) for seed in range(6)]
    machine = serve(screen)
    reply = ensure(machine)
    slow, quick = watch(machine, reply), watch(machine)
    resident = rss(machine)
    for i in range(40):
        screen.run("xsetroot", "-bitmap", pictures[i % 6])
    assert rss(machine) - resident < 16 << 10
    paint(screen, "#0f0f0f")
    quick.sees("#0f0f0f", 30)
    try:
        slow.sees("#0f0f0f", 30)
    except EOFError:  # so slow that the relay has dropped it; who comes back sees the same
        watch(machine, reply).sees("#0f0f0f", 30)


def test_the_desktop_process_ends_without_use(screen, serve):
    machine = serve(screen, settings="\ndesktop_idle = 2")
    viewer = watch(machine)
    first = helper(machine)
    time.sleep(3)
    assert first and helper(machine) == first  # somebody watches
    viewer.leave()
    wait_until(lambda: not os.path.exists(f"/proc/{first}"), what="its end")
    viewer = watch(machine)  # and it is there again when it is needed
    paint(screen, "#abcdef")
    viewer.sees("#abcdef")


def error_of(machine):
    try:
        ensure(machine)
    except ControlError as error:
        return error
    return None


def becomes(machine, code, retryable, text):
    def is_so():
        error = error_of(machine)
        return error and (error.code, error.retryable) == (code, retryable) and text in error.message
    wait_until(is_so, what=f"{code} {text}")


def test_failures_are_told(screen, serve):
    machine = serve(screen)
    machine.agent.edit_document(relay_token="ogr_nonsense")
    becomes(machine, "STREAM", False, "agent token")
    before = machine.live()
    machine.agent.edit_document(relay_url="ws://127.0.0.1:1/stream")
    becomes(machine, "STREAM", True, "")
    machine.agent.edit_document(relay_url="")
    becomes(machine, "UNSUPPORTED", False, "no relay stream registrar is wired")
    assert machine.live() == before
    screen.kill()
    becomes(machine, "UNSUPPORTED", False, "display_unavailable")
