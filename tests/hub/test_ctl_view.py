"""opengeni-ctl view: any VNC viewer at a local socket, through the hub's relay to the real agent."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest

from hubrig import wait_until
from rfbclient import Refused, at_socket
from screen import Receiver, decode_png
from test_shell import CTL, Bench
from viewrig import make_screen, paint, screen, serve  # noqa: F401


class View:
    def __init__(self, machine, *arguments):
        bench = Bench(machine.hub, machine)
        self.process = subprocess.Popen([CTL, "view", *arguments, machine.id],
                                        env=bench.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def place(self):
        line = self.process.stdout.readline().strip()
        assert line, self.process.stderr.read()
        return ("127.0.0.1", int(line.split(":")[1])) if ":" in line else line

    def end(self, timeout=20):
        """(exit status, what was told)."""
        _, told = self.process.communicate(timeout=timeout)
        return self.process.returncode, told


@pytest.fixture
def view():
    made = []

    def start(*arguments):
        made.append(View(*arguments))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.mark.parametrize("version", [b"RFB 003.008\n", b"RFB 003.003\n"], ids=("3.8", "3.3"))
def test_a_viewer_sees_and_drives_the_desktop(screen, serve, view, tmp_path, version):
    paint(screen, "#204060")
    machine = serve(screen)
    shown = view(machine)
    viewer, _ = at_socket(shown.place(), version=version)
    shot = decode_png(machine.call("desktop_screenshot").png)[2]
    assert (viewer.width, viewer.height) == (320, 240)
    viewer.until(lambda: [row[:100] for row in viewer.rows()[:80]] == [row[:100] for row in shot[:80]])
    receiver = Receiver(screen, tmp_path)
    viewer.pointer(50, 60)
    viewer.key(ord("q"))
    wait_until(lambda: receiver.keys() == ["+q", "-q"], what="the key")
    assert screen.pointer() == (50, 60)


def test_it_ends_with_its_viewer_and_the_machine_knows(screen, serve, view):
    machine = serve(screen)
    shown = view(machine)
    place = shown.place()
    _, sock = at_socket(place)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)
    assert machine.live() == 1
    sock.close()
    assert shown.end()[0] == 0
    wait_until(lambda: machine.live() == 0, what="the end of the channel")


def test_without_consent_it_only_looks(screen, serve, view):
    screen.run("xdotool", "mousemove", "200", "210")
    viewer, _ = at_socket(view(serve(screen, consent=False)).place())
    viewer.pointer(10, 10, 1)
    viewer.key(ord("x"))
    paint(screen, "#c0ffee")
    viewer.sees("#c0ffee")
    assert screen.pointer() == (200, 210)


def test_a_socket_is_the_user_s_own_and_serves_one_after_another(screen, serve, view, tmp_path):
    machine = serve(screen)
    path = str(tmp_path / "desk.vnc")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)  # a killed program's
    dead.close()
    shown = view(machine, "--socket", path, "--keep")
    assert shown.place() == path
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    for colour in ("#010203", "#a0b0c0"):
        viewer, sock = at_socket(path)
        paint(screen, colour)
        viewer.sees(colour)
        sock.close()
    wait_until(lambda: machine.live() == 0, what="the end of the channel")
    shown.process.send_signal(signal.SIGTERM)
    assert shown.end()[0] == -signal.SIGTERM
    assert not os.path.exists(path)


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_other_users_are_turned_away(screen, serve, view):
    shown = view(serve(screen))
    host, port = shown.place()
    program = (f"import socket; s = socket.create_connection(('{host}', {port})); "
               "print(s.recv(12))")
    other = subprocess.run([sys.executable, "-c", program], user=65534, group=65534,
                           extra_groups=[], cwd="/", capture_output=True, text=True, timeout=60)
    assert "RFB" not in other.stdout
    at_socket((host, port))


def test_what_is_no_viewer_is_told(screen, serve, view):
    shown = view(serve(screen))
    with socket.create_connection(shown.place()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        sock.settimeout(60)
        sock.recv(100)
    status, told = shown.end()
    assert status == 1 and "no VNC viewer" in told


def test_a_machine_without_a_screen_says_so_at_once(screen, serve, view):
    machine = serve(screen)
    screen.kill()
    status, told = view(machine).end()
    assert status == 1 and "display_unavailable" in told


def test_a_viewer_is_told_what_went_wrong(screen, serve, view):
    shown = view(serve(screen), "--keep")
    place = shown.place()
    at_socket(place)[1].close()
    screen.kill()
    time.sleep(0.5)
    with pytest.raises(Refused, match="display_unavailable"):
        at_socket(place)
    with pytest.raises(Refused, match="display_unavailable"):
        at_socket(place, version=b"RFB 003.003\n")


def test_the_loss_of_the_relay_ends_it(screen, serve, view, hub):
    shown = view(serve(screen))
    viewer, _ = at_socket(shown.place())
    viewer.update()
    hub.stop()
    with pytest.raises(EOFError):
        while True:
            viewer.update()
    status, told = shown.end(60)
    assert status == 4 and told


def test_wrong_usage(screen, serve, view):
    machine = serve(screen)
    for arguments in (["--port", "99999"], ["--port", "1", "--socket", "x"], ["--relay-url", "ws://x"]):
        assert view(machine, *arguments).end()[0] == 2


def test_standard_output_is_for_scripts(screen, serve, view):
    shown = view(serve(screen), "--json")
    text = ""
    while not text.endswith("}\n"):
        text += shown.process.stdout.readline()
    place = json.loads(text)
    at_socket((place["host"], place["port"]))
