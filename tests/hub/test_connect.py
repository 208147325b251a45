"""opengeni-agent connect against a hub, and against servers that behave badly."""

import base64
import http.server
import json
import os
import random
import subprocess
import sys
import threading
import time

import pytest

from hubrig import BIN, Hub, Machine, run, wait_until

AGENT = os.path.join(BIN, "opengeni-agent")
GOOD = {"credentials": {"agentId": "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa",
                        "workspaceId": "11111111-1111-4111-8111-111111111111",
                        "bearer": "oge_secretsecret.secretsecret", "natsUrls": ["wss://h/n"],
                        "relayUrl": "wss://h/stream", "relayToken": "ogr_secretsecret.x",
                        "consentedWholeMachine": True, "consentedScreenControl": False}}


class Home:
    def __init__(self, path):
        self.config = path / "agent"
        self.environment = {k: v for k, v in os.environ.items()
                            if not k.startswith("OPENGENI_") and "proxy" not in k.lower()}
        self.environment["OPENGENI_CONFIG_DIR"] = str(self.config)

    def agent(self, *arguments, stdin=None, **more):
        return subprocess.run([AGENT, *map(str, arguments)], text=True, capture_output=True,
                              timeout=120, input=stdin, env=dict(self.environment, **more))

    def connections(self):
        directory = self.config / "connections"
        return [json.loads(p.read_text()) for p in sorted(directory.glob("*.json"))] \
            if directory.exists() else []


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def cloud():
    """A deployment whose answers a test scripts: (status, body[, headers]) per request."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.requests.append((self.path, json.loads(body), dict(self.headers)))
            server.may_answer.wait(60)
            answers = server.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            status, text, headers = (*answer, {})[:3]
            if status is None:
                self.close_connection = True
                return
            if callable(text):
                text(self)
                return
            data = text if isinstance(text, bytes) else (
                text if isinstance(text, str) else json.dumps(text)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            server.gets += 1
            self.send_error(405)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.gets, server.answers = [], 0, [(201, GOOD)]
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.may_answer = threading.Event()
    server.may_answer.set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def url_of(hub):
    return f"http://127.0.0.1:{hub.port}"


def test_a_token_from_a_file_connects_the_machine(hub, home, tmp_path):
    token = hub.token("--screen-control")
    (tmp_path / "token").write_text(token + "\n")
    done = home.agent("--api-url", url_of(hub), "connect", "--token-file", tmp_path / "token",
                      "--machine-name", "front desk")
    assert done.returncode == 0, done.stderr
    document, = home.connections()
    credentials = document["credentials"]
    assert document["connection_id"] in done.stdout and document["api_url"] == url_of(hub)
    assert credentials["consented_screen_control"] is True
    assert credentials["nats_urls"] == [f"ws://127.0.0.1:{hub.agents_port}"]
    shown = hub.show("front%20desk")
    assert shown["id"] == credentials["agent_id"]
    assert token not in done.stdout + done.stderr and "oge_" not in done.stdout + done.stderr
    Machine(hub, {"agentId": credentials["agent_id"], "workspaceId": credentials["workspace_id"],
                  "bearer": credentials["nats_bearer"]}).online()
    # the same machine again, with a new token: the same identity
    done = home.agent("--api-url", url_of(hub), "connect", "--token", "-", stdin=hub.token())
    assert done.returncode == 0, done.stderr
    assert len(home.connections()) == 1 and len(hub.admin("GET", "/api/machines")[1]["machines"]) == 1


def test_a_used_token_says_so(hub, home):
    token = hub.token()
    assert hub.exchange(token)[0] == 201
    done = home.agent("--api-url", url_of(hub), "connect", "--token", "-", stdin=token)
    assert done.returncode == 1 and "has been used" in done.stderr
    assert home.connections() == []


def test_a_hub_with_a_private_ca(tmp_path, home):
    (tmp_path / "hub").mkdir()
    hub = Hub(tmp_path / "hub", "--tls", start=False)
    hub.spawn()
    try:
        wait_until(lambda: os.path.exists(hub.data + "/hub.json"))
        token, url = hub.token(), f"https://localhost:{hub.port}"
        done = home.agent("--api-url", url, "connect", "--token", "-", stdin=token)
        assert done.returncode == 1 and "certificate" in done.stderr
        done = home.agent("--api-url", url, "--ca-file", hub.data + "/tls/ca.pem", "connect",
                          "--token", "-", stdin=token)
        assert done.returncode == 0, done.stderr
        assert home.connections()[0]["credentials"]["nats_urls"] == [
            f"wss://localhost:{hub.agents_port}"]
        # the agent, and whoever connects it again, trusts it from then on
        agent = subprocess.Popen([AGENT, "run"], env=home.environment, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: " online " in run("machines", "--data", hub.data))
            assert home.agent("--api-url", url, "connect", "--token", "-",
                              stdin=hub.token()).returncode == 0
            shown = home.agent("connections").stdout
            assert os.path.realpath(hub.data) + "/tls/ca.pem" in shown, shown
        finally:
            agent.terminate()
            agent.wait(60)
        done = home.agent("--ca-file", tmp_path / "none", "connect", "--token", "x")
        assert done.returncode == 1 and "none" in done.stderr
    finally:
        hub.kill()


def test_the_token_is_seen_nowhere(cloud, home):
    token = "oget_verysecrettoken.signaturesignature"
    cloud.may_answer.clear()
    process = subprocess.Popen([AGENT, "--api-url", cloud.url, "connect", "--token", token],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=dict(home.environment, OPENGENI_LOG="trace",
                                        OPENGENI_ENROLL_TOKEN="oget_othertoken.sig"))
    wait_until(lambda: cloud.requests, what="the request")
    with open(f"/proc/{process.pid}/cmdline", "rb") as f:
        seen = f.read()
    cloud.may_answer.set()
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "verysecret" not in out + err and "secretsecret" not in out + err
    assert b"connect" in seen and b"verysecret" not in seen
    path, body, headers = cloud.requests[0]
    assert path == "/v1/enrollments/token/exchange" and body["token"] == token
    assert "workspaceId" not in body and len(body["publicKey"]) == 43
    assert not set(body) & {"installFingerprint", "updateChannel", "offersDisplay"}
    assert headers["Content-Type"] == "application/json" and "Authorization" not in headers


def test_where_a_token_can_come_from(cloud, home, tmp_path):
    assert home.agent("--api-url", cloud.url, "connect", OPENGENI_ENROLL_TOKEN="t1").returncode == 0
    (tmp_path / "t").write_text("t2\nmore\n")
    assert home.agent("--api-url", cloud.url, "connect", "--token-file",
                      tmp_path / "t").returncode == 0
    assert home.agent("--api-url", cloud.url, "connect", "--token=-", stdin="t3\r\n").returncode == 0
    assert home.agent("enroll", "--token", "t4", "--non-interactive", "--api-url",
                      cloud.url).returncode == 0
    assert [r[1]["token"] for r in cloud.requests] == ["t1", "t2", "t3", "t4"]
    for wrong in (["--token-file", "/nonexistent"], ["--token", "-"], ["--token", "a b"],
                  ["--token", "x", "--token-file", "y"], ["--non-interactive"], []):
        done = home.agent("--api-url", cloud.url, "connect", *wrong, stdin="")
        assert done.returncode == 1, wrong
    assert home.agent("connect", "--channel", "nightly", "--token", "x").returncode == 2
    assert home.agent("connect", "--workspace-id", "11111111-1111-1111-1111-111111111111"
                      ).returncode == 2
    assert len(cloud.requests) == 4


def test_answers_that_are_errors(cloud, home):
    for answer, text in (
            ((401, {"error": {"message": "token \x1b[31mis stale"}}), "token [31mis stale"),
            ((401, {"error": "unauthorized"}), "OPENGENI_ACCESS_KEY"),
            ((400, "plain text\nsecond line"), "plain text"),
            ((404, {"error": {"message": "off"}}), "off"), ((500, b"\xff\xfe"), "500"),
            ((201, "{}"), "credentials"), ((201, "[]"), "JSON object"), ((200, ""), ""),
            ((201, {"credentials": dict(GOOD["credentials"], agentId="a.*.>")}), "agentId"),
            ((201, {"credentials": dict(GOOD["credentials"], agentId="a\nb")}), "agentId"),
            ((201, {"credentials": dict(GOOD["credentials"], bearer="a b")}), "bearer"),
            ((201, {"credentials": dict(GOOD["credentials"], bearer="")}), "bearer"),
            ((201, {"credentials": dict(GOOD["credentials"], natsUrls=["ftp://x"])}), "server"),
            ((201, {"credentials": dict(GOOD["credentials"], natsUrls="x")}), "natsUrls"),
            ((201, {"credentials": dict(GOOD["credentials"], consentedScreenControl=1)}), "consented"),
            ((201, b"x" * 300000), "too large"), ((201, "[" * 100000), "nested"),
            ((201, '{"credentials":{},"credentials":{}}'), "repeated")):
        cloud.answers = [answer]
        done = home.agent("--api-url", cloud.url, "connect", "--token", "t")
        assert done.returncode == 1 and text in done.stderr, (answer, done.stderr)
        assert "\x1b" not in done.stderr and "secretsecret" not in done.stderr
    assert home.connections() == []


def test_redirections(cloud, home):
    cloud.answers = [(307, "", {"Location": "/elsewhere"}), (201, GOOD)]
    assert home.agent("--api-url", cloud.url, "connect", "--token", "t").returncode == 0
    assert [r[0] for r in cloud.requests] == ["/v1/enrollments/token/exchange", "/elsewhere"]
    for status in (301, 302, 303):
        cloud.answers = [(status, "", {"Location": "https://right.example/x?secret=1"})]
        done = home.agent("--api-url", cloud.url, "connect", "--token", "t")
        assert done.returncode == 1 and "https://right.example" in done.stderr
        assert "secret=1" not in done.stderr
    cloud.answers = [(308, "", {"Location": "/again"})]
    assert home.agent("--api-url", cloud.url, "connect", "--token", "t").returncode == 1
    assert cloud.gets == 0


def test_busy_and_unavailable_deployments_are_asked_again(cloud, home):
    cloud.answers = [(503, "down"), (429, "slow"), (201, GOOD)]
    began = time.monotonic()
    assert home.agent("--api-url", cloud.url, "connect", "--token", "t").returncode == 0
    assert 6 < time.monotonic() - began
    cloud.requests.clear()
    cloud.answers = [(503, "down")]
    assert home.agent("--api-url", cloud.url, "connect", "--token", "t").returncode == 1
    assert len(cloud.requests) == 3


def test_the_access_key_is_sent_and_kept_secret(cloud, home):
    done = home.agent("--api-url", cloud.url, "connect", "--token", "t", OPENGENI_ACCESS_KEY="k e y")
    assert done.returncode == 0
    assert cloud.requests[0][2]["x-opengeni-access-key"] == "k e y"
    assert "k e y" not in home.agent("help", "connect", OPENGENI_ACCESS_KEY="k e y").stdout
    assert "k e y" not in (home.config / "connections").glob("*.json").__next__().read_text()


def start_answer(**more):
    answer = {"deviceCode": "d" * 43, "userCode": "ABCD-2345",
              "verificationUri": "http://x/device", "verificationUriComplete": "http://x/device?c=1",
              "intervalSeconds": 1, "expiresInSeconds": 120}
    answer.update(more)
    return 201, {k: v for k, v in answer.items() if v is not None}


WORKSPACE = GOOD["credentials"]["workspaceId"]


def test_a_code_is_confirmed_in_the_browser(cloud, home):
    cloud.answers = [start_answer(), (200, {"state": "pending"}), (503, ""), (429, ""),
                     (200, {"state": "authorized", **GOOD})]
    done = home.agent("--api-url", cloud.url, "connect", "--workspace-id", WORKSPACE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ABCD-2345") == 1 and "d" * 43 not in done.stdout + done.stderr
    assert [r[0].rsplit("/", 1)[1] for r in cloud.requests] == ["start"] + ["poll"] * 4
    assert cloud.requests[0][1]["workspaceId"] == WORKSPACE
    again = home.agent("--api-url", cloud.url, "connect", "--workspace-id", WORKSPACE)
    assert again.returncode == 0 and "already connected" in again.stdout
    assert len(cloud.requests) == 5


@pytest.mark.parametrize("answer,text", [
    ({"state": "denied"}, "denied"), ({"state": "expired"}, "expired"),
    ({"state": "disabled"}, "operator"), ({"state": "banana"}, "not understood"), ({}, "state"),
    ({"state": "authorized"}, "credentials"),
    ({"state": "authorized", "credentials": dict(GOOD["credentials"], workspaceId="other")},
     "another workspace")])
def test_other_outcomes_of_the_flow(cloud, home, answer, text):
    cloud.answers = [start_answer(intervalSeconds=0), (200, answer)]
    done = home.agent("--api-url", cloud.url, "connect", "--workspace-id", WORKSPACE)
    assert done.returncode == 1 and text in done.stderr
    assert home.connections() == []


def test_the_flow_ends_by_itself(cloud, home):
    cloud.answers = [start_answer(expiresInSeconds=2, verificationUriComplete=None),
                     (200, {"state": "pending"})]
    began = time.monotonic()
    done = home.agent("--api-url", cloud.url, "connect", "--workspace-id", WORKSPACE)
    assert done.returncode == 1 and time.monotonic() - began < 40  # the code was good for 2 s
    assert "directly" not in done.stdout


def test_run_connects_a_machine_that_is_not(cloud, home):
    cloud.answers = [(401, {"error": {"message": "stale"}})]
    done = home.agent("--api-url", cloud.url, "run", OPENGENI_ENROLL_TOKEN="oget_x.y")
    assert done.returncode == 1 and "stale" in done.stderr and len(cloud.requests) == 1
    done = home.agent("--api-url", cloud.url, OPENGENI_ENROLL_TOKEN="oget_x.y")  # without a command: only told
    assert done.returncode == 0 and "Usage" in done.stderr
    done = home.agent("--api-url", cloud.url, "run", "--workspace-id", WORKSPACE)  # nobody is there to confirm
    assert done.returncode == 1 and "nothing to run for" in done.stderr
    assert home.agent("run", "--workspace-id", "x", OPENGENI_ENROLL_TOKEN="t").returncode == 2
    assert len(cloud.requests) == 1 and home.connections() == []


def test_names_are_cut_to_what_can_be_sent(cloud, home):
    for given, sent in (("n" * 300, "n" * 256), ("\U0001f600" * 200, "\U0001f600" * 128),
                        ("  a\x1b[31m b\x07 ", "a[31m b")):
        cloud.requests.clear()
        done = home.agent("--api-url", cloud.url, "connect", "--token", "t", "--machine-name", given)
        assert done.returncode == 0 and cloud.requests[0][1]["machineName"] == sent
    cloud.requests.clear()
    assert home.agent("--api-url", cloud.url, "connect", "--token", "t", "--machine-name", " ").returncode == 0
    assert "machineName" not in cloud.requests[0][1]


def test_a_prefix_of_the_api_is_kept_and_makes_another_connection(cloud, home):
    assert home.agent("--api-url", cloud.url, "connect", "--token", "t").returncode == 0
    first = {p: p.read_bytes() for p in (home.config / "connections").glob("*.json")}
    assert home.agent("connect", "--token", "t", "--api-url", cloud.url + "/base/").returncode == 0
    assert [r[0] for r in cloud.requests] == ["/v1/enrollments/token/exchange",
                                              "/base/v1/enrollments/token/exchange"]
    assert len(home.connections()) == 2
    assert all(path.read_bytes() == text for path, text in first.items())
    for bad in ("ftp://x", "https://user:secret@x", "nonsense"):
        done = home.agent("--api-url", bad, "connect", "--token", "t")
        assert done.returncode == 2 and "secret@" not in done.stderr
    assert len(cloud.requests) == 2


def test_an_expired_connection_is_no_reason_to_stop(cloud, home):
    assert home.agent("--api-url", cloud.url, "connect", "--token", "t").returncode == 0
    (path,) = (home.config / "connections").glob("*.json")
    document = json.loads(path.read_text())
    expired = base64.urlsafe_b64encode(b'{"exp": 1000000000}').decode().rstrip("=")
    document["credentials"]["nats_bearer"] = f"oge_{expired}.c2lnbmF0dXJl"
    path.write_text(json.dumps(document))
    cloud.answers = [start_answer(), (200, {"state": "authorized", **GOOD})]
    done = home.agent("--api-url", cloud.url, "connect", "--workspace-id", WORKSPACE)
    assert done.returncode == 0 and "already" not in done.stdout
    (document,) = home.connections()
    assert document["credentials"]["nats_bearer"] == GOOD["credentials"]["bearer"]


def test_machines_that_connect_twice_at_once_have_one_identity(cloud, home):
    line = [AGENT, "--api-url", cloud.url, "connect", "--token", "t"]
    both = [subprocess.Popen(line, env=home.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(6)]
    assert [p.wait(60) for p in both] == [0] * 6
    assert len({r[1]["publicKey"] for r in cloud.requests}) == 1 and len(cloud.requests) == 6
    seed = home.config / "machine-identity.ed25519"
    assert seed.stat().st_size == 32 and seed.stat().st_mode & 0o777 == 0o600
    seed.write_bytes(b"x" * 31)
    done = home.agent("--api-url", cloud.url, "connect", "--token", "t", "--force")
    assert done.returncode == 1 and seed.read_bytes() == b"x" * 31


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_document(cloud, home):
    """A thousand runs, each killed somewhere between its first instruction and its end; read all the while."""
    def connect(bearer):
        cloud.answers = [(201, {"credentials": dict(GOOD["credentials"], bearer=bearer)})]
        return subprocess.Popen([AGENT, "--api-url", cloud.url, "connect", "--force", "--token", "t"],
                                env=home.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def look():
        (document,) = home.connections()  # never a partial one
        assert document["credentials"]["nats_bearer"] in known
        return document["credentials"]["nats_bearer"]

    known = {"oge_first"}
    assert connect("oge_first").wait(60) == 0
    begun = time.monotonic()
    assert connect("oge_first").wait(60) == 0
    whole = time.monotonic() - begun
    # Slower than usual, under a sanitizer: as many as there is time for.
    until, chance, ends = time.monotonic() + 60, random.Random(7), {"old": 0, "new": 0}
    for i in range(1000):
        if time.monotonic() > until and min(ends.values()) > 5:
            break
        known.add(f"oge_{i}")
        process = connect(f"oge_{i}")
        deadline = time.monotonic() + chance.uniform(0, 1.1 * whole)
        while time.monotonic() < deadline:
            look()
            time.sleep(0.001)
        process.kill()
        process.wait()
        ends["new" if look() == f"oge_{i}" else "old"] += 1
    assert min(ends.values()) > 0, ends
    # What the killed ones have left goes when it is old enough to be nobody's.
    left = [p for d in (home.config, home.config / "connections") for p in d.iterdir() if p.name.endswith(".tmp")]
    for path in left:
        os.utime(path, (time.time() - 7200,) * 2)
    assert connect("oge_last").wait(60) == 0
    known.add("oge_last")
    assert look() == "oge_last"
    assert not [p for p in left if p.exists() and not os.path.exists("/proc/" + p.name.split(".")[-3])]
    assert (home.config / "connections").stat().st_mode & 0o777 == 0o700


def test_answers_of_the_wrong_kind_end_it_without_a_crash(cloud, home):
    for text in ('{"deviceCode": 7}', '{"deviceCode": "\xff"}'.encode("latin-1"),
                 '{"deviceCode": "a", "deviceCode": "b"}',
                 json.dumps(dict(start_answer()[1], intervalSeconds="5")),
                 json.dumps(dict(start_answer()[1], expiresInSeconds=-1)),
                 json.dumps(dict(start_answer()[1], userCode={"a": []})), '{"a":' * 5000, "null", '"text"'):
        cloud.answers = [(201, text)]
        done = home.agent("--api-url", cloud.url, "connect", "--workspace-id", WORKSPACE)
        assert done.returncode == 1 and done.stdout == "", (text, done)
        assert len(done.stderr.splitlines()) == 1
    assert home.connections() == []


def peak(home, *arguments):
    """Runs the agent and tells the most memory it had, in KiB: (peak, status, stderr). In a child of a small process,
    for what is counted begins with what the one before exec had."""
    script = ("import os, sys\npid = os.fork()\nif pid == 0: os.execv(sys.argv[1], sys.argv[1:])\n"
              "_, status, usage = os.wait4(pid, 0)\nprint(usage.ru_maxrss, os.waitstatus_to_exitcode(status))\n")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script, AGENT, *arguments],
                          env=home.environment, text=True,
                          capture_output=True, timeout=120)
    resident, status = done.stdout.split()[-2:]
    return int(resident), int(status), done.stderr


def flood(announced):
    """A body of a GiB, as it is announced or in pieces that never end."""
    def answer(handler):
        handler.send_response(201)
        handler.send_header(*(("Content-Length", str(1 << 30)) if announced else ("Transfer-Encoding", "chunked")))
        handler.end_headers()
        block = b" " * 65536
        try:
            for _ in range((1 << 30) // len(block)):
                handler.wfile.write(block if announced else b"10000\r\n" + block + b"\r\n")
        except OSError:
            pass
        handler.close_connection = True

    return answer


@pytest.mark.parametrize("how", [("--token", "t"), ("--workspace-id", WORKSPACE)])
def test_hostile_answers_cost_no_memory(cloud, home, how):
    cloud.answers = [(201, "{}")]
    usual, status, _ = peak(home, "--api-url", cloud.url, "connect", *how)
    assert status == 1
    room = (64 if "ASAN_OPTIONS" in os.environ else 2) << 10
    for text in (flood(True), flood(False), "[" * 100_000, '{"a":' * 100_000, '{"credentials":' + "[" * 100_000,
                 b'{"credentials": "\xff\xfe"}', '{"credentials":{},"credentials":{}}',
                 '{"deviceCode":"a","deviceCode":"b"}',
                 json.dumps({"credentials": dict(GOOD["credentials"], agentId=7)}),
                 json.dumps(dict(start_answer()[1], intervalSeconds="5")), "[" + "0," * 120_000 + "0]",
                 '{"a":"' + "\\u0041" * 40_000 + '"}'):
        cloud.answers = [(201, text)]
        most, status, said = peak(home, "--api-url", cloud.url, "connect", *how)
        shown = text if callable(text) else text[:40]
        assert status == 1 and len(said.splitlines()) == 1, (shown, status, said)
        assert most - usual < room, (shown, most, usual)
    assert home.connections() == []


def test_nobody_there(home):
    done = home.agent("--api-url", "http://127.0.0.1:1", "connect", "--token", "t")
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr
