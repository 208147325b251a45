"""A machine is let in by a code: the hub's page and commands, and opengeni-agent connect."""

import concurrent.futures
import html.parser
import json
import os
import re
import signal
import subprocess
import urllib.parse
import uuid

import pytest

from hubrig import Hub, Machine, run, wait_until
from test_connect import AGENT, Home, url_of


class Page(html.parser.HTMLParser):
    """What a browser would show and send: text, fields, buttons."""

    def __init__(self, source):
        super().__init__()
        self.fields, self.buttons, self.text, self.tags = {}, [], "", set()
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.add(tag)
        if tag == "input":
            self.fields[values["name"]] = values
        if tag == "button":
            self.buttons.append(values["value"])
        assert not any(name.startswith("on") for name in values)

    def handle_data(self, data):
        self.text += data


def browse(hub, path="/device", **fields):
    """(status, Page) of one visit; with fields the form is sent."""
    if fields:
        status, text = hub.request("POST", path, urllib.parse.urlencode(fields),
                                   headers={"Content-Type": "application/x-www-form-urlencoded"})
    else:
        status, text = hub.get(path)
    return status, Page(text)


def workspace(hub):
    return run("workspace", "--data", hub.data).strip()


def ask(hub, **more):
    body = {"workspaceId": workspace(hub), "publicKey": uuid.uuid4().hex, "os": "linux",
            "arch": "x86_64", "machineName": "box", "canOfferDisplay": True,
            "requestsScreenControl": False}
    body.update(more)
    return hub.post("/v1/enrollments/device/start",
                    {k: v for k, v in body.items() if v is not None})


def begin(hub, **more):
    status, answer = ask(hub, **more)
    assert status == 201, answer
    return answer


def poll(hub, codes):
    status, answer = hub.post("/v1/enrollments/device/poll", {"deviceCode": codes["deviceCode"]})
    assert status == 200, answer
    return answer


class Connecting:
    """opengeni-agent connect, waiting for somebody to confirm."""

    def __init__(self, hub, home, *arguments):
        self.process = subprocess.Popen(
            [AGENT, "--api-url", url_of(hub), "connect", "--workspace-id", workspace(hub),
             *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=home.environment)
        self.shown = ""
        while "Waiting" not in self.shown:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self.shown += line
        self.code = re.search(r"[A-Z2-9]{4}-[A-Z2-9]{4}", self.shown).group()

    def end(self):
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, self.shown + out, err


def test_a_person_lets_a_machine_in_on_the_page(hub, tmp_path):
    home = Home(tmp_path)
    waiting = Connecting(hub, home, "--machine-name", "<b>front & desk", "--request-screen-control")
    assert f"{url_of(hub)}/device" in waiting.shown
    assert f"{url_of(hub)}/device?user_code={waiting.code}" in waiting.shown

    status, page = browse(hub, f"/device?user_code={waiting.code}")
    assert status == 200 and page.fields["user_code"]["value"] == waiting.code
    assert page.fields["admin_token"]["type"] == "password"
    status, page = browse(hub, step="look", user_code=waiting.code, admin_token="guess")
    assert status == 403 and "not the admin token" in page.text and "front" not in page.text
    admin = hub.file("admin.token").strip()
    status, page = browse(hub, step="look", user_code=waiting.code.lower().replace("-", " "),
                          admin_token=admin)
    assert status == 200 and page.buttons == ["approve", "deny"]
    assert "<b>front & desk" in page.text  # as text: the name makes no markup
    assert "127.0.0.1" in page.text and "any command" in page.text
    assert "mouse and keyboard" in page.text and "asks for it" in page.text
    assert "script" not in page.tags and "checked" not in page.fields["screen_control"]
    ticket = page.fields["ticket"]["value"]

    status, _ = browse(hub, step="approve", user_code=waiting.code, ticket="x" * len(ticket))
    assert status == 404  # whoever has not seen the machine cannot decide
    status, page = browse(hub, step="approve", user_code=waiting.code, ticket=ticket,
                          screen_control="yes")
    assert status == 200 and "Approved, with mouse and keyboard" in page.text
    status, page = browse(hub, step="deny", user_code=waiting.code, ticket=ticket)
    assert status == 404

    code, out, err = waiting.end()
    assert code == 0, err
    document, = home.connections()
    credentials = document["credentials"]
    assert credentials["consented_screen_control"] is True
    assert "mouse and keyboard" in out
    machine = Machine(hub, {"agentId": credentials["agent_id"], "bearer": credentials["nats_bearer"],
                            "workspaceId": credentials["workspace_id"]}).online()
    assert hub.show(machine.id)["name"] == "<b>front & desk"
    assert admin not in hub.log() and ticket not in hub.log() and waiting.code not in hub.log()


def test_the_page_is_where_the_admin_says_it_is(make_hub):
    hub = make_hub("--web-url", "https://hub.example/base/")
    assert begin(hub)["verificationUri"] == "https://hub.example/base/device"


def test_the_page_can_be_used_by_nobody_else(hub):
    """No framing, no script, no referrer, nothing loaded, nothing kept."""
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
    code = urllib.parse.quote("\"><script>alert(1)</script>")
    for path in ("/device", "/device?user_code=" + code):
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy and "script" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Set-Cookie" not in answer.headers and "<script" not in text
    connection.close()
    # an older code of the token is no way in, nor is a huge or a broken form
    for body in ("", "&&&=", "step=approve", "step=approve&user_code=AAAA-AAAA&ticket=",
                 "step=look&user_code=" + "A" * 5000, "step=" + "%41" * 3000):
        status, _ = hub.request("POST", "/device", body)
        assert status in (403, 404), body[:40]
    for path in ("/api/requests", "/api/requests/AAAA-AAAA/approve"):
        assert hub.request("GET" if path.endswith("requests") else "POST", path, "")[0] == 401


def test_commands_decide_too(hub, tmp_path):
    home = Home(tmp_path)
    assert run("requests", "--data", hub.data) == "No machine waits.\n"
    waiting = Connecting(hub, home, "--machine-name", "attic")
    listed = run("requests", "--data", hub.data)
    assert waiting.code in listed and "attic" in listed and "127.0.0.1" in listed
    one, = json.loads(run("requests", "--data", hub.data, "--json"))["requests"]
    assert one["user_code"] == waiting.code and one["expires_in_s"] > 500
    said = run("approve", "--data", hub.data, waiting.code.lower())
    assert "Approved attic" in said and "without mouse and keyboard" in said
    assert one["public_key"] in said
    code, out, err = waiting.end()
    assert code == 0, err
    assert home.connections()[0]["credentials"]["consented_screen_control"] is False
    done = run("approve", "--data", hub.data, waiting.code, check=False)
    assert done.returncode == 1 and "decided already" in done.stderr

    waiting = Connecting(hub, home, "--force")
    assert "Denied" in run("deny", "--data", hub.data, waiting.code)
    code, out, err = waiting.end()
    assert code == 1 and "denied" in err and "oge_" not in out + err
    for wrong in (["approve"], ["approve", "a", "b"], ["deny", "--screen-control", "A"],
                  ["requests", "x"], ["workspace", "--json"]):
        assert run(*wrong, "--data", hub.data, check=False).returncode == 2, wrong
    done = run("approve", "--data", hub.data, "../machines", check=False)
    assert done.returncode == 1 and "no code" in done.stderr
    hub.stop()
    done = run("approve", "--data", hub.data, "ABCD-2345", check=False)
    assert done.returncode == 1 and "no hub runs" in done.stderr


def test_a_code_is_good_once(hub):
    codes = begin(hub)
    assert codes["intervalSeconds"] == 5 and codes["expiresInSeconds"] == 600
    assert len(codes["deviceCode"]) == 43
    assert poll(hub, codes)["state"] == "pending"
    assert poll(hub, codes)["state"] == "slow_down"
    run("approve", "--data", hub.data, "--screen-control", codes["userCode"])
    first, again = poll(hub, codes), poll(hub, codes)
    assert first["state"] == again["state"] == "authorized"  # the first answer may have been lost
    assert first["credentials"]["consentedScreenControl"] is True
    assert first["credentials"]["agentId"] == again["credentials"]["agentId"]
    Machine(hub, again["credentials"]).online()
    with pytest.raises(Exception):
        Machine(hub, first["credentials"]).connect()
    assert hub.post("/v1/enrollments/device/poll", {"deviceCode": "x" * 43})[1]["state"] == "expired"
    hub.stop(signal.SIGKILL)
    hub.start()
    assert poll(hub, codes)["state"] == "expired"  # and the machine stays enrolled
    assert hub.show(again["credentials"]["agentId"])["name"] == "box"


def until_429(request):
    """Each status until the hub finds that these are too many. Several are under way at a time: a busy
    machine might be slower, one after another, than what the hub allows."""
    statuses = []
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        while 429 not in statuses and len(statuses) < 400:
            statuses += pool.map(lambda _: request(), range(10))
    assert 429 in statuses, statuses
    return statuses


def test_requests_that_are_wrong_or_too_many(hub):
    for change in ({"workspaceId": None}, {"workspaceId": 5}, {"publicKey": ""}, {"os": "beos"},
                   {"arch": "mips"}, {"machineName": ""}, {"machineName": "n" * 257}):
        status, answer = ask(hub, **change)
        assert status == 400 and answer["error"]["code"] == "bad_request", change
    status, answer = ask(hub, workspaceId=str(uuid.uuid4()))
    assert status == 404 and "workspace" in answer["error"]["message"]
    for body in ({}, {"deviceCode": ""}, {"deviceCode": "x" * 257}, {"deviceCode": 1}, []):
        assert hub.post("/v1/enrollments/device/poll", body)[0] == 400, body
    statuses = until_429(lambda: ask(hub)[0])
    assert statuses[:10] == [201] * 10
    statuses = until_429(lambda: hub.post("/v1/enrollments/device/poll", {"deviceCode": "x"})[0])
    assert statuses[:60] == [200] * 60


def test_ctrl_c_leaves_nothing_behind(hub, tmp_path):
    home = Home(tmp_path)
    waiting = Connecting(hub, home)
    waiting.process.send_signal(signal.SIGINT)
    code, _, err = waiting.end()
    assert code == 130 and "interrupted" in err
    assert home.connections() == [] and "oge_" not in err
    # a new attempt has a new code and the old one still decides nothing for it
    again = Connecting(hub, home)
    assert again.code != waiting.code
    run("deny", "--data", hub.data, waiting.code)
    run("approve", "--data", hub.data, again.code)
    assert again.end()[0] == 0


def test_over_tls_with_a_private_ca(tmp_path):
    home = Home(tmp_path)
    (tmp_path / "hub").mkdir()
    hub = Hub(tmp_path / "hub", "--tls", start=False)
    hub.spawn()
    try:
        wait_until(lambda: os.path.exists(hub.data + "/hub.json"))
        url = f"https://localhost:{hub.port}"
        process = subprocess.Popen(
            [AGENT, "--api-url", url, "--ca-file", hub.data + "/tls/ca.pem", "connect",
             "--workspace-id", workspace(hub)], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=home.environment)
        shown = ""
        while "Waiting" not in shown:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            shown += line
        assert f"{url}/device" in shown
        run("approve", "--data", hub.data, re.search(r"[A-Z2-9]{4}-[A-Z2-9]{4}", shown).group())
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0 and "warning" not in err, err
    finally:
        hub.kill()
