"""The link under trouble: servers that stop reading, sessions that change while work is going on,
certificates of others, and the quiet of a machine that nobody uses."""

import os
import select
import signal
import ssl
import stat
import subprocess
import threading
import time

import pytest

from rig import AGENT, PATIENCE, WORKSPACE, Runtime, connection_document, mark, pb, wait_until

LEGACY = f"agent.{WORKSPACE}.{AGENT}.rpc"
OTHER = {"agent": "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
         "workspace": "22222222-2222-4222-8222-222222222222"}


def request(request_id, op, /, **fields):
    message = pb.ControlRequest(request_id=request_id)
    target = getattr(message, op)
    target.SetInParent()
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(target, name).extend(value)
        else:
            setattr(target, name, value)
    return message.SerializeToString()


def published(peer, ending):
    return [p for p in list(peer.published) if p[0].endswith(ending)]


def served(server, but=()):
    return wait_until(lambda: next((p for p in server.live() if p not in but and
                                    published(p, ".hello") and published(p, ".events")), None),
                      what="a served session")


def fenced(peer):
    return next(s for s in peer.subscriptions.values() if "connection" in s and s.endswith("rpc"))


def answers(server, subject):
    return [body for p in server.peers for s, body, _ in list(p.published) if s == subject]


def answer(server, subject, timeout=PATIENCE):
    return pb.ControlResponse.FromString(
        wait_until(lambda: answers(server, subject), timeout, what=f"an answer on {subject}")[0])


# --- a server that does not read

def test_a_write_that_is_stuck_holds_up_no_other_link(fake, server, make_agent):
    stuck = fake()
    runtime = Runtime(server)
    agent = make_agent(server)
    runtime.wait_online()
    agent.write_credentials(connection_document(stuck.port, agent_id=OTHER["agent"],
                                                workspace_id=OTHER["workspace"]))
    peer = served(stuck)
    with open(os.path.join(agent.root, "big"), "wb") as f:
        f.write(b"x" * 900_000)
    release = threading.Event()
    handle = stuck._handle
    stuck._handle = lambda *a: (release.wait(2 * PATIENCE), handle(*a))
    subject = fenced(peer)
    for i in range(24):  # far more than the sockets take
        peer.message(subject, f"_INBOX.big{i}", request(f"b{i}", "fs_read", path="big"))
    slowest = 0
    end = time.monotonic() + 6
    i = 0
    while time.monotonic() < end:
        i += 1
        peer.message(subject, f"_INBOX.p{i}", request(f"p{i}", "ping", nonce=1))
        peer.message(subject, f"_INBOX.q{i}", b"\xff")
        peer.message(subject, f"_INBOX.r{i}", request(f"r{i}", "hello"))
        begin = time.monotonic()
        assert runtime.ping().nonce == 7
        slowest = max(slowest, time.monotonic() - begin)
        time.sleep(0.02)
    threads = agent.threads()
    assert agent.stop(timeout=30) == 0
    release.set()
    assert slowest < 8, "a ping waited for another link's server"  # a write waits for 10 s
    assert threads < 150


def test_a_slow_way_to_the_server_is_no_silence(fake, make_agent):
    server = fake()
    handle = server._handle
    server._handle = lambda peer, stream, line: (time.sleep(1.4 if line.startswith(b"PING") else 0),
                                                 handle(peer, stream, line))
    agent = make_agent(server.port)
    peer = served(server)
    time.sleep(17)
    assert peer.ended is None and "silent" not in agent.log_text()


