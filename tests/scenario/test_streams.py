"""Terminals at relays of all kinds: bad answers, bad certificates, restarts, several control planes."""

import os
import re
import ssl
import subprocess
import time

import pytest

from fakerelay import FakeRelay
from rig import ControlError, Runtime, connection_document, wait_until


@pytest.fixture
def make_relay():
    made = []

    def make(*arguments, **options):
        made.append(FakeRelay(*arguments, **options))
        return made[-1]

    yield make
    for relay in made:
        try:
            relay.stop()
        except OSError:
            pass  # it is stopped


@pytest.fixture
def serve(server, make_agent):
    """An agent with terminals at a relay: (agent, runtime)."""
    def make(relay, url=None, **options):
        runtime = Runtime(server)
        agent = make_agent(server, relay_url=url or relay.url(), relay_token="ogr_token",
                           **options)
        runtime.wait_online()
        return agent, runtime
    return make


def opened(runtime, *command, **fields):
    return runtime.call("pty_open", command=command, **fields).pty_id


def children(agent):
    """Of the daemon, dead ones too."""
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(agent.process.pid)],
                         capture_output=True, text=True).stdout
    return out.split()


BAD = [200, 401, 404, 503, "close"]


def test_a_relay_that_answers_badly_fails_an_opening_and_leaves_nothing(make_relay, serve):
    relay = make_relay()
    agent, runtime = serve(relay)
    before = children(agent)
    for answer in BAD:
        relay.answer = answer
        with pytest.raises(ControlError) as refused:
            opened(runtime, "sleep", "1000")
        assert refused.value.code == "STREAM" and refused.value.retryable, answer
        assert str(answer) in refused.value.message or answer == "close"
        assert children(agent) == before
    relay.answer = "serve"
    id = opened(runtime, "sh", "-c", "echo up; exec cat")
    relay.sees(id, "up")


def test_a_terminal_outlives_every_bad_answer(make_relay, serve):
    relay = make_relay()
    _, runtime = serve(relay)
    id = opened(runtime, "sh", "-c", "stty -echo; echo up; exec cat")
    relay.sees(id, "up")
    for i, answer in enumerate(BAD):
        relay.answer = answer
        before = relay.dials
        relay.cut()
        wait_until(lambda: relay.dials > before, what=f"a dial that is answered with {answer}")
        runtime.call("pty_write", pty_id=id, data=f"written-{i}\n".encode())
        relay.answer = "serve"
        relay.wait_live(id)
        relay.sees(id, f"written-{i}")
        relay.type(id, f"typed-{i}\n")
        relay.sees(id, f"typed-{i}")
    assert relay.channels[id].missed == 0


def test_what_is_typed_by_requests_keeps_its_order(make_relay, serve, tmp_path):
    _, runtime = serve(make_relay())
    typed = tmp_path / "typed"
    id = opened(runtime, "sh", "-c", f"stty -echo; exec cat >{typed}")
    replies = []
    runtime.nats.subscribe("test.typed.*", lambda *message: replies.append(message))
    lines = [b"%d\n" % i for i in range(500)]
    for i, line in enumerate(lines):  # sent at once, nothing is waited for
        request = runtime.encode("pty_write", pty_id=id, data=line)
        runtime.nats.publish(runtime.subject(), request.SerializeToString(), reply=f"test.typed.{i}")
    wait_until(lambda: len(replies) == len(lines), what="all replies")
    wait_until(lambda: typed.read_bytes().count(b"\n") == len(lines), what="all lines")
    assert typed.read_bytes() == b"".join(lines)


def test_text_messages_are_passed_over(make_relay, serve):
    relay = make_relay("text")
    _, runtime = serve(relay)
    id = opened(runtime, "sh", "-c", "stty -echo; echo up; exec cat")
    relay.type(id, "good\n")
    relay.sees(id, "good\r\n")
    assert b"bad" not in relay.channels[id].text


def test_a_relay_that_says_nothing_fails_an_opening_in_time(make_relay, serve):
    relay = make_relay("silent")
    agent, runtime = serve(relay)
    before = children(agent)
    with pytest.raises(ControlError) as refused:
        opened(runtime, "sleep", "1000")
    assert refused.value.code == "STREAM" and refused.value.retryable
    assert "did not answer" in refused.value.message
    assert runtime.ping().nonce == 7 and children(agent) == before


