"""opengeni-agent doctor: what is well, what is not, and what it says to do."""

import base64
import json
import os
import socket
import subprocess
import sys
import time

import pytest

from hubrig import BIN, ROOT, Hub, wait_until
from test_connect import AGENT, GOOD, Home, cloud, url_of  # noqa: F401  (a fixture)

sys.path.insert(0, os.path.join(ROOT, "tests", "scenario"))
from rig import NatsServer  # noqa: E402
from test_link_trouble import certificates  # noqa: E402, F401  (a fixture)


def token(prefix, seconds):
    claims = json.dumps({"exp": int(time.time()) + seconds}).encode()
    return f"{prefix}_" + base64.urlsafe_b64encode(claims).rstrip(b"=").decode() + ".c2lnbmF0dXJl"


class Patient:
    """A home with one connection, made by the real connect, and changed as the test wants it."""

    def __init__(self, path, cloud):
        self.home = Home(path)
        done = self.home.agent("--api-url", cloud.url, "connect", "--token", "-", stdin="oget_x.y\n")
        assert done.returncode == 0, done.stderr

    def document(self):
        (path,) = (self.home.config / "connections").glob("*.json")
        return path

    def change(self, **credentials):
        document = json.loads(self.document().read_text())
        document["credentials"].update(credentials)
        self.document().write_text(json.dumps(document))

    def lines(self, *arguments, expected=None, **more):
        return lines(self.home, *arguments, expected=expected, **more)


def lines(home, *arguments, expected=None, **more):
    """{name: [(result, detail, advice)]}"""
    done = home.agent(*arguments, "doctor", "--json", **more)
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1), done.stderr
    assert expected is None or done.returncode == expected, done.stdout
    found = {}
    for check in report["checks"]:
        found.setdefault(check["name"], []).append((check["result"], check["detail"], check["advice"]))
    assert sum(r == "fail" for v in found.values() for r, _, _ in v) == report["failures"]
    return found


def only(found, name):
    (line,) = found[name]
    return line


@pytest.fixture
def patient(cloud, tmp_path):  # noqa: F811
    return Patient(tmp_path, cloud)


def test_a_machine_that_is_well(hub, tmp_path):
    home = Home(tmp_path)
    done = home.agent("--api-url", url_of(hub), "connect", "--token", "-", stdin=hub.token() + "\n")
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "agent.log", "wb") as log:
        agent = subprocess.Popen([AGENT, "run"], env=home.environment, stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=log)
    try:
        wait_until(lambda: "online" in home.agent("status").stdout, what="the machine to be online")
        found = lines(home, expected=0)
        assert only(found, "link")[0] == "ok" and "online for" in only(found, "link")[1]
        assert only(found, "broker")[0] == "ok" and "WebSocket opened" in only(found, "broker")[1]
        for name in ("relay", "relay token", "credential", "API", "clock", "agent", "program", "files"):
            assert only(found, name)[0] == "ok", found[name]
        text = home.agent("doctor")
        assert text.returncode == 0 and "FAIL" not in text.stdout
        (connection,) = home.connections()
        for secret in (connection["credentials"]["nats_bearer"], connection["credentials"]["relay_token"]):
            assert secret not in text.stdout + text.stderr + json.dumps(found)
    finally:
        agent.terminate()
        agent.wait(60)
    assert only(lines(home), "agent")[0] == "warn"


def test_each_kind_of_server_that_is_not_there(patient, certificates, tmp_path):  # noqa: F811
    good = NatsServer(tmp_path)
    tls = NatsServer(tmp_path, config=f'tls {{ cert_file: "{certificates}/server.pem", '
                                      f'key_file: "{certificates}/server.pem" }}')
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        port = [s.getsockname()[1] for s in (silent, closed)]
        urls = {"good": f"nats://user:hushed@127.0.0.1:{good.port}", "tls": f"tls://localhost:{tls.port}",
                "required": f"nats://localhost:{tls.port}", "silent": f"nats://127.0.0.1:{port[0]}",
                "closed": f"nats://127.0.0.1:{port[1]}", "no websocket": f"ws://127.0.0.1:{good.port}",
                "nobody": "wss://no-such-host.invalid/nats", "nonsense": "gopher://x"}
        try:
            patient.change(nats_urls=list(urls.values()), relay_url=f"ws://127.0.0.1:{port[1]}/stream")
            found = patient.lines("--ca-file", str(certificates / "ca.pem"), expected=1)
            told = dict(zip(urls, found["broker"]))
            assert told["good"][0] == "ok" and "nats-server 2." in told["good"][1]
            assert "hushed" not in json.dumps(found)
            assert told["tls"][0] == "ok" and ", TLS" in told["tls"][1]
            assert told["required"][0] == "ok" and ", TLS" in told["required"][1]
            for name in ("silent", "closed", "no websocket", "nobody", "nonsense"):
                assert told[name][0] == "warn" and told[name][2], told[name]  # one of them is enough
            assert "says nothing" in told["silent"][1]
            assert only(found, "relay")[0] == "fail"

            stranger = dict(zip(urls, patient.lines(expected=1)["broker"]))
            assert stranger["good"][0] == "ok" and "certificate" in stranger["tls"][1]
            patient.change(nats_urls=[urls["closed"], urls["silent"]])
            assert [line[0] for line in patient.lines(expected=1)["broker"]] == ["fail", "fail"]
            patient.change(nats_urls=[])
            assert "no address" in only(patient.lines(expected=1), "broker")[1]
        finally:
            good.kill()
            tls.kill()


