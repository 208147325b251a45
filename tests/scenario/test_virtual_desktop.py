"""A screen of the agent's own: there while the agent runs, back when its X server dies, then gone."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess

import pytest

from rig import BIN, Runtime, own_share, wait_until
from screen import Screen, decode_png


def free_number():
    """Numbers far from those that X servers take by themselves; tests run side by side."""
    while True:
        number = random.SystemRandom().randrange(*own_share(20000, 40000))
        if not any(os.path.exists(f"/tmp/.X11-unix/X{n}") for n in (number, number + 1)):
            return number


@pytest.fixture
def start(server, make_agent):
    def start(*arguments, settings="", number=None, **options):
        number = free_number() if number is None else number
        runtime = Runtime(server)
        agent = make_agent(server, settings=settings, consented_screen_control=True,
                           arguments=[*arguments, "--virtual-display", f":{number}"], **options)
        runtime.wait_online()
        return agent, runtime, number

    return start


def servers(agent):
    """Process ids of what runs as Xvfb with the agent's cookie file."""
    path = os.path.join(agent.config, "virtual-desktop.auth")
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if words[0] == b"Xvfb" and path.encode() in words:
            found.append(int(pid))
    return found


def display_of(runtime):
    capabilities = runtime.hellos[-1][2].capabilities
    return capabilities.display if capabilities.HasField("display") else None


def test_a_machine_without_a_screen_gets_one(start):
    agent, runtime, number = start("--virtual-desktop=1024x768")
    display = display_of(runtime)
    assert (display.id, display.width, display.height, display.virtual) == \
        (f":{number}", 1024, 768, True)
    assert decode_png(runtime.call("desktop_screenshot").png)[:2] == (1024, 768)
    answer = runtime.shell('echo $DISPLAY; xdpyinfo | grep dimensions')
    assert answer.stdout.decode().splitlines()[0] == f":{number}"
    assert b"1024x768 pixels" in answer.stdout
    cookie = os.path.join(agent.config, "virtual-desktop.auth")
    assert os.stat(cookie).st_mode & 0o777 == 0o600
    stranger = subprocess.run(["xdpyinfo"], capture_output=True, timeout=60,
                              env={"DISPLAY": f":{number}", "PATH": os.environ["PATH"],
                                   "XAUTHORITY": "/nonexistent", "HOME": "/nonexistent"})
    assert stranger.returncode != 0  # without the cookie
    assert agent.stop() == 0
    assert servers(agent) == [] and not os.path.exists(cookie)
    assert not os.path.exists(f"/tmp/.X11-unix/X{number}")
    assert not os.path.exists(f"/tmp/.X{number}-lock")


@pytest.mark.skipif(not shutil.which("openbox"), reason="no window manager here")
def test_a_window_manager_runs_in_it(start):
    _, runtime, _ = start("--virtual-desktop")
    assert (display_of(runtime).width, display_of(runtime).height) == (1280, 800)
    wait_until(lambda: b"window id" in
               runtime.shell("xprop -root _NET_SUPPORTING_WM_CHECK").stdout,
               what="a window manager")


def test_the_owner_can_have_it_in_the_settings(start):
    _, runtime, number = start(settings="virtual_desktop = 800x600")
    assert (display_of(runtime).id, display_of(runtime).width) == (f":{number}", 800)


def test_none_is_none(start):
    agent, runtime, _ = start("--virtual-desktop", settings="display = none")
    assert display_of(runtime) is None and servers(agent) == []
    agent.wait_for_log("display = none")


@pytest.mark.parametrize("text,size", [("1920", (1920, 800)), ("junk", (1280, 800)),
                                       ("x600", (1280, 600)), ("8x8", (1280, 800))])
def test_a_size_that_makes_no_sense_is_told(start, text, size):
    agent, runtime, _ = start("--virtual-desktop", "--virtual-geometry", text)
    assert (display_of(runtime).width, display_of(runtime).height) == size
    agent.wait_for_log("size of the virtual desktop is not understood")


def test_remnants_are_taken_away_and_a_living_server_is_left_alone(start):
    number = free_number()
    with socket.socket(socket.AF_UNIX) as dead:
        os.makedirs("/tmp/.X11-unix", exist_ok=True)
        dead.bind(f"/tmp/.X11-unix/X{number}")
    with open(f"/tmp/.X{number}-lock", "w") as f:
        f.write("    999999\n")
    agent, runtime, _ = start("--virtual-desktop", number=number)
    assert display_of(runtime).id == f":{number}"
    agent.stop()
    foreign = Screen(number=number)
    try:
        _, runtime, _ = start("--virtual-desktop", number=number)
        wait_until(lambda: display_of(runtime), what="the display in a hello")
        assert display_of(runtime).id == f":{number + 1}"
        assert foreign.process.poll() is None
    finally:
        foreign.kill()


def test_a_server_that_dies_is_started_again(start):
    agent, runtime, number = start("--virtual-desktop=640x480")
    runtime.call("desktop_screenshot")
    [first] = servers(agent)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: servers(agent) not in ([], [first]), what="another Xvfb")
    picture = wait_until(lambda: _picture(runtime), what="a screenshot again")
    assert decode_png(picture)[:2] == (640, 480)
    assert runtime.shell("xdpyinfo").exit_code == 0  # with the new cookie
    wait_until(lambda: display_of(runtime) and display_of(runtime).id == f":{number}",
               what="the display in the last hello")


def _picture(runtime):
    try:
        return runtime.call("desktop_screenshot").png
    except Exception:  # noqa: B902  (not there yet, whatever the reason)
        return None


def test_nothing_is_left_of_an_agent_that_is_killed(start):
    agent, runtime, number = start("--virtual-desktop")
    assert len(servers(agent)) == 1
    agent.process.kill()
    agent.process.wait()
    wait_until(lambda: servers(agent) == [], what="the end of its Xvfb")
    seen = len(runtime.hellos)
    agent.start()
    runtime.wait_online(after=seen)
    assert display_of(runtime).id == f":{number}"


def test_without_xvfb_the_machine_goes_on_without_a_screen(start, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "echo"):
        (programs / name).symlink_to(shutil.which(name))
    agent, runtime, _ = start("--virtual-desktop", environment={"PATH": str(programs)})
    assert display_of(runtime) is None
    assert "Xvfb is not installed" in runtime.hellos[-1][2].capabilities.desktop_unavailable_reason
    assert re.search(r"WARN .*Xvfb is not installed", agent.log_text())
    assert runtime.shell("echo on").stdout == b"on\n"


def test_help_shows_how(tmp_path):
    said = subprocess.run([os.path.join(BIN, "opengeni-agent"), "help", "run"], text=True,
                          capture_output=True, timeout=60)
    assert "--virtual-desktop[=SIZE]" in said.stdout
