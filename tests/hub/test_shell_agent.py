"""opengeni-ctl shell with the real agent at the other end."""

import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from hubrig import Way, wait_until
from rig import Agent
from screen import Screen as Display
from test_shell import CTL, Bench


class RealMachine:
    def __init__(self, hub, directory, relay_url=None, **options):
        given = hub.enrol()
        self.id, self.workspace = given["agentId"], given["workspaceId"]
        self.agent = Agent(directory, start=False, **options)
        self.agent.write_credentials({
            "agent_id": self.id, "workspace_id": self.workspace, "nats_bearer": given["bearer"],
            "nats_urls": given["natsUrls"], "relay_url": relay_url or given["relayUrl"],
            "relay_token": given["relayToken"], "update_pubkey": "",
            "consented_whole_machine": True, "consented_screen_control": False})
        time.sleep(0.01)
        self.agent.start()
        wait_until(lambda: hub.state(self.id) == "online", what="the agent to be online")


class RealBench(Bench):
    def __init__(self, hub, machine):
        super().__init__(hub, machine)
        self.name = f"{machine.workspace}/{machine.id}"  # found without listening

    def prompt(self, *arguments, **options):
        screen = self.shell("--env", "PS1=$ ", *arguments, **options)
        screen.sees("$ ")
        return screen


@pytest.fixture
def bench(hub, tmp_path):
    machine = RealMachine(hub, tmp_path)
    made = RealBench(hub, machine)
    yield made
    for screen in made.screens:
        screen.clean_up()
    machine.agent.clean_up()


def test_a_person_works_in_a_terminal(bench):
    screen = bench.prompt()
    screen.type("echo $((6*7)) $TERM; stty size\r")
    screen.sees("42 xterm-256color\r\n30 100\r\n")
    screen.type("trap 'echo changed' WINCH\r")
    screen.sees("$ ", count=3)
    for i in range(10):
        screen.resize(132 + i, 43)
        time.sleep(0.3 * (i + 1))  # until it is there: what runs in front gets the signal, not the shell
        size = f"43 {132 + i}\r\n".encode()
        wait_until(lambda: (screen.type("stty size\r"), time.sleep(0.3), size in screen.text)[2],
                   what="the new size")
        if b"changed\r\n" in screen.text:
            break
    assert b"changed\r\n" in screen.text
    screen.type("exit 7\r")
    assert screen.wait() == 7


def test_detaching_and_coming_back(bench):
    screen = bench.prompt()
    screen.type("x=kept; echo a$x\r")
    screen.sees("akept\r\n")
    screen.type("~d")
    assert screen.wait() == 0
    screen.sees("--attach")
    pty = re.search(rb"--attach (ch-[0-9a-f]{32})", screen.text).group(1).decode()
    again = bench.shell("--attach", pty)
    again.sees("akept\r\n")
    again.type("echo b$x\r")
    again.sees("bkept\r\n")
    again.type("~.")
    assert again.wait() == 255
    done = bench.ctl("pty", "close", bench.name, pty)
    assert done.returncode == 1 and b"not found" in done.stderr


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_hub_that_ends_and_comes_back_loses_nothing(bench, how):
    """Relay and control plane are gone for a while; keys and output of before, during and after
    arrive once and in order."""
    screen = bench.shell(command=["sh", "-c", "stty -echo; echo ready; i=0; while read x; do "
                                  "i=$((i+1)); echo got-$i-$x.; done"])
    screen.sees("ready")
    for i in range(10):
        screen.type(f"a{i}\r")
    bench.hub.stop(how)
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
    assert [g[1].decode() for g in got] == [a + str(i) for a in "abc" for i in range(10)]
    assert [int(g[0]) for g in got] == list(range(1, 31))


def test_a_long_outage_and_a_new_size_after_it(bench):
    """Longer than the client keeps trying to get back to its server: it begins anew. The program
    has the whole screen, and is made to draw it again."""
    screen = bench.prompt()
    screen.type("printf '\\033[?1049hfu''ll'\r")
    screen.sees("full")
    bench.hub.stop(signal.SIGKILL)
    time.sleep(16)
    screen.resize(77, 22)
    bench.hub.start()
    screen.sees("connected again")
    screen.type("stty size\r")
    screen.sees("stty size\r\n")
    wait_until(lambda: (screen.type("stty size\r"), time.sleep(0.5), b"22 77\r\n" in screen.text)[2],
               what="the new size")
    screen.type("exit 8\r")
    assert screen.wait() == 8