def test_credentials_that_end(patient):
    cases = {-3600: ("fail", "expired"), 3 * 86400: ("warn", "expires"), 20 * 86400: ("ok", "expires")}
    for seconds, (result, word) in cases.items():
        patient.change(nats_bearer=token("oge", seconds), nats_urls=["nats://127.0.0.1:1"])
        line = only(patient.lines(), "credential")
        assert line[0] == result and word in line[1]
        assert result == "ok" or line[2].startswith("opengeni-agent connect --force")
    patient.change(nats_bearer="")
    assert only(patient.lines(), "credential")[0] == "fail"
    patient.change(nats_bearer="garbage")
    assert "expiry unknown" in only(patient.lines(), "credential")[1]


def test_a_clock_that_is_wrong(patient, cloud):  # noqa: F811
    patient.change(nats_urls=["nats://127.0.0.1:1"])
    assert only(patient.lines(), "clock")[0] == "ok"
    handler = cloud.RequestHandlerClass
    handler.date_time_string = lambda self, at=None: "Sun, 06 Nov 1994 08:49:37 GMT"
    result, detail, advice = only(patient.lines(expected=1), "clock")
    assert result == "fail" and "ahead of" in detail and "timedatectl" in advice
    handler.date_time_string = lambda self, at=None: "sometime"
    assert "clock" not in patient.lines()


def test_files_that_others_can_use(patient):
    patient.change(nats_urls=["nats://127.0.0.1:1"])
    os.chmod(patient.document(), 0o644)
    result, detail, advice = only(patient.lines(), "files")
    assert result == "warn" and str(patient.document()) in detail and advice.startswith("chmod go= ")
    assert only(patient.lines(), "files")[0] == "ok"  # every command mends it
    moved = patient.home.config / "elsewhere"
    os.rename(patient.document(), moved)
    os.symlink(moved, patient.home.config / "connections" / "x.json")
    assert any(r == "fail" and "symbolic link" in d for r, d, _ in patient.lines(expected=1)["files"])


def test_a_daemon_of_another_version(patient, tmp_path):
    beside = tmp_path / "bin"
    beside.mkdir()
    subprocess.run(["cp", AGENT, str(beside)], check=True)
    (beside / "opengeni-agentd").write_text("#!/bin/sh\necho opengeni-agentd 0.0.1\n")
    (beside / "opengeni-agentd").chmod(0o755)
    patient.change(nats_urls=["nats://127.0.0.1:1"])
    done = subprocess.run([str(beside / "opengeni-agent"), "doctor"], env=patient.home.environment, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 1 and "opengeni-agentd 0.0.1" in done.stdout
    (beside / "opengeni-agentd").unlink()
    done = subprocess.run([str(beside / "opengeni-agent"), "doctor"], env=patient.home.environment, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 1 and "is missing" in done.stdout or os.path.exists("/usr/local/libexec/opengeni-agentd")


def test_the_trust_store_of_the_environment_is_used(tmp_path):
    (tmp_path / "hub").mkdir()
    hub = Hub(tmp_path / "hub", "--tls", start=False)
    hub.spawn()
    try:
        wait_until(lambda: os.path.exists(hub.data + "/hub.json"))
        home, url = Home(tmp_path), f"https://localhost:{hub.port}"
        trusted = {"SSL_CERT_FILE": hub.data + "/tls/ca.pem"}
        done = home.agent("--api-url", url, "connect", "--token", "-", stdin=hub.token(), **trusted)
        assert done.returncode == 0, done.stderr
        found = lines(home, expected=0, **trusted)
        assert only(found, "broker")[0] == "ok" and only(found, "API")[0] == "ok"
        found = lines(home, expected=1)
        assert "certificate" in only(found, "broker")[1] and only(found, "API")[0] == "warn"
    finally:
        hub.kill()


assert BIN and GOOD and cloud and certificates  # imported for pytest
