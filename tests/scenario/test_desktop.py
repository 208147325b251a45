"""The desktop through the agent: what it announces, shows, types and clicks, on a real X server."""

import signal
import time

from deskcalls import error_of, key, pointer
from rig import ControlError, Runtime, pb, wait_until
from screen import Receiver, decode_png, xauthority


def test_hello_names_the_display(screen, serve):
    _, runtime = serve(screen)
    capabilities = runtime.hellos[-1][2].capabilities
    assert capabilities.display.id == screen.display
    assert (capabilities.display.width, capabilities.display.height) == (800, 600)
    assert capabilities.consented_screen_control
    assert capabilities.desktop_unavailable_reason == ""


def test_without_a_display_the_machine_is_headless(online):
    _, runtime = online
    capabilities = runtime.hellos[-1][2].capabilities
    assert not capabilities.desktop and not capabilities.HasField("display")
    assert capabilities.desktop_unavailable_reason == ""
    error = error_of(runtime.call, "desktop_screenshot")
    assert error.code == "UNSUPPORTED" and not error.retryable
    assert error_of(runtime.call, "desktop_ensure").code == "UNSUPPORTED"
    runtime.ping()


def test_a_screenshot_shows_every_pixel(make_screen, serve):
    screen = make_screen(size="801x599")  # odd: a wrong stride would shear it
    screen.run("xsetroot", "-solid", "#123456")
    _, runtime = serve(screen, consent=False)  # looking needs no consent
    screen.run("xdotool", "mousemove", "400", "300")
    reply = runtime.call("desktop_screenshot")
    width, height, rows = decode_png(reply.png)
    assert (width, height) == (reply.width, reply.height) == (801, 599)
    assert (reply.native_width, reply.native_height) == (801, 599)
    other = [(x, y) for y, row in enumerate(rows) for x, pixel in enumerate(row)
             if pixel != (0x12, 0x34, 0x56)]
    assert other  # the pointer is drawn
    assert all(abs(x - 400) < 64 and abs(y - 300) < 64 for x, y in other)


def test_a_screen_full_of_text_keeps_its_size(make_screen, serve):
    screen = make_screen(size="1920x1080")
    terminal = screen.spawn("xterm", "-geometry", "319x83+0+0", "-e", "sh", "-c",
                            "seq -s ' ' 1 9000; sleep 600")
    _, runtime = serve(screen)
    screen.run("xdotool", "search", "--sync", "--onlyvisible", "--class", "xterm")
    reply = wait_until(lambda: with_text(runtime.call("desktop_screenshot")), what="the text")
    assert (reply.width, reply.height) == (reply.native_width, reply.native_height) == (1920, 1080)
    assert len(reply.png) <= 125000 and terminal.poll() is None


def with_text(reply):
    return reply if len(reply.png) > 20000 else None


def test_a_change_is_in_the_next_screenshot(screen, serve):
    _, runtime = serve(screen)
    for colour in ("#ff0000", "#00ff00", "#0000fe"):
        screen.run("xsetroot", "-solid", colour)
        rows = decode_png(runtime.call("desktop_screenshot").png)[2]
        assert "#%02x%02x%02x" % rows[5][5] == colour


def test_commands_have_the_display(make_screen, serve, tmp_path):
    cookies = tmp_path / "cookies"
    cookies.write_bytes(xauthority(b"0123456789abcdef"))
    screen = make_screen(options=["-auth", str(cookies)])
    agent, runtime = serve(screen, environment={"XAUTHORITY": str(cookies)})
    answer = runtime.shell('echo "$DISPLAY $XAUTHORITY"')
    assert answer.stdout.decode() == f"{screen.display} {cookies}\n"
    assert runtime.shell("xprop -root -len 1", env={}).exit_code == 0
    answer = runtime.shell('echo "$DISPLAY $XAUTHORITY"', env={"XAUTHORITY": "/elsewhere"})
    assert answer.stdout.decode() == f"{screen.display} /elsewhere\n"
    answer = runtime.shell('echo "$DISPLAY"', env={"DISPLAY": ":77"})
    assert answer.stdout.decode() == ":77\n"


