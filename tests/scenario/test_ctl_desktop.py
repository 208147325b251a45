"""opengeni-ctl and a machine's desktop, as a person types it, on a real X server."""

import json
import os
import pty
import re
import subprocess

import pytest

from rig import AGENT, BIN, WORKSPACE, wait_until
from screen import Receiver, decode_png

CTL = os.path.join(BIN, "opengeni-ctl")
MACHINE = f"{WORKSPACE}/{AGENT}"


@pytest.fixture
def ctl(server, tmp_path):
    """ctl("click", 1, 2): the command with the machine's name put after its own."""
    (tmp_path / "desk").mkdir()
    environment = {k: v for k, v in os.environ.items()
                   if k in ("PATH", "LANG") or k.endswith("SAN_OPTIONS")}

    def run(command, *arguments, machine=MACHINE, text=True, stdin="", **options):
        return subprocess.run(
            [CTL, "-s", f"nats://127.0.0.1:{server.port}", "--wait", "60", command, machine,
             *map(str, arguments)], cwd=tmp_path / "desk", capture_output=True, text=text,
            input=stdin if text else None, timeout=60,
            env={**environment, "HOME": str(tmp_path)}, **options)

    run.directory = tmp_path / "desk"
    return run


def done(result):
    assert (result.returncode, result.stderr) == (0, ""), result
    return result.stdout


def test_a_screenshot_becomes_a_file(screen, serve, ctl):
    screen.run("xsetroot", "-solid", "#204060")
    serve(screen, consent=False)
    name = done(ctl("screenshot")).strip()
    assert re.fullmatch(re.escape(AGENT) + r"-\d{8}-\d{6}\.png", name)
    width, height, rows = decode_png((ctl.directory / name).read_bytes())
    assert (width, height, rows[2][2]) == (800, 600, (0x20, 0x40, 0x60))
    assert done(ctl("screenshot", "-o", "here.png")) == "here.png\n"
    assert decode_png((ctl.directory / "here.png").read_bytes())[:2] == (800, 600)
    told = json.loads(done(ctl("screenshot", "--json", "-o", "there.png")))
    assert told == {"local": "there.png", "bytes": (ctl.directory / "there.png").stat().st_size,
                    "width": 800, "height": 600, "native_width": 800, "native_height": 600}
    piped = ctl("screenshot", "-o", "-", text=False)
    assert piped.returncode == 0 and decode_png(piped.stdout)[:2] == (800, 600)
    assert sorted(os.listdir(ctl.directory)) == sorted([name, "here.png", "there.png"])


def test_a_picture_is_not_printed_on_a_terminal(ctl):
    ours, theirs = pty.openpty()
    try:
        refused = subprocess.run([CTL, "screenshot", MACHINE, "-o", "-"], stdout=theirs,
                                 stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                 timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert refused.returncode == 2 and "-o" in refused.stderr
    assert ctl("screenshot", "--json", "-o", "-").returncode == 2


def test_a_picture_that_had_to_shrink_says_so(server, make_screen, serve, ctl, tmp_path):
    server.config = "max_payload: 131072"
    server.restart()
    screen = make_screen(size="1280x800")
    screen.noise(tmp_path)
    serve(screen)
    told = ctl("screenshot", "-o", "small.png")
    assert told.returncode == 0 and "1280x800" in told.stderr and "scaled down" in told.stderr, told
    assert decode_png((ctl.directory / "small.png").read_bytes())[0] < 1280


def test_the_mouse_goes_where_it_is_told(screen, serve, ctl, tmp_path):
    receiver = Receiver(screen, tmp_path)
    serve(screen)
    done(ctl("move", 30, 40))
    assert screen.pointer() == (30, 40)
    done(ctl("move", -5, 2147483647))
    assert screen.pointer() == (0, 599)
    done(ctl("click", 50, 60, "--button", "right"))
    done(ctl("click", "--double", 51, 61))
    done(ctl("drag", 10, 20, 200, 220, "--button=middle"))
    done(ctl("scroll", 70, 80, -2, 1))
    expected = [(1, 3, 50, 60), (-1, 3, 50, 60)]
    expected += [(1, 1, 51, 61), (-1, 1, 51, 61)] * 2
    expected += [(1, 2, 10, 20), (-1, 2, 200, 220)]
    expected += [(1, 4, 70, 80), (-1, 4, 70, 80)] * 2 + [(1, 7, 70, 80), (-1, 7, 70, 80)]
    wait_until(lambda: len(receiver.buttons()) >= len(expected), what="all buttons")
    assert receiver.buttons() == expected


def test_texts_and_chords_are_typed(screen, serve, ctl, tmp_path):
    receiver = Receiver(screen, tmp_path)
    serve(screen)
    done(ctl("type", "aB"))
    done(ctl("type", "-", stdin="xy\n"))
    done(ctl("type", "--", "-z"))
    done(ctl("key", "ctrl+c", "Return"))
    presses = ["a", "Shift_L", "B", "x", "y", "Return", "minus", "z", "Control_L", "c", "Return"]
    wait_until(lambda: len(receiver.keys()) >= 2 * len(presses), what="all keys")
    assert [key[1:] for key in receiver.keys() if key[0] == "+"] == presses


def test_a_long_text_comes_in_pieces_and_in_order(screen, serve, ctl, tmp_path):
    receiver = Receiver(screen, tmp_path)
    serve(screen)
    text = "".join("abcdefghij"[i // 7 % 10] for i in range(2499)) + "z"
    done(ctl("type", "-", stdin=text))
    wait_until(lambda: len(receiver.keys()) >= 2 * len(text), what="all keys")
    assert "".join(key[1:] for key in receiver.keys() if key[0] == "+") == text


def test_what_is_wrong_with_input_is_said(screen, serve, server, ctl, tmp_path):
    receiver = Receiver(screen, tmp_path)
    serve(screen)
    for arguments, status, text in (
            (("key", "ctrl+NotARealKey"), 1, "NotARealKey"),
            (("key", "a+"), 1, "key"),
            (("type", "a\x01"), 1, "U+0001"),
            (("click", 1, "2x"), 2, "2x"),
            (("click", 1, 2, "--button", "fourth"), 2, "left, middle or right"),
            (("move", 1, 2147483648), 2, "2147483648"),
            (("scroll", 1, 2), 2, "usage")):
        result = ctl(*arguments)
        assert result.returncode == status and text in result.stderr, result
    result = subprocess.run([CTL, "-s", f"nats://127.0.0.1:{server.port}", "type", MACHINE, "-"],
                            input=b"a\xff", capture_output=True, timeout=60)
    assert result.returncode == 1 and b"UTF-8" in result.stderr, result
    assert receiver.keys() == [] == receiver.buttons()


def test_without_consent_the_owner_is_named(screen, serve, ctl):
    serve(screen, consent=False)
    for arguments in (("click", 1, 1), ("type", "x"), ("key", "a"), ("drag", 1, 1, 2, 2)):
        result = ctl(*arguments)
        assert result.returncode == 1 and "screen control not consented" in result.stderr
        assert "--screen-control" in result.stderr


def test_a_machine_without_a_screen_says_so(online, ctl):
    result = ctl("screenshot")
    assert result.returncode == 1 and "no desktop display available" in result.stderr
    assert os.listdir(ctl.directory) == []