def test_no_descriptors_left_costs_requests_and_never_the_agent(fake, make_agent):
    import resource
    server = fake()
    agent = make_agent(server.port, start=False)
    agent.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96)))
    peer = served(server)
    for i in range(60):
        peer.message(fenced(peer), f"_INBOX.{i}", request(f"r{i}", "exec", command=["sleep 9"], shell=True))
    wait_until(lambda: any(b"Too many open files" in body for _, body, _ in list(peer.published)),
               what="the descriptors to run out")
    peer.close()
    again = served(server, but=[peer])
    for i in range(60):  # the commands of before may be about to end
        again.message(fenced(again), f"_INBOX.after{i}",
                      request(f"after{i}", "exec", command=["echo ok"], shell=True))
        last = answer(server, f"_INBOX.after{i}")
        if last.WhichOneof("result"):
            break
        time.sleep(0.5)
    assert last.exec.stdout == b"ok\n"
    assert agent.process.poll() is None


def test_an_old_refusal_is_not_taken_for_the_reason_of_a_loss(fake, make_agent):
    server = fake(deny=(LEGACY, f"agent.{WORKSPACE}.{AGENT}.ack"))
    agent = make_agent(server.port)
    served(server).close()
    agent.wait_for_log("offline")
    assert "Permissions Violation" not in agent.log_text()


# --- sessions that change while work is going on

def slow_file(agent):
    """A file that takes a write only as fast as it is read here."""
    path = os.path.join(agent.root, "slow")
    os.mkfifo(path)
    slow = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    os.set_blocking(slow.fileno(), True)
    return slow


def wait_begun(slow):
    """Until somebody writes into it: before, its reader would see an end."""
    ready = select.poll()
    ready.register(slow, select.POLLIN)
    assert ready.poll(1000 * PATIENCE), "the write did not begin"


def test_work_goes_on_across_a_planned_change_of_the_session(fake, make_agent):
    server = fake()
    agent = make_agent(server.port)
    first = served(server)
    slow = slow_file(agent)
    first.message(fenced(first), "_INBOX.exec",
                  request("e", "exec", command=["sleep 3; echo done"], shell=True))
    first.message(fenced(first), "_INBOX.write", request("w", "fs_write", path="slow", content=b"y" * 300_000))
    wait_begun(slow)
    agent.edit_document(nats_bearer="another")
    wait_until(lambda: first.ended is not None, what="the first session to be replaced")
    assert len(slow.read(300_000)) == 300_000
    assert answer(server, "_INBOX.exec").exec.stdout == b"done\n"
    assert answer(server, "_INBOX.write").WhichOneof("result") == "fs_write"
    assert "offline" not in agent.log_text()


def test_files_are_written_to_the_end_when_the_session_is_cut(fake, make_agent):
    server = fake()
    agent = make_agent(server.port)
    first = served(server)
    slow = slow_file(agent)
    first.message(fenced(first), "_INBOX.write", request("w", "fs_write", path="slow", content=b"y" * 900_000))
    wait_begun(slow)
    first.close()
    time.sleep(1)
    assert len(slow.read(900_000)) == 900_000
    assert answer(server, "_INBOX.write").WhichOneof("result") == "fs_write"


def test_no_reply_is_lost_while_sessions_change(online):
    agent, runtime = online
    waiters = []
    for i in range(6):
        agent.edit_document(nats_bearer=f"bearer-{i}")
        begin, renewed = time.monotonic(), False
        while not renewed or time.monotonic() < begin + 0.7:
            assert time.monotonic() < begin + PATIENCE, "the session is not renewed"
            if not renewed and len(waiters) % 10 == 0:
                renewed = agent.log_text().count("session renewed") > i
            message = runtime.encode("fs_stat", path=".")
            waiters.append(runtime.nats.send_request(runtime.subject(fenced=i % 2 == 0),
                                                     message.SerializeToString())[1])
            time.sleep(0.002)
    for waiter in waiters:
        body, headers = waiter.get(timeout=60)
        assert b"503" not in headers and pb.ControlResponse.FromString(body).HasField("fs_stat")
    assert agent.log_text().count("session renewed") == 6