def test_output_through_an_outage_is_whole_and_in_order(bench):
    """A program that prints all the time, less than an agent keeps of it."""
    screen = bench.shell(command=["sh", "-c", "i=0; while [ $i -lt 400 ]; do i=$((i+1)); "
                                  "echo line-$i.; sleep .01; done; echo the end; exit 6"])
    screen.sees("line-50.")
    bench.hub.stop(signal.SIGKILL)
    time.sleep(0.5)
    bench.hub.start()
    assert screen.wait(60) == 6
    screen.sees("the end")
    assert [int(n) for n in re.findall(rb"line-(\d+)\.", screen.text)] == list(range(1, 401))


def test_much_output_at_the_agents_pace(bench):
    """16 MiB, more than any buffer on the way, with a late reader."""
    process = subprocess.Popen([CTL, "shell", bench.name, "--", "sh", "-c",
                                "read x; stty -opost; head -c 16777216 /dev/zero | tr '\\0' x; echo; echo end; exit 3"],
                               env=bench.environment(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    out = process.stdout.read()
    assert process.wait(60) == 3
    assert out.count(b"x") == 16777216 and out.endswith(b"end\n"), process.stderr.read()


def test_a_pipe_instead_of_a_person(bench):
    done = bench.ctl("shell", bench.name, input=b"echo $((40+2)) ~.\nexit 9\n")
    assert done.returncode == 9, done.stderr
    assert b"42 ~.\r\n" in done.stdout
    data = b"".join(b"%06d some text\n" % i for i in range(20000))
    done = bench.ctl("shell", bench.name, "--", "sh", "-c", "stty -echo; cat; exit 4", input=data)
    assert done.returncode == 4, done.stderr
    assert done.stdout.replace(b"\r", b"").endswith(data[-10000:])


def test_a_command_that_ends_before_anybody_looks(bench):
    for word in ("x", "y"):
        done = bench.ctl("shell", bench.name, "--", "echo", word, stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stdout) == (0, word.encode() + b"\r\n"), done.stderr
    for code in (0, 3):
        done = bench.ctl("shell", bench.name, "--", "sh", "-c", f"echo word-{code}; exit {code}",
                         stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stdout) == (code, b"word-%d\r\n" % code), done.stderr
    done = bench.ctl("pty", "open", bench.name, "--", "sh", "-c", "echo long ago; exit 5")
    pty = done.stdout.decode().strip()
    time.sleep(1)
    done = bench.ctl("shell", "--attach", pty, bench.name, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (5, b"long ago\r\n"), done.stderr
    done = bench.ctl("shell", "--attach", pty, bench.name, stdin=subprocess.DEVNULL)
    assert done.returncode == 255 and b"no such terminal" in done.stderr


def test_a_program_that_ends_while_the_relay_is_away_has_an_exit_code_all_the_same(hub, tmp_path):
    """Its last output is lost, which is told."""
    way = Way(hub.port)
    machine = RealMachine(hub, tmp_path, relay_url=f"ws://127.0.0.1:{way.port}/stream")
    bench = RealBench(hub, machine)
    try:
        screen = bench.shell(command=["sh", "-c", "echo up; until [ -e go ]; do sleep 0.1; done; exit 7"])
        screen.sees("up")
        way.cut()
        open(os.path.join(machine.agent.root, "go"), "w").close()
        assert screen.wait(60) == 7
        screen.sees("the program has ended; the end of its output may be lost")
        assert not screen.is_raw()
    finally:
        way.close()
        for screen in bench.screens:
            screen.clean_up()
        machine.agent.clean_up()


def test_terminals_are_listed_and_closed_one_by_one(bench):
    def listed():
        return {t["pty"]: t["viewer"] for t in json.loads(bench.ctl(
            "pty", "list", bench.name, "--json").stdout)}

    assert listed() == {}
    screen = bench.prompt()
    done = bench.ctl("pty", "open", bench.name, "--", "sh", "-c", "echo up; sleep 1000")
    left = done.stdout.decode().strip()
    wait_until(lambda: len(listed()) == 2, what="both to be listed")
    assert sorted(listed().values()) == [False, True] and listed()[left] is False
    text = bench.ctl("pty", "list", bench.name).stdout.decode()
    assert re.search(rf"{left} +no +\S+\n", text) and text.startswith("PTY")
    assert bench.ctl("pty", "close", bench.name, left).returncode == 0
    wait_until(lambda: list(listed().values()) == [True], what="one to be left")
    screen.type("exit\r")
    assert screen.wait() == 0
    wait_until(lambda: listed() == {}, what="none to be left")


def test_an_agent_that_dies(bench):
    screen = bench.prompt()
    bench.machine.agent.process.kill()
    bench.machine.agent.process.wait()
    screen.resize(90, 20)
    screen.sees("is out of reach")
    bench.machine.agent.start()
    assert screen.wait(60) == 255
    screen.sees("has no such terminal")
    assert not screen.is_raw()


def test_an_agent_that_stops(bench):
    screen = bench.prompt()
    bench.machine.agent.stop()
    assert screen.wait(60) == 255
    assert not screen.is_raw()


def test_what_cannot_be_started(bench):
    done = bench.ctl("shell", bench.name, "/no/such/program", stdin=subprocess.DEVNULL)
    assert done.returncode == 125 and b"/no/such/program" in done.stderr
    done = bench.ctl("shell", "--cwd", "/no/such/directory", bench.name, stdin=subprocess.DEVNULL)
    assert done.returncode in (125, 127) and b"/no/such/directory" in done.stderr


class TlsFront:
    """Takes TLS in front of a port, as an ingress does."""

    def __init__(self, port, certificate):
        self.target = port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.taken = self.listener.getsockname()[1], 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self._try, args=[sock], daemon=True).start()

    def _try(self, sock):
        try:
            self._carry(sock)
        except OSError:
            sock.close()  # the certificate was not to the client's liking, or somebody left

    def _carry(self, sock):
        with self.context.wrap_socket(sock, server_side=True) as outer, \
                socket.create_connection(("127.0.0.1", self.target)) as inner:
            self.taken += 1
            outer.setblocking(False)
            while True:
                if not outer.pending():
                    select.select([outer, inner], [], [])
                for source, sink in ((outer, inner), (inner, outer)):
                    if source is inner and not select.select([inner], [], [], 0)[0]:
                        continue
                    try:
                        data = source.recv(65536)
                    except ssl.SSLWantReadError:
                        continue
                    if not data:
                        return
                    outer.setblocking(True)
                    sink.sendall(data)
                    outer.setblocking(False)


def test_a_shell_over_tls(hub, tmp_path):
    """Both ends come to the relay through TLS, under an authority of the test's own."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=own", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "ca.pem"],
                   cwd=tmp_path, check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "ca.pem").read_text() + (tmp_path / "key.pem").read_text())
    front = TlsFront(hub.port, both)
    url = f"wss://localhost:{front.port}/stream"
    machine = RealMachine(hub, tmp_path, relay_url=url,
                          environment={"SSL_CERT_FILE": str(tmp_path / "ca.pem")})
    bench = RealBench(hub, machine)
    try:
        grant = hub.admin("POST", f"/api/machines/{machine.id}/stream-token", {"port": 7681})[1]
        token = tmp_path / "token"
        token.write_text(grant["token"] + "\n")
        arguments = ["--relay-url", url, "--relay-token-file", str(token)]
        done = bench.ctl("shell", "--patience", "8", *arguments, bench.name, "--", "echo", "nobody",
                         stdin=subprocess.DEVNULL)
        assert done.returncode not in (0, 1) and b"certificate" in done.stderr, done.stderr
        screen = bench.prompt(*arguments, "--ca-file", str(tmp_path / "ca.pem"))
        assert front.taken >= 2
        screen.type("seq 1 20000 | tail -n 10000; echo $((40+2)) of them\r")
        screen.sees("42 of them\r\n")
        assert b"\r\n19999\r\n20000\r\n" in screen.text
        screen.type("exit 5\r")
        assert screen.wait() == 5
    finally:
        for screen in bench.screens:
            screen.clean_up()
        machine.agent.clean_up()


def test_a_terminal_has_the_display(hub, tmp_path):
    display = Display()
    machine = RealMachine(hub, tmp_path, settings=f"display = {display.display}")
    bench = RealBench(hub, machine)
    try:
        screen = bench.prompt()
        screen.type("echo on=$DISPLAY.\r")
        screen.sees(f"on={display.display}.\r\n")
        screen = bench.prompt("--env", "DISPLAY=:77")
        screen.type("echo on=$DISPLAY.\r")
        screen.sees("on=:77.\r\n")
    finally:
        for screen in bench.screens:
            screen.clean_up()
        machine.agent.clean_up()
        display.kill()