def test_a_nats_server_that_goes_away_does_not_touch_terminals(server, make_relay, serve):
    relay = make_relay()
    _, runtime = serve(relay)
    ids = [opened(runtime, "sh", "-c", "echo up; exec cat") for _ in range(3)]
    for id in ids:
        relay.sees(id, "up")
    dials = relay.dials
    server.kill()
    for id in ids:
        relay.type(id, "alone\n")
        relay.sees(id, "alone\r\nalone")
    server.start()
    again = Runtime(server)
    again.wait_heard()
    assert again.call("pty_write", pty_id=ids[0], data=b"again\n").bytes_written == 6
    relay.sees(ids[0], "again\r\nagain")
    assert relay.dials == dials and all(len(relay.channels[id].opens) == 1 for id in ids)


def test_two_control_planes_have_terminals_of_their_own(make_server, make_agent, make_relay):
    servers, relays = [make_server(), make_server()], [make_relay(), make_relay()]
    other = {"agent": "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
             "workspace": "22222222-2222-4222-8222-222222222222"}
    one, two = Runtime(servers[0]), Runtime(servers[1], **other)
    agent = make_agent(servers[0], relay_url=relays[0].url(), relay_token="ogr_one")
    one.wait_online()
    agent.write_credentials(connection_document(servers[1].port, **other, relay_url=relays[1].url(),
                                                relay_token="ogr_two"))
    two.wait_online()
    ids = [opened(runtime, "sh", "-c", "echo up; exec cat", scope_id="session")
           for runtime in (one, two)]
    assert ids[0] != ids[1]
    for relay, id, token in zip(relays, ids, ("ogr_one", "ogr_two")):
        relay.sees(id, "up")
        (open,) = relay.channels[id].opens
        assert open.token == token and list(relay.channels) == [id]
    first, second = (relay.channels[id].opens[0].channel for relay, id in zip(relays, ids))
    assert (first.workspace_id, second.workspace_id) == (one.prefix.split(".")[1], other["workspace"])
    assert second.agent_id == other["agent"]
    with pytest.raises(ControlError) as missing:  # the other one's
        one.call("pty_close", pty_id=ids[1])
    assert missing.value.code == "NOT_FOUND"
    assert one.call("pty_close", pty_id=ids[0]).exit_code == -1
    relays[1].type(ids[1], "alive\n")
    relays[1].sees(ids[1], "alive\r\nalive")


def test_a_connection_that_is_torn_in_the_middle_of_a_message(make_relay, serve):
    """Nothing of the message counts, and nothing else is lost."""
    relay = make_relay()
    _, runtime = serve(relay)
    id = opened(runtime, "sh", "-c", "stty -echo; echo up; exec cat")
    relay.sees(id, "up")
    for i in range(8):
        opens = len(relay.channels[id].opens)
        relay.tear(id, f"torn-{i}\n")
        wait_until(lambda: len(relay.channels[id].opens) > opens and relay.is_live(id),
                   what="another registration")
        relay.type(id, f"whole-{i}\n")
        relay.sees(id, f"whole-{i}\r\n")
    text = relay.channels[id].text.decode()
    assert "torn" not in text and relay.channels[id].missed == 0
    assert re.findall(r"whole-(\d)", text) == [str(i) for i in range(8)]


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(n) for n in re.findall(r"^Private_\w+: +(\d+) kB", f.read(), re.M))


def test_much_output_without_a_relay_costs_little(make_relay, serve):
    """5 MiB are printed while it is away: the program is not held up, and of the agent's memory they
    take little more than what is kept for later. What has to do with the terminal is answered."""
    relay = make_relay()
    agent, runtime = serve(relay)
    id = opened(runtime, "sh", "-c", "stty -opost -echo; echo up; read x; "
                "head -c 5242880 /dev/zero | tr '\\0' x; touch printed; read x; echo newest; exec cat")
    other = opened(runtime, "sh", "-c", "echo up; exec cat")
    relay.sees(id, "up")
    relay.sees(other, "up")
    before = private_kib(agent.process.pid)
    relay.stop()
    wait_until(lambda: not relay.is_live(id), what="the end of the connection")
    assert runtime.call("pty_write", pty_id=id, data=b"\n").bytes_written == 1
    wait_until(lambda: os.path.exists(os.path.join(agent.root, "printed")), 60, what="all of the output")
    if "asan" not in os.environ.get("OG_BUILD", "") and "tsan" not in os.environ.get("OG_BUILD", ""):
        assert private_kib(agent.process.pid) - before < 4 << 10
    runtime.call("pty_resize", pty_id=id, cols=90, rows=40)
    runtime.call("pty_write", pty_id=id, data=b"\n")
    assert runtime.call("pty_close", pty_id=other).exit_code == -1
    relay.start()
    relay.sees(id, "newest")
    text = relay.channels[id].text.decode()
    (dropped,) = re.findall(r"\r\n\[(\d+) bytes of output were dropped\]\r\n", text)
    assert text.count("x") + int(dropped) == 5242880
    assert text.count("x") > (1 << 20) - 100
    assert len(relay.channels[other].opens) == 1  # nobody dials for one that has ended