def test_the_primary_monitor_alone_is_shown_when_the_owner_wants_that(make_screen, server, make_agent):
    screen = make_screen()
    screen.run("xsetroot", "-solid", "#102030")
    screen.run("xrandr", "--setmonitor", "*left", "400/100x300/80+100+50", "screen")
    runtime = Runtime(server)
    make_agent(server, settings=f"display = {screen.display}\nscreen = primary",
               consented_screen_control=True)
    runtime.wait_online()
    display = runtime.hellos[-1][2].capabilities.display
    assert (display.width, display.height) == (400, 300)
    assert decode_png(runtime.call("desktop_screenshot").png)[:2] == (400, 300)
    for place, at in (((10, 20), (110, 70)), ((-1, 5000), (100, 349))):
        pointer(runtime, *place, action="MOVE")
        assert screen.pointer() == at


def test_clicks_and_keys_arrive(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    _, runtime = serve(screen)
    pointer(runtime, 100, 200)
    pointer(runtime, 101, 201, button="RIGHT")
    pointer(runtime, 2147483647, -5, action="MOVE")
    assert screen.pointer() == (799, 0)
    wait_until(lambda: len(receiver.buttons()) == 4, what="four button events")
    assert receiver.buttons() == [(1, 1, 100, 200), (-1, 1, 100, 200), (1, 3, 101, 201),
                                  (-1, 3, 101, 201)]
    key(runtime, "ctrl+c")
    wait_until(lambda: len(receiver.keys()) == 4, what="four key events")
    assert receiver.keys() == ["+Control_L", "+c", "-c", "-Control_L"]


def test_scrolling_is_counted_in_pixels(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    _, runtime = serve(screen)
    runtime.call("desktop_input",
                 message=pb.DesktopInputRequest(scroll=pb.ScrollEvent(x=10, y=20, delta_y=300)))
    wait_until(lambda: len(receiver.buttons()) == 6, what="three turns of the wheel")
    assert receiver.buttons() == [(1, 5, 10, 20), (-1, 5, 10, 20)] * 3


def test_input_keeps_its_order(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    _, runtime = serve(screen)
    text = "abcdefghijklmnopqrstuvwxyz"
    replies = []
    for letter in text:  # sent at once, nothing is waited for
        request = runtime.encode("desktop_input", message=pb.DesktopInputRequest(
            key=pb.KeyEvent(key=letter, action=pb.KeyAction.Value("KEY_ACTION_PRESS"))))
        inbox = f"test.order.{letter}"
        runtime.nats.subscribe(inbox, lambda *message: replies.append(message))
        runtime.nats.publish(runtime.subject(), request.SerializeToString(), reply=inbox)
    wait_until(lambda: len(replies) == len(text), what="all replies")
    wait_until(lambda: len(receiver.keys()) == 2 * len(text), what="all keys")
    assert "".join(k[1:] for k in receiver.keys() if k[0] == "+") == text


def test_without_consent_nothing_reaches_the_screen(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    screen.run("xdotool", "mousemove", "300", "310")
    _, runtime = serve(screen, consent=False)
    for call in (lambda: pointer(runtime, 10, 10), lambda: key(runtime, "a"),
                 lambda: key(runtime, "text", is_text=True),
                 lambda: runtime.call("desktop_input", message=pb.DesktopInputRequest(
                     scroll=pb.ScrollEvent(x=1, y=1, delta_y=300))),
                 lambda: runtime.call("desktop_input", message=pb.DesktopInputRequest())):
        error = error_of(call)
        assert error.code == "CONSENT_REQUIRED" and not error.retryable
        assert error.message == "screen control not consented" and error.detail == {}
    runtime.call("desktop_screenshot")
    assert screen.pointer() == (300, 310)
    assert receiver.buttons() == [] and receiver.keys() == []


def test_bad_input_is_told_and_does_nothing(screen, serve, tmp_path):
    receiver = Receiver(screen, tmp_path)
    _, runtime = serve(screen)
    error = error_of(runtime.call, "desktop_input", message=pb.DesktopInputRequest())
    assert error.code == "OS" and "DesktopInput carried no event" in error.message
    error = error_of(key, runtime, "ctrl+NotARealKey")
    assert error.code == "UNSUPPORTED" and "NotARealKey" in error.message
    assert error_of(key, runtime, "x" * 300).code == "UNSUPPORTED"
    assert error_of(key, runtime, "a\x01b", is_text=True).code == "UNSUPPORTED"
    key(runtime, "", is_text=True)
    pointer(runtime, 5, 5)
    wait_until(lambda: len(receiver.buttons()) == 2, what="the click after it all")
    assert receiver.keys() == []


def test_a_button_is_let_go_when_the_link_ends(screen, serve, server, tmp_path):
    receiver = Receiver(screen, tmp_path)
    _, runtime = serve(screen)
    pointer(runtime, 40, 50, action="DOWN")
    wait_until(lambda: receiver.buttons() == [(1, 1, 40, 50)], what="the press")
    server.kill()
    wait_until(lambda: receiver.buttons() == [(1, 1, 40, 50), (-1, 1, 40, 50)],
               what="the release")


def test_a_screen_that_dies_comes_back(screen, serve):
    _, runtime = serve(screen)
    runtime.call("desktop_screenshot")
    screen.kill()
    assert error_of(runtime.call, "desktop_screenshot").code in ("UNSUPPORTED", "OS")
    assert error_of(pointer, runtime, 1, 1).code in ("UNSUPPORTED", "OS")
    runtime.ping()
    seen = len(runtime.hellos)
    wait_until(lambda: any(not h[2].capabilities.HasField("display")
                           for h in runtime.hellos[seen - 1:]), what="a hello without a display")
    screen.start()
    wait_until(lambda: runtime.hellos[-1][2].capabilities.HasField("display"),
               what="a hello with the display")
    assert decode_png(runtime.call("desktop_screenshot").png)[:2] == (800, 600)
    pointer(runtime, 7, 8)
    assert screen.pointer() == (7, 8)


def test_a_screen_that_hangs_costs_one_failed_call(screen, serve):
    _, runtime = serve(screen)
    runtime.call("desktop_screenshot")
    screen.freeze()
    try:
        error = error_of(runtime.call, "desktop_screenshot")
        assert error.code in ("TIMEOUT", "UNSUPPORTED", "OS")
        runtime.ping()
    finally:
        screen.signal(signal.SIGCONT)
    wait_until(lambda: _works(runtime), what="a screenshot again")


def _works(runtime):
    try:
        return runtime.call("desktop_screenshot").png
    except ControlError:
        time.sleep(0.2)
        return None


def noisy(make_server, make_agent, make_screen, tmp_path, max_payload):
    server = make_server(config=f"max_payload: {max_payload}")
    screen = make_screen(size="1280x800")
    screen.noise(tmp_path)
    runtime = Runtime(server)
    runtime.screen = screen
    make_agent(server, settings=f"display = {screen.display}", consented_screen_control=True)
    runtime.wait_online()
    return runtime


def test_noise_is_made_to_fit(make_server, make_agent, make_screen, tmp_path):
    runtime = noisy(make_server, make_agent, make_screen, tmp_path, 131072)
    reply = runtime.call("desktop_screenshot")
    assert reply.ByteSize() < 131072
    assert (reply.native_width, reply.native_height) == (1280, 800)
    assert 320 < reply.width < 1280 and abs(reply.width * 800 / 1280 - reply.height) <= 1
    assert decode_png(reply.png)[:2] == (reply.width, reply.height)
    # An older control plane clicks on what it was shown.
    pointer(runtime, reply.width // 2, reply.height // 2, action="MOVE")
    x, y = runtime.screen.pointer()
    assert abs(x - 640) <= 2 and abs(y - 400) <= 2
    # The newer one, on its own address, has scaled by itself.
    runtime.call("desktop_screenshot", fenced=True)
    pointer(runtime, 100, 90, action="MOVE", fenced=True)
    assert runtime.screen.pointer() == (100, 90)


def test_what_cannot_fit_is_told_with_numbers(make_server, make_agent, make_screen, tmp_path):
    runtime = noisy(make_server, make_agent, make_screen, tmp_path, 65536)
    error = error_of(runtime.call, "desktop_screenshot")
    assert error.code == "PAYLOAD_TOO_LARGE" and error.detail["op"] == "desktop_screenshot"
    assert error.detail["max_payload"] == "65536" and int(error.detail["encoded_bytes"]) > 65536
