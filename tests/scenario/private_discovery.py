"""How the display is found. Run by test_discovery.py, where no other X server can be seen."""

import os
import signal
import subprocess
import sys

import pytest

from deskcalls import error_of, pointer
from rig import Runtime, wait_until
from screen import decode_png, xauthority

COOKIE = b"0123456789abcdef"


@pytest.fixture
def find(server, make_agent):
    def find(**environment):
        runtime = Runtime(server)
        agent = make_agent(server, settings="", start=False, environment=environment,
                           consented_screen_control=True)
        return agent, runtime

    return find


@pytest.fixture
def process():
    """A process of the user with that environment."""
    made = []

    def start(**environment):
        made.append(subprocess.Popen(["sleep", "600"], env=environment))

    yield start
    for one in made:
        one.kill()
        one.wait()


@pytest.fixture
def sessions():
    """Sessions as logind keeps them."""
    directory = "/run/systemd/sessions"

    def write(name, **fields):
        with open(os.path.join(directory, name), "w") as f:
            f.writelines(f"{key}={value}\n" for key, value in fields.items())

    yield write
    for name in os.listdir(directory):
        os.unlink(os.path.join(directory, name))


def online(agent, runtime):
    agent.start()
    runtime.wait_online()
    return capabilities(runtime)


def capabilities(runtime):
    return runtime.hellos[-1][2].capabilities


def shown(runtime):
    return capabilities(runtime).display.id


def test_no_x_server_is_a_headless_machine(find):
    agent, runtime = find()
    got = online(agent, runtime)
    assert not got.desktop and not got.HasField("display")
    assert got.desktop_unavailable_reason == ""
    error = error_of(runtime.call, "desktop_screenshot")
    assert error.code == "UNSUPPORTED" and "headless" in error.message


def test_a_server_that_comes_later_is_found(find, make_screen):
    agent, runtime = find(DISPLAY=":7")
    assert not online(agent, runtime).HasField("display")
    make_screen(number=7)
    wait_until(lambda: shown(runtime) == ":7", what="a hello with the display")
    assert decode_png(runtime.call("desktop_screenshot").png)[:2] == (800, 600)


def test_a_service_without_an_environment_finds_the_screen(find, make_screen):
    agent, runtime = find()
    cookies = os.path.join(agent.home, ".Xauthority")
    with open(cookies, "wb") as f:
        f.write(xauthority(COOKIE, 5))
    screen = make_screen(number=5, options=["-auth", cookies])
    assert online(agent, runtime).display.id == ":5"
    assert (capabilities(runtime).display.virtual, shown(runtime)) == (False, ":5")
    answer = runtime.shell('echo "$DISPLAY $XAUTHORITY"')
    assert answer.stdout.decode() == f":5 {cookies}\n"
    pointer(runtime, 12, 13)
    answer = runtime.shell("xdotool getmouselocation")
    assert b"x:12 y:13" in answer.stdout, answer
    os.unlink(cookies)
    screen.signal(signal.SIGTERM)


def test_a_cookie_is_taken_from_a_process_of_the_session(find, make_screen, process, tmp_path):
    agent, runtime = find()
    cookies = tmp_path / "elsewhere"
    cookies.write_bytes(xauthority(COOKIE))
    make_screen(number=6, options=["-auth", str(cookies)])
    process(DISPLAY=":6", XAUTHORITY=str(cookies))
    assert online(agent, runtime).display.id == ":6"


def test_a_display_that_does_not_work_is_passed_over(find, make_screen):
    make_screen(number=4)
    make_screen(number=3, options=["-tst"])
    make_screen(number=9)
    agent, runtime = find(DISPLAY=":44")
    assert online(agent, runtime).display.id == ":4"


def test_the_active_session_comes_first(find, make_screen, sessions):
    for number in (1, 2, 3):
        make_screen(number=number)
    uid = os.geteuid()
    sessions("1", UID=uid, TYPE="x11", DISPLAY=":1", ACTIVE=0, STATE="online")
    sessions("2", UID=uid, TYPE="x11", DISPLAY=":2", ACTIVE=1, STATE="active")
    sessions("3", UID=uid + 1, TYPE="x11", DISPLAY=":3", ACTIVE=1, STATE="active")
    agent, runtime = find()
    assert online(agent, runtime).display.id == ":2"


def test_the_x_server_of_a_wayland_session_is_no_desktop(find, make_screen, sessions):
    make_screen(number=0)
    sessions("1", UID=os.geteuid(), TYPE="wayland", DISPLAY=":0", ACTIVE=1, STATE="active")
    agent, runtime = find(DISPLAY=":0")
    got = online(agent, runtime)
    assert not got.desktop and not got.HasField("display")
    assert "Wayland" in got.desktop_unavailable_reason
    assert "--virtual-desktop" in got.desktop_unavailable_reason
    assert "Wayland" in error_of(runtime.call, "desktop_screenshot").message


def test_a_server_that_refuses_is_told_without_the_path(find, make_screen, tmp_path):
    (tmp_path / "cookies").write_bytes(xauthority(COOKIE))
    make_screen(number=8, options=["-auth", str(tmp_path / "cookies")])
    (tmp_path / "wrong").write_bytes(xauthority(b"fedcba9876543210"))
    agent, runtime = find(DISPLAY=":8", XAUTHORITY=str(tmp_path / "wrong"))
    got = online(agent, runtime)
    assert not got.HasField("display")
    assert "permission is not granted" in got.desktop_unavailable_reason
    assert "wrong" not in got.desktop_unavailable_reason
    # The right cookie arrives: no socket has changed, yet it is tried again.
    os.replace(tmp_path / "cookies", tmp_path / "wrong")
    wait_until(lambda: shown(runtime) == ":8", what="a hello with the display")


LISTENER = r"""
import socket, sys
name = "\0/tmp/.X11-unix/X5"
s = socket.socket(socket.AF_UNIX)
s.bind(name)
s.listen()
print("listens", flush=True)
while True:
    client = s.accept()[0]
    print("came", len(client.recv(1000)), flush=True)
"""


def test_a_server_of_somebody_else_learns_no_cookie(find, tmp_path):
    agent, runtime = find()
    with open(os.path.join(agent.home, ".Xauthority"), "wb") as f:
        f.write(xauthority(COOKIE, 5))
    log = open(tmp_path / "stranger", "w+b")
    try:
        stranger = subprocess.Popen([sys.executable, "-c", LISTENER], stdout=log, user=65534, cwd="/")
    except (OSError, subprocess.SubprocessError):
        pytest.skip("there is nobody else here")
    try:
        heard = lambda: (tmp_path / "stranger").read_text().splitlines()
        wait_until(heard, 20, what="the stranger")
        got = online(agent, runtime)
        assert not got.HasField("display") and got.desktop_unavailable_reason == ""
        wait_until(lambda: len(heard()) > 1, 20, what="the knock at the door")
        assert set(heard()[1:]) == {"came 0"}
    finally:
        stranger.kill()
        stranger.wait()


def test_a_file_of_cookies_that_is_none_does_no_harm(find, make_screen, tmp_path):
    make_screen(number=2)
    for text in (b"", b"\xff" * 70000, b"\x00\x01\xff\xff", os.urandom(1000)):
        (tmp_path / "cookies").write_bytes(text)
        agent, runtime = find(DISPLAY=":2", XAUTHORITY=str(tmp_path / "cookies"))
        assert online(agent, runtime).display.id == ":2"
        agent.stop()
