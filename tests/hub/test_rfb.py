"""RFB over the channel of a live view: what a viewer gets that begins with a version line."""

import re
import struct
import time

import pytest

from hubrig import pb, wait_until
from screen import Receiver, decode_png
from viewrig import (ensure, make_screen, paint, rfb, rss, screen, serve,  # noqa: F401
                     watch)


@pytest.mark.parametrize("version", [b"RFB 003.008\n", b"RFB 003.007\n", b"RFB 003.003\n"],
                         ids=("3.8", "3.7", "3.3"))
def test_the_screen_arrives_pixel_by_pixel(screen, serve, version):
    paint(screen, "#203040")
    screen.spawn("xterm", "-geometry", "30x8+20+30", "-e", "sh", "-c", "seq 6; sleep 1000")
    machine = serve(screen, consent=False)
    viewer = rfb(watch(machine), version=version)
    assert (viewer.width, viewer.height) == (320, 240)
    screen.run("xdotool", "mousemove", "319", "239")  # its image is not in the pixels of RFB

    def same():
        shot = decode_png(machine.call("desktop_screenshot").png)[2]
        return len({pixel for row in shot[:210] for pixel in row[:290]}) > 1 and \
            [row[:290] for row in viewer.rows()[:210]] == [row[:290] for row in shot[:210]]

    viewer.until(same)
    paint(screen, "#f01020")
    viewer.sees("#f01020")


def test_keyboard_and_pointer_drive_the_desktop(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    viewer = rfb(watch(serve(screen)))
    viewer.pointer(100, 120)
    viewer.pointer(100, 120, 1)
    viewer.pointer(110, 130, 1)
    viewer.pointer(110, 130, 0)
    wait_until(lambda: len(receiver.buttons()) == 2, what="the button")
    for keysym in (ord("a"), ord("Z"), 0xff0d):
        viewer.key(keysym)
    wait_until(lambda: len(receiver.keys()) == 8, what="the keys")
    assert receiver.buttons() == [(1, 1, 100, 120), (-1, 1, 110, 130)]
    assert [k for k in receiver.keys() if k[0] == "+"] == ["+a", "+Shift_L", "+Z", "+Return"]


def test_without_consent_nothing_reaches_the_screen_on_any_path(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    screen.run("xdotool", "mousemove", "200", "210")
    machine = serve(screen, consent=False)
    looking, speaking = watch(machine), rfb(watch(machine))
    speaking.pointer(10, 10, 1)
    speaking.pointer(10, 10, 0)
    speaking.key(ord("a"))
    speaking.cut_text(b"cut")
    looking.point(20, 20)
    looking.key("b")
    with pytest.raises(Exception, match="screen control not consented"):
        machine.call("desktop_input", message=pb.DesktopInputRequest(key=pb.KeyEvent(key="c")))
    speaking.request(False)
    speaking.update()
    time.sleep(0.5)
    assert screen.pointer() == (200, 210)
    assert receiver.buttons() == [] and receiver.keys() == []


def test_consent_that_is_withdrawn_ends_rfb(screen, serve):
    machine = serve(screen)
    viewer = rfb(watch(machine))
    viewer.pointer(30, 40)
    wait_until(lambda: screen.pointer() == (30, 40), what="the pointer")
    machine.agent.edit_document(consented_screen_control=False)
    with pytest.raises(EOFError):
        viewer.sees("#ffffff")


def test_pictures_go_on_for_others(screen, serve):
    machine = serve(screen)
    looking, speaking = watch(machine), rfb(watch(machine))
    for colour in ("#111213", "#313233"):
        paint(screen, colour)
        looking.sees(colour)
        speaking.sees(colour)


def test_keys_that_are_held_come_up_with_the_viewer_s_end(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    channel = watch(serve(screen))
    viewer = rfb(channel)
    viewer.key(0xffe1, down=True)
    wait_until(lambda: receiver.keys() == ["+Shift_L"], what="the key")
    channel.leave()
    wait_until(lambda: receiver.keys() == ["+Shift_L", "-Shift_L"], what="its release")


@pytest.mark.parametrize("data", [
    b"RFB 003.008\n" + b"\xff" * 4000,
    b"RFB 003.008\n\x01\x01" + b"\xff" * 4000,
    b"RFB 003.008\n\x01\x01\x06\x00\x00\x00\xff\xff\xff\xff" + b"x" * 100000,
    b"RFB 003.008\n\x01\x01\x06\x00\x00\x00\x00\x0f\xff\xff" + b"x" * 100000,
    b"RFB 003.008\n\x01\x01\x02\x00\xff\xff" + b"\x00" * 300000,
    b"RFB 003.008\n\x01\x01\x00\x00\x00\x00" + b"\xff" * 16,
    b"RFB 999.999\n" + b"\x00" * 10,
    b"RFB 003.008\n\x10\x05"], ids=range(8))
def test_garbage_ends_its_own_view_only(screen, serve, data):
    machine = serve(screen)
    other = watch(machine)
    bad = watch(machine)
    for at in range(0, len(data), 60000):
        bad.type(data[at:at + 60000])
    paint(screen, "#775533")
    other.sees("#775533")
    rfb(watch(machine)).sees("#775533")
    assert machine.call("ping", nonce=5).nonce == 5


def test_a_viewer_that_does_not_read_ends_alone(make_screen, serve):
    screen = make_screen(size="1600x1200")
    machine = serve(screen)
    stuck = watch(machine)
    viewer = rfb(stuck)
    other, resident = watch(machine), rss(machine)
    ended = f"live view ended.*{stuck.channel.channel_id}"
    end = time.monotonic() + 90
    while not re.search(ended, machine.agent.log_text()):
        assert time.monotonic() < end, "it has not ended"
        stuck.type(struct.pack(">BBHHHH", 3, 0, 0, 0, viewer.width, viewer.height))
        level = f"#{int(time.monotonic() * 10) % 256:02x}5500"
        paint(screen, level)
        other.sees(level)
    assert rss(machine) - resident < 24 << 10