def cpu_seconds(agent):
    with open(f"/proc/{agent.process.pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_credentials_that_change_during_a_dial_are_used_and_nobody_spins(fake, make_agent):
    server = fake()
    server.on_connect = lambda peer: time.sleep(3 if peer.connect["auth_token"] == "second" else 0)
    agent = make_agent(server.port)
    served(server)
    agent.edit_document(nats_bearer="second")
    wait_until(lambda: len(server.peers) == 2)
    agent.edit_document(nats_bearer="third")
    before = cpu_seconds(agent)
    time.sleep(2)
    assert cpu_seconds(agent) - before < 1.5
    third = wait_until(lambda: next((p for p in server.live() if p.connect["auth_token"] == "third"), None))
    wait_until(lambda: server.live() == [third], what="only the newest credentials to be in use")


def test_a_lame_duck_does_not_wait_for_the_planned_change(fake, make_agent):
    server = fake()
    make_agent(server.port)
    first = served(server)
    time.sleep(13)
    first.send(b"-ERR 'User Authentication Expired'\r\n")
    first.close()
    second = served(server, but=[first])
    second.send(server.info_line(ldm=True))
    third = wait_until(lambda: next((p for p in server.live() if p not in (first, second)), None))
    assert third.opened - second.opened < 10  # planned for 80 % of the life of the first one


def test_a_connection_that_is_back_at_once_starts_after_the_goodbye(online, server):
    agent, runtime = online
    message = runtime.encode("exec", command=["trap '' TERM INT; sleep 2"], shell=True)
    runtime.nats.send_request(runtime.subject(), message.SerializeToString())
    time.sleep(0.3)
    (path,) = agent.documents()
    os.rename(path, path + ".away")
    agent.wait_for_log("connection removed")
    hellos = len(runtime.hellos)
    os.rename(path + ".away", path)
    wait_until(lambda: len(runtime.hellos) > hellos, what="the connection to be back")
    goodbye = max(t for t, _, e in runtime.events if e.HasField("going_offline"))
    assert goodbye < runtime.hellos[hellos][0]
    assert runtime.ping().nonce == 7


def test_fifty_links_start_and_stop_cleanly(server, make_agent):
    agent = make_agent(start=False)
    runtimes = []
    os.makedirs(os.path.join(agent.config, "connections"), mode=0o700, exist_ok=True)
    for i in range(50):
        ids = {"agent": f"aaaaaaaa-aaaa-4aaa-8aaa-{i:012d}", "workspace": f"22222222-2222-4222-8222-{i:012d}"}
        runtimes.append(Runtime(server, client=runtimes[0].nats if runtimes else None, **ids))
        agent.write_credentials(connection_document(server.port, agent_id=ids["agent"],
                                                    workspace_id=ids["workspace"]))
        if i == 0:  # with nothing to serve it would end at once
            agent.start()
        wait_until(lambda: not os.path.exists(os.path.join(agent.config, "credentials.json")), 60)
    for runtime in runtimes:
        runtime.wait_online()
        assert runtime.ping().nonce == 7
    assert agent.stop() == 0
    wait_until(lambda: all(r.goodbyes() for r in runtimes), what="every link's goodbye")


# --- certificates

@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """ca.pem, and server.pem (with its key) for localhost and 127.0.0.1; other.pem for another name."""
    directory = tmp_path_factory.mktemp("certificates")

    def run(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=scenario CA", "-keyout", "ca.key", "-out", "ca.pem")
    for name, names in (("server", "DNS:localhost,IP:127.0.0.1"), ("other", "DNS:elsewhere.example")):
        (directory / "ext").write_text(f"subjectAltName={names}\n")
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={name}", "-keyout", "key", "-out", "csr")
        run("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", "cert")
        (directory / f"{name}.pem").write_text((directory / "cert").read_text() + (directory / "key").read_text())
    return directory


class TlsEar:
    """Takes TLS connections and keeps what it hears inside them."""

    def __init__(self, certificate):
        import socket
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.tries, self.heard = 0, b""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.tries += 1
            try:
                with self.context.wrap_socket(sock, server_side=True) as inside:
                    inside.settimeout(60)
                    self.heard += inside.recv(65536)
            except OSError:
                sock.close()


@pytest.mark.parametrize("certificate, trusted", [("server", True), ("server", False), ("other", True)])
def test_a_server_is_believed_only_with_a_certificate_of_its_name(certificates, make_agent, certificate, trusted):
    ear = TlsEar(certificates / f"{certificate}.pem")
    arguments = ["--ca-file", str(certificates / "ca.pem")] if trusted else []
    agent = make_agent(0, arguments=arguments, nats_urls=[f"wss://localhost:{ear.port}"])
    if certificate == "server" and trusted:
        wait_until(lambda: ear.heard.startswith(b"GET / HTTP/1.1\r\n"))
        return
    wait_until(lambda: ear.tries >= 2, what="another attempt")
    assert ear.heard == b"" and agent.process.poll() is None
    assert "certificate" in agent.log_text()


def test_a_server_that_requires_tls_gets_it_before_the_login(certificates, make_server, make_agent):
    server = make_server(config=f'tls {{ cert_file: "{certificates}/server.pem", '
                                f'key_file: "{certificates}/server.pem" }}')
    url = f"nats://localhost:{server.port}"
    agent = make_agent(0, arguments=["--ca-file", str(certificates / "ca.pem")], nats_urls=[url])
    agent.wait_for_log("online")
    stranger = make_agent(0, nats_urls=[url])
    stranger.wait_for_log("certificate")
    time.sleep(1)
    assert "online" not in stranger.log_text()


# --- the quiet

def files(top):
    found = {}
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if name != "agent.log":
                found[path] = (status.st_mtime_ns, status.st_size, stat.S_IMODE(status.st_mode))
    return found


def test_an_idle_machine_stays_quiet(online):
    agent, _ = online
    time.sleep(7)  # the idle workers have ended
    for _ in range(10):  # on a busy machine a little later
        threads = agent.threads()
        time.sleep(1)
        if agent.threads() == threads:
            break
    before, descriptors, threads, log = files(agent.home), agent.descriptors(), agent.threads(), agent.log_text()
    time.sleep(8)
    assert files(agent.home) == before
    assert agent.descriptors() == descriptors and abs(agent.threads() - threads) <= 1
    assert agent.log_text() == log


def test_a_hung_gpu_tool_delays_no_heartbeat(server, make_agent, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "nvidia-smi").write_text(f"#!/bin/sh\nexec sleep {mark('1000.125')}\n")
    (tools / "nvidia-smi").chmod(0o755)
    runtime = Runtime(server)
    make_agent(server, environment={"PATH": f"{tools}:{os.environ['PATH']}"})
    runtime.wait_online()
    wait_until(lambda: len(runtime.heartbeats(fenced=True)) >= 3)
    beats = runtime.heartbeats(fenced=True)
    assert 3 < (beats[-1][0] - beats[0][0]) / (len(beats) - 1) < 7.5
    assert all(not beat.metrics.gpus and beat.metrics.sampled_at_ms for _, beat in beats)
    hung = subprocess.run(["pgrep", "-cf", "sleep " + mark("1000.125")], capture_output=True, text=True).stdout
    assert int(hung) <= 1


def test_a_mended_document_starts_its_link(server, make_agent):
    runtime = Runtime(server)
    agent = make_agent(server)
    runtime.wait_online()
    (path,) = agent.documents()
    with open(path) as f:
        good = f.read()
    with open(path, "w") as f:
        f.write("{ not json")
    agent.wait_for_log("not usable")
    assert runtime.ping().nonce == 7 and not runtime.goodbyes()
    agent.stop(signal.SIGKILL)
    agent.arguments = ["--wait"]
    agent.start()
    time.sleep(1)
    seen = len(runtime.hellos)
    with open(path, "w") as f:
        f.write(good)
    wait_until(lambda: len(runtime.hellos) > seen)
