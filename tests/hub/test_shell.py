"""opengeni-ctl shell, in a terminal of its own, against a real hub and its relay."""

import os
import re
import signal
import subprocess
import time

import pytest

from fakepty import PtyMachine, Screen
from hubrig import BIN, wait_until
from test_relay import viewer

CTL = os.path.join(BIN, "opengeni-ctl")


class Bench:
    def __init__(self, hub, machine):
        self.hub, self.machine, self.screens = hub, machine, []
        self.name = machine.id

    def environment(self):
        return dict(os.environ, OPENGENI_SERVER=f"nats://127.0.0.1:{self.hub.nats_port}",
                    OPENGENI_TOKEN_FILE=os.path.join(self.hub.data, "control.token"),
                    OPENGENI_HUB=f"http://127.0.0.1:{self.hub.port}",
                    OPENGENI_HUB_TOKEN_FILE=os.path.join(self.hub.data, "admin.token"),
                    TERM="xterm-256color")

    def shell(self, *arguments, command=(), **options):
        screen = Screen([CTL, "shell", *arguments, self.name, *command], self.environment(),
                        **options)
        self.screens.append(screen)
        return screen

    def ctl(self, *arguments, **options):
        return subprocess.run([CTL, *arguments], env=self.environment(), timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def prompt(self, *arguments, **options):
        screen = self.shell(*arguments, **options)
        screen.sees("$ ")
        return screen


@pytest.fixture
def bench(hub):
    machine = PtyMachine(hub)
    made = Bench(hub, machine)
    yield made
    for screen in made.screens:
        screen.clean_up()
    machine.stopped = True
    for terminal in list(machine.terminals.values()):
        terminal.hang_up()


def test_a_person_works_in_a_terminal(bench):
    screen = bench.prompt()
    assert screen.is_raw()
    screen.type("echo $((6*7)) $TERM; stty size\r")
    screen.sees("42 xterm-256color\r\n30 100\r\n")
    screen.resize(132, 43)
    wait_until(lambda: any(r.pty_resize.cols == 132 for r in list(bench.machine.requests)), what="the new size")
    screen.type("stty size\r")
    screen.sees("43 132\r\n")
    screen.type("exit 7\r")
    assert screen.wait() == 7
    assert not screen.is_raw()


def test_keys_of_all_kinds_go_through(bench):
    screen = bench.shell(command=["cat", "-v"])
    wait_until(screen.is_raw)
    screen.type("a\x01\x13\x11\t\xe9~.b\r".encode("latin-1"))
    screen.sees("a^A")
    screen.sees("~.b")
    screen.type(b"\x03")
    assert screen.wait() == 1


@pytest.mark.parametrize("code", [0, 1, 200])
def test_the_exit_code_is_passed_on(bench, code):
    assert bench.prompt(command=["sh", "-c", f"echo '$ '; sleep .2; exit {code}"]).wait() == code


def test_a_machine_that_does_not_tell_codes(bench):
    bench.machine.tell_codes = False
    screen = bench.prompt()
    screen.type("exit 3\r")
    assert screen.wait() == 0


def test_detaching_and_coming_back(bench):
    screen = bench.prompt()
    screen.type("x=kept; echo a$x\r")
    screen.sees("akept")
    screen.type("~d")
    assert screen.wait() == 0
    assert not screen.is_raw()
    screen.sees("--attach")
    pty = re.search(rb"--attach (ch-[0-9a-f]{32})", screen.text).group(1).decode()
    again = bench.shell("--attach", pty)
    again.sees("akept")  # from the relay's memory
    again.type("echo b$x\r")
    again.sees("bkept")
    again.type("exit 5\r")
    assert again.wait() == 5


def test_ending_it_ends_the_program(bench):
    screen = bench.prompt()
    pid = bench.machine.only().pid
    screen.type("sleep 1000\r")
    screen.sees("sleep 1000")
    screen.type("~.")
    assert screen.wait() == 255
    wait_until(lambda: not bench.machine.terminals, what="the end of the shell")
    assert not screen.is_raw()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_leaves_the_persons_terminal_as_it_was(bench, number):
    screen = bench.prompt()
    before = screen.is_raw()
    screen.signal(number)
    assert screen.wait() == -number
    assert before and not screen.is_raw()
    wait_until(lambda: not bench.machine.terminals, what="the end of the shell")


def test_what_a_program_switched_on_is_switched_off_at_the_end(bench):
    screen = bench.prompt()
    screen.type("printf '\\033[?1049h\\033[?25lfull'\r")
    screen.sees("\x1b[?1049h\x1b[?25lfull")
    screen.type("\r~d")
    screen.wait()
    screen.sees("\x1b[?1049l\x1b[?25h")
    assert screen.text.index(b"\x1b[?1049l") > screen.text.index(b"full")


def test_kept_terminals_outlive_a_signal(bench):
    screen = bench.prompt("--keep")
    screen.signal(signal.SIGTERM)
    assert screen.wait() == -signal.SIGTERM
    screen.sees("--attach")
    assert len(bench.machine.terminals) == 1


def test_a_scope_is_the_same_terminal(bench):
    one = bench.prompt("--scope", "work")
    one.type("y=here\r~d")
    assert one.wait() == 0
    two = bench.shell("--scope", "work")
    two.type("echo still$y\r")
    two.sees("stillhere")
    two.type("exit\r")
    two.wait()


def test_another_escape_key_or_none(bench):
    screen = bench.shell("--escape", "^]", command=["cat"])
    wait_until(screen.is_raw)
    screen.type("~.\r")
    screen.sees("~.\r\n~.")
    screen.type("\x1d?")
    screen.sees("^]. ends the terminal")
    screen.type("\x1d.")
    assert screen.wait() == 255
    screen = bench.shell("-E", "none", command=["cat"])
    wait_until(screen.is_raw)
    screen.type("~.\r")
    screen.sees("~.\r\n~.")
    screen.type("\x04")
    assert screen.wait() == 0


def test_a_pipe_instead_of_a_person(bench):
    done = bench.ctl("shell", bench.machine.id, input=b"echo $((40+2)) ~.\nexit 9\n")
    assert done.returncode == 9, done.stderr
    assert b"42 ~.\r\n" in done.stdout
    data = b"".join(b"%06d some text\n" % i for i in range(20000))
    done = bench.ctl("shell", bench.machine.id, "--", "sh", "-c", "stty -echo -onlcr; echo ready; cat; exit 4",
                     input=data)
    assert done.returncode == 4, done.stderr
    lines = done.stdout.replace(b"\r", b"").split(b"ready\n")[-1]
    assert lines.endswith(data[-10000:])
    done = bench.ctl("shell", bench.machine.id, "cat", input=b"no end of line")
    assert done.returncode == 0 and b"no end of line" in done.stdout


def test_without_a_reader_the_terminal_ends(bench):
    process = subprocess.Popen([CTL, "shell", bench.machine.id, "yes"], env=bench.environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 255
    wait_until(lambda: not bench.machine.terminals, what="the end of yes")


def test_a_relay_that_is_killed_loses_nothing(bench):
    """Keys and output of before, during and after the outage all arrive once."""
    screen = bench.shell(command=["sh", "-c", "stty -echo; echo ready; i=0; while read x; do "
                                  "i=$((i+1)); echo got-$i-$x.; done"])
    screen.sees("ready")
    for i in range(10):
        screen.type(f"a{i}\r")
    bench.hub.kill()
    for i in range(10):
        screen.type(f"b{i}\r")
        time.sleep(0.1)
    screen.sees("the relay is away")
    bench.hub.start()
    screen.sees("connected again")
    for i in range(10):
        screen.type(f"c{i}\r")
    screen.sees("got-30-c9.")
    got = re.findall(rb"got-(\d+)-(\w+)\.", screen.text)
    wanted = [a + str(i) for a in "abc" for i in range(10)]
    assert [g[1].decode() for g in got] == wanted
    screen.type("~.")
    screen.wait()


def test_a_cut_connection_is_made_again_unseen(bench):
    screen = bench.prompt()
    terminal = bench.machine.only()
    for i in range(3):
        terminal.end.socket.sock.shutdown(2)
        screen.type(f"echo x$(({i}+10))\r")
        screen.sees(f"x{i + 10}\r\n")
    assert b"relay" not in screen.text
    assert screen.text.count(b"x10\r\n") == 1


def test_a_second_viewer_takes_the_terminal_over(bench):
    first = bench.prompt("--scope", "both")
    second = bench.shell("--scope", "both")
    assert first.wait(60) == 255
    first.sees("another viewer has taken this terminal over")
    second.type("echo still $((1+1))\r")
    second.sees("still 2\r\n")
    assert len(bench.machine.terminals) == 1


def test_output_faster_than_it_is_read(bench):
    """32 MiB to a reader that begins late: all of it arrives."""
    process = subprocess.Popen([CTL, "shell", bench.machine.id, "--", "sh", "-c",
                                "stty -opost; head -c 33554432 /dev/zero | tr '\\0' x; echo; echo end"],
                               env=bench.environment(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.5)
    with open(f"/proc/{process.pid}/status") as f:
        assert int(f.read().split("VmRSS:")[1].split()[0]) < 64 * 1024
    out = process.stdout.read()
    assert process.wait(60) == 0
    assert out.count(b"x") == 33554432 and out.endswith(b"end\n")


def test_a_new_size_reaches_a_machine_that_is_away_for_a_moment(bench):
    """While its terminal prints all the time."""
    screen = bench.shell(command=["sh", "-c", "while :; do stty size; sleep .1; done"])
    screen.sees("30 100\r\n", count=3)
    bench.machine.deaf()
    screen.resize(77, 22)
    screen.sees("is out of reach", timeout=60)
    bench.machine.hearing()
    screen.sees("22 77\r\n", timeout=60)


def test_a_terminal_that_is_not_there(bench):
    done = bench.ctl("shell", "--attach", "ch-" + "0" * 32, bench.machine.id, input=b"")
    assert done.returncode == 255
    assert b"no such terminal" in done.stderr
    done = bench.ctl("pty", "close", bench.machine.id, "ch-1")
    assert done.returncode == 1 and b"no open pty" in done.stderr


def test_a_machine_that_goes_away(bench):
    process = subprocess.Popen([CTL, "shell", "--patience", "2", bench.machine.id, "sleep", "60"],
                               env=bench.environment(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    terminal = bench.machine.only()
    wait_until(lambda: len(bench.machine.requests) > 1, what="the size of the window")
    bench.machine.gone()
    bench.hub.kill()
    assert process.wait(60) == 255
    assert b"stays away" in process.stderr.read()
    terminal.stopping = True


def test_pty_looks_after_terminals(bench):
    done = bench.ctl("pty", "open", bench.machine.id, "cat")
    pty = done.stdout.decode().strip()
    assert done.returncode == 0 and re.fullmatch("ch-[0-9a-f]{32}", pty)
    assert bench.ctl("pty", "resize", bench.machine.id, pty, "90x20").returncode == 0
    assert bench.ctl("pty", "write", bench.machine.id, pty, input=b"hello\n").returncode == 0
    screen = bench.shell("--attach", pty)
    screen.sees("hello\r\nhello\r\n")
    screen.type("~d")
    screen.wait()
    assert bench.ctl("pty", "close", bench.machine.id, pty).returncode == 0
    wait_until(lambda: not bench.machine.terminals)
    for wrong in (("list",), ("close", bench.machine.id),
                  ("resize", bench.machine.id, pty, "90"), ("resize", bench.machine.id, pty, "70000x1")):
        assert bench.ctl("pty", *wrong).returncode == 2


@pytest.mark.parametrize("bad", ["ch-\x1b[31mred", "ch-1;reboot", "ch-\u202eabc", "ch- 1", ""])
def test_an_id_that_would_do_harm_is_not_shown(bench, bad):
    def answer(request):
        response = bench.machine.answer(request)
        if request.WhichOneof("op") == "pty_open":
            response.pty_open.pty_id = response.pty_open.channel.channel_id = bad
        return response

    bench.machine.deaf()
    bench.machine.serve(answer)
    for arguments in (("pty", "open", bench.machine.id), ("shell", bench.machine.id)):
        done = bench.ctl(*arguments, stdin=subprocess.DEVNULL)
        assert done.returncode not in (0, 255) and not done.stdout
        assert b"nobody can attach to" in done.stderr
        assert not bad or bad.encode() not in done.stderr


def test_tokens_of_ones_own(bench, tmp_path):
    token = bench.hub.admin("POST", f"/api/machines/{bench.machine.id}/stream-token", {"port": 7681})[1]
    path = tmp_path / "token"
    path.write_text(token["token"] + "\n")
    url = f"ws://127.0.0.1:{bench.hub.port}/stream"
    screen = bench.prompt("--relay-url", url, "--relay-token-file", str(path))
    screen.type("exit\r")
    assert screen.wait() == 0
    path.write_text("ogs_wrong.wrong\n")
    done = bench.ctl("shell", "--relay-url", url, "--relay-token-file", str(path), bench.machine.id,
                     stdin=subprocess.DEVNULL)
    assert done.returncode == 125
    assert b"viewer token: " in done.stderr and b"ogs_" not in done.stderr
    wait_until(lambda: not bench.machine.terminals, what="the end of the shell that nobody sees")


def test_options_that_make_no_sense(bench):
    for wrong in (["--escape", "ab"], ["--attach", "x", "--scope", "y"], ["--relay-url", "ws://x"],
                  ["--patience", "soon"], ["--env", "x"]):
        done = bench.ctl("shell", *wrong, bench.machine.id)
        assert done.returncode == 125, wrong
        assert b"see opengeni-ctl help shell" in done.stderr


def test_no_hub_to_ask(bench, tmp_path):
    environment = bench.environment()
    environment.update(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path), XDG_STATE_HOME=str(tmp_path))
    del environment["OPENGENI_HUB"]
    done = subprocess.run([CTL, "shell", bench.machine.id, "cat"], env=environment, timeout=60,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert done.returncode == 125 and b"--hub" in done.stderr
    wait_until(lambda: not bench.machine.terminals)
    environment["OPENGENI_HUB"] = "http://127.0.0.1:1"
    done = subprocess.run([CTL, "shell", bench.machine.id, "cat"], env=environment, timeout=60,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert done.returncode == 125 and b"http://127.0.0.1:1" in done.stderr


def test_the_hub_of_this_machine_is_found(bench, tmp_path):
    """By the file that it writes, through its own socket."""
    environment = bench.environment()
    del environment["OPENGENI_HUB"], environment["OPENGENI_HUB_TOKEN_FILE"]
    state = tmp_path / "state"
    state.mkdir()
    (state / "opengeni-hub").symlink_to(bench.hub.data)
    environment.update(XDG_STATE_HOME=str(state), XDG_RUNTIME_DIR="", HOME=str(tmp_path))
    done = subprocess.run([CTL, "shell", bench.machine.id, "echo", "found"], env=environment,
                          timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert done.returncode == 0 and b"found" in done.stdout
