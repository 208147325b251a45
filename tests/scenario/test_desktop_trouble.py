"""A desktop under bad conditions: senseless input, X servers that hang or refuse, links that end."""

import signal
import subprocess
import time

import pytest

from deskcalls import begin, error_of, key, pointer, scroll
from rig import ControlError, Runtime, pb, wait_until
from screen import Receiver, decode_png


def works(runtime):
    try:
        return runtime.call("desktop_screenshot").png
    except ControlError:
        time.sleep(0.2)
        return None


# -- input that makes no sense

def test_places_far_outside_end_at_the_edge(screen, serve):
    _, runtime = serve(screen)
    for x, y, at in ((2147483647, -5, (799, 0)), (-2147483648, 3, (0, 3)), (40000, 70000, (799, 599)),
                     (-2147483648, 2147483647, (0, 599)), (800, 600, (799, 599))):
        pointer(runtime, x, y, action="MOVE")
        assert screen.pointer() == at


def test_a_wheel_turned_without_end_stops_soon(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    _, runtime = serve(screen)
    scroll(runtime, 5, 5, 0, -2147483648)
    scroll(runtime, 5, 5, 2147483647, 0)
    scroll(runtime, 5, 5, 0, 0)
    wait_until(lambda: len(receiver.buttons()) >= 128, what="two times 32 turns")
    pressed = [button for down, button, _, _ in receiver.buttons() if down == 1]
    assert pressed == [4] * 32 + [7] * 32


def test_values_that_nobody_knows_move_and_do_no_more(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    _, runtime = serve(screen)
    event = pb.PointerEvent(x=30, y=31, action=9, button=9)
    runtime.call("desktop_input", message=pb.DesktopInputRequest(pointer=event))
    assert screen.pointer() == (30, 31) and receiver.buttons() == []


def test_texts_that_cannot_be_typed_are_refused_whole(make_server, make_agent, screen, tmp_path):
    server = make_server(config="max_payload: 4194304")
    receiver = Receiver(screen, tmp_path)
    runtime = Runtime(server)
    make_agent(server, settings=f"display = {screen.display}", consented_screen_control=True)
    runtime.wait_online()
    assert error_of(key, runtime, "x" * (1 << 20), is_text=True).code == "UNSUPPORTED"
    assert error_of(key, runtime, "x" * 100001, is_text=True).code == "UNSUPPORTED"
    request = runtime.encode("desktop_input", message=pb.DesktopInputRequest(
        key=pb.KeyEvent(key="abQQcd", is_text=True)))
    answer = runtime.raw(request.SerializeToString().replace(b"QQ", b"\xff\xfe"))
    assert answer.error.code == pb.ErrorCode.Value("ERROR_CODE_PROTOCOL")
    for name in ("ctrl+", "+a", "a" * 257, "+".join("a" * 17), "fn", "U+110000", "0x"):
        assert error_of(key, runtime, name).code == "UNSUPPORTED", name
    runtime.ping()
    pointer(runtime, 3, 3)
    wait_until(lambda: len(receiver.buttons()) == 2, what="the click after it all")
    assert receiver.keys() == []


# -- what is held is let go

def held(runtime, receiver):
    key(runtime, "ctrl+shift", action="DOWN")
    pointer(runtime, 40, 50, action="DOWN", button="RIGHT")
    wait_until(lambda: len(receiver.keys()) == 2 and len(receiver.buttons()) == 1,
               what="keys and button down")


def let_go(receiver):
    wait_until(lambda: len(receiver.keys()) == 4 and len(receiver.buttons()) == 2,
               what="keys and button up")
    assert sorted(receiver.keys()[2:]) == ["-Control_L", "-Shift_L"]
    assert receiver.buttons()[1][:2] == (-1, 3)


@pytest.mark.parametrize("end", ["server", "SIGTERM", "SIGKILL"])
def test_nothing_stays_pressed(screen, serve, server, tmp_path, end):
    receiver = Receiver(screen, tmp_path)
    agent, runtime = serve(screen)
    held(runtime, receiver)
    if end == "server":
        server.kill()
    else:
        agent.process.send_signal(getattr(signal, end))
    let_go(receiver)


# -- X servers in trouble

def test_pings_pass_while_the_x_server_hangs(screen, serve):
    _, runtime = serve(screen)
    runtime.call("desktop_screenshot")
    screen.freeze()
    try:
        replies = []
        for _ in range(8):
            begin(runtime, replies, "desktop_screenshot")
            begin(runtime, replies, "desktop_input", message=pb.DesktopInputRequest(
                pointer=pb.PointerEvent(x=1, y=1, action=4)))
        for _ in range(50):
            runtime.ping()
            assert runtime.shell("echo on").stdout == b"on\n"
        wait_until(lambda: len(replies) == 16, what="an answer to each")
        for reply in replies:
            assert reply.error.code in (pb.ErrorCode.Value("ERROR_CODE_" + code)
                                        for code in ("TIMEOUT", "UNSUPPORTED", "OS"))
        assert error_of(pointer, runtime, 1, 1).code in ("TIMEOUT", "UNSUPPORTED")
    finally:
        screen.signal(signal.SIGCONT)
    wait_until(lambda: works(runtime), what="a screenshot again")
    pointer(runtime, 9, 9)
    assert screen.pointer() == (9, 9)


def test_a_machine_whose_x_server_hangs_comes_online(screen, server, make_agent):
    screen.freeze()
    try:
        runtime = Runtime(server)
        make_agent(server, settings=f"display = {screen.display}")
        runtime.wait_online()
        capabilities = runtime.hellos[-1][2].capabilities
        assert not capabilities.desktop and not capabilities.HasField("display")
        assert "does not answer" in capabilities.desktop_unavailable_reason
        assert screen.display in capabilities.desktop_unavailable_reason
        error = error_of(runtime.call, "desktop_screenshot")
        assert "does not answer" in error.message
    finally:
        screen.signal(signal.SIGCONT)
    wait_until(lambda: runtime.hellos[-1][2].capabilities.HasField("display"),
               what="a hello with the display")


def test_a_restarted_x_server_of_another_size_is_used(screen, serve):
    _, runtime = serve(screen)
    runtime.call("desktop_screenshot")
    pointer(runtime, 1, 1)
    screen.kill()
    screen.size = "1024x768"
    screen.start()
    assert decode_png(wait_until(lambda: works(runtime), what="a screenshot"))[:2] == (1024, 768)
    pointer(runtime, 1023, 767)
    assert screen.pointer() == (1023, 767)


def test_a_screen_may_change_its_size(make_screen, serve):
    screen = make_screen(size="1280x800")
    _, runtime = serve(screen)
    # The output has to be off for the screen to shrink; xrandr then wants a screen of no size.
    screen.spawn("xrandr", "--output", "screen", "--off", stderr=subprocess.DEVNULL).wait(60)
    for size in ("1024x768", "640x480", "1279x799"):
        screen.run("xrandr", "--fb", size)
        reply = runtime.call("desktop_screenshot")
        assert f"{reply.native_width}x{reply.native_height}" == size
        pointer(runtime, 5000, 5000, action="MOVE")
        assert screen.pointer() == tuple(int(side) - 1 for side in size.split("x"))


@pytest.mark.parametrize("extension", ["MIT-SHM", "RANDR", "Composite", "DAMAGE"])
def test_an_extension_less_is_no_hindrance(make_screen, serve, tmp_path, extension):
    screen = make_screen(options=["-extension", extension])
    receiver = Receiver(screen, tmp_path)
    _, runtime = serve(screen)
    for colour in (0x102030, 0x405060):
        screen.run("xdotool", "mousemove", "5", "5")
        reply = runtime.call("desktop_screenshot")
        assert (reply.width, reply.height) == (800, 600)
    key(runtime, "é", is_text=True)
    wait_until(lambda: "+eacute" in receiver.keys(), what="the key")


@pytest.mark.parametrize("options,reason", [(["-tst"], "XTEST"), (["-auth"], "permission is not granted")])
def test_a_display_that_cannot_be_used_is_not_offered(make_screen, serve, tmp_path, options, reason):
    if options == ["-auth"]:
        (tmp_path / "cookies").write_bytes(bytes.fromhex("ffff0000000000124d49542d4d414749432d434f4f"
                                                         "4b49452d310010") + b"0123456789abcdef")
        options = ["-auth", str(tmp_path / "cookies")]
    _, runtime = serve(make_screen(options=options))
    capabilities = runtime.hellos[-1][2].capabilities
    assert not capabilities.desktop and not capabilities.HasField("display")
    assert reason in capabilities.desktop_unavailable_reason
    assert str(tmp_path) not in capabilities.desktop_unavailable_reason
    error = error_of(runtime.call, "desktop_screenshot")
    assert error.code == "UNSUPPORTED" and reason in error.message
    assert error_of(pointer, runtime, 1, 1).code == "UNSUPPORTED"


def test_many_screenshots_at_once_are_all_answered(make_screen, serve):
    screen = make_screen(size="1280x800")
    screen.run("xsetroot", "-mod", "7", "5", "-fg", "#336699", "-bg", "#112233")
    agent, runtime = serve(screen)
    runtime.call("desktop_screenshot")
    before = resident(agent)
    replies = []
    for _ in range(50):
        begin(runtime, replies, "desktop_screenshot")
    while len(replies) < 50:
        runtime.ping()
    pictures = {reply.desktop_screenshot.png for reply in replies}
    assert all(reply.WhichOneof("result") == "desktop_screenshot" for reply in replies)
    assert len(pictures) == 1 and decode_png(pictures.pop())[:2] == (1280, 800)
    assert resident(agent) - before < 100 << 20


def resident(agent):
    with open(f"/proc/{agent.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) * 1024


def test_screenshots_follow_a_server_that_comes_and_goes(make_screen, serve):
    screen = make_screen()
    _, runtime = serve(screen)
    for _ in range(4):
        screen.kill()
        try:
            runtime.call("desktop_screenshot")
            assert False, "a picture of no screen"
        except ControlError as error:
            assert error.code in ("OS", "UNSUPPORTED", "TIMEOUT")
        screen.start()
        wait_until(lambda: works(runtime), what="a screenshot again")


def test_parts_that_are_not_installed_say_so(online):
    _, runtime = online
    assert not runtime.hellos[-1][2].capabilities.browser_bridge
    for op in ("browser_control_ensure", "browser_frames_open", "computer_frames_open"):
        error = error_of(runtime.call, op)
        assert error.code == "UNSUPPORTED" and op in error.message and "sidecar" in error.message