MANY, LINES = 32, 150


def lines_of(channel):
    return [int(n) for n in re.findall(rb"line (\d+)\.", channel.text)]


def test_many_terminals_through_restarts_of_the_relay(make_relay, serve):
    """Each prints while the relay goes and comes back: no line is lost or doubled, no more dial at
    once than agents may, no descriptor is left over."""
    relay = make_relay(ack_after=0.02)
    agent, runtime = serve(relay)
    relay.wait_live(opened(runtime, "sh", "-c", "echo up; exec cat"))
    before = agent.descriptors()
    script = f"i=0; while [ $i -lt {LINES} ]; do echo line $i.; i=$((i+1)); sleep 0.05; done; read x"
    ids = [opened(runtime, "sh", "-c", script) for _ in range(MANY)]
    relay.most_registering = 0
    for _ in range(3):
        relay.stop()
        time.sleep(0.5)
        relay.start()
        relay.wait_live(*ids)
    assert relay.most_registering <= 8
    for id in ids:
        relay.sees(id, f"line {LINES - 1}.")
        assert lines_of(relay.channels[id]) == list(range(LINES))
        assert relay.channels[id].missed == 0
        relay.type(id, "\n")
    wait_until(lambda: all(relay.channels[id].closed for id in ids), what="the ends")
    wait_until(lambda: agent.descriptors() <= before, what="the descriptors to be closed")


# --- TLS

@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """ca.pem; good.pem for localhost, other.pem for another name, old.pem that has expired, all under
    it; own.pem signed by itself."""
    directory = tmp_path_factory.mktemp("certificates")

    def run(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    def request(name, *more):
        return ("req", *more, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", f"/CN={name}")

    run(*request("scenario CA", "-x509"), "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
    run(*request("own", "-x509"), "-days", "2", "-addext", "subjectAltName=DNS:localhost",
        "-keyout", "key", "-out", "cert")
    (directory / "own.pem").write_text((directory / "cert").read_text() + (directory / "key").read_text())
    (directory / "index.txt").touch()
    (directory / "new").mkdir()
    (directory / "ca.conf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=new\nrand_serial=yes\n"
        "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
    now = time.time()
    for name, names, end in (("good", "DNS:localhost", now + 86400), ("old", "DNS:localhost", now - 60),
                             ("other", "DNS:elsewhere.example", now + 86400)):
        (directory / "ext").write_text(f"subjectAltName={names}\n")
        run(*request(name), "-keyout", "key", "-out", "csr")
        run("ca", "-batch", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "csr",
            "-out", "cert", "-notext", "-extfile", "ext",
            "-startdate", time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now - 86400)),
            "-enddate", time.strftime("%Y%m%d%H%M%SZ", time.gmtime(end)))
        (directory / f"{name}.pem").write_text(
            (directory / "cert").read_text() + (directory / "key").read_text())
    return directory


@pytest.mark.parametrize("certificate, says", [("other", "ostname mismatch"), ("old", "expired"),
                                               ("own", "self"), ("good", None)])
def test_a_relay_over_tls_is_believed_only_with_a_good_certificate(certificates, make_relay, serve,
                                                                   certificate, says):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{certificate}.pem")
    relay = make_relay(tls=context)
    _, runtime = serve(relay, url=relay.url("wss", "localhost"),
                       environment={"SSL_CERT_FILE": str(certificates / "ca.pem")})
    if says is None:
        id = opened(runtime, "sh", "-c", "stty -echo; echo up; exec cat")
        relay.sees(id, "up")
        paste = "".join(f"{i:06d} some text\n" for i in range(3000))
        for start in range(0, len(paste), 16384):
            relay.type(id, paste[start:start + 16384])
        relay.sees(id, "002999 some text")
        assert relay.channels[id].text.replace(b"\r", b"").decode().endswith(paste)
        return
    with pytest.raises(ControlError) as refused:
        opened(runtime, "sleep", "1000")
    assert refused.value.code == "STREAM" and refused.value.retryable
    assert says in refused.value.message
    assert not relay.channels  # nothing was said, not even in the clear
