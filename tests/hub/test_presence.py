"""What the hub knows about machines, and how it tells."""

import fcntl
import json
import os
import time

from hubrig import NatsClient, pb, run, wait_until


def test_a_machine_goes_through_its_states(hub):
    machine = hub.machine()
    assert hub.state(machine.id) == "new"
    machine.online()
    shown = hub.show(machine.id)
    assert shown["version"] == "1.2.3" and shown["metrics"]["load1"] == 0.5
    assert shown["metrics"]["mem_total"] == 1 << 30 and shown["uptime_ms"] == 1000
    assert shown["hello"]["capabilities"]["exec"] is True
    assert abs(shown["seen_ms"] / 1000 - time.time()) < 30
    # the list is short; all of it is there on request
    listed = hub.admin("GET", "/api/machines")[1]["machines"]
    assert len(listed) == 1 and set(listed[0]) < set(shown)
    assert {"id", "name", "state", "os", "arch", "seen_ms", "version", "desktop", "screen_control",
            "uptime_ms", "draining", "metrics"} == set(listed[0])
    for key in set(listed[0]) - {"metrics", "desktop"}:
        assert listed[0][key] == shown[key]
    assert listed[0]["metrics"].items() <= shown["metrics"].items()
    whole = hub.admin("GET", "/api/machines?detail=whole")[1]["machines"]
    assert set(whole[0]) == set(shown)
    machine.goodbye(reason=3)
    wait_until(lambda: hub.state(machine.id) == "offline")
    assert hub.show(machine.id)["goodbye_reason"] == 3
    machine.heartbeat()
    machine.nats.flush()
    time.sleep(0.2)
    assert hub.state(machine.id) == "offline"  # a goodbye is final for that connection


def test_silence_is_noticed_after_twenty_seconds(hub):
    machine = hub.machine()
    began = time.monotonic()
    machine.online()
    wait_until(lambda: hub.state(machine.id) == "offline", step=0.2)
    assert 18 < time.monotonic() - began
    machine.heartbeat()  # the connection was there all the time
    wait_until(lambda: hub.state(machine.id) == "online")


def test_what_was_seen_survives_a_restart(hub):
    machine = hub.machine().online()
    wait_until(lambda: "version" in hub.show(machine.id))  # events may come before the hello
    hub.stop()
    hub.start()
    shown = hub.show(machine.id)
    assert shown["state"] == "offline" and shown["version"] == "1.2.3"
    samples = hub.admin("GET", f"/api/machines/{machine.id}/metrics")[1]["samples"]
    assert len(samples) == 1 and samples[0]["cpu_percent"] == 12.5
    assert hub.admin("GET", f"/api/machines/{machine.id}/metrics?since_ms="
                     f"{samples[0]['at_ms']}")[1]["samples"] == []
    machine.online()


def test_history_that_cannot_be_read_is_set_aside(hub):
    machine = hub.machine().online()
    hub.stop()
    with open(hub.data + "/observed.db", "r+b") as f:
        f.write(b"damaged" * 1000)
    hub.start()
    assert "beginning a new one" in hub.log()
    assert hub.state(machine.id) == "new"
    machine.online()


def test_only_the_hub_itself_begins_a_new_history(hub, tmp_path):
    """A command must not take the history away under a hub that may be able to use it."""
    hub.stop()
    with open(hub.data + "/observed.db", "r+b") as f:
        f.write(b"damaged" * 1000)
    run("machines", "--data", hub.data)
    done = run("backup", "--data", hub.data, tmp_path / "copy", check=False)
    assert done.returncode == 1 and "observed.db is damaged" in done.stderr
    assert not os.path.exists(hub.data + "/observed.db.damaged")


def test_what_a_machine_says_of_itself_steers_no_terminal(hub):
    machine = hub.machine().connect()
    message = pb.Hello(agent_version="1.2\x1b]0;owned\x07\u009b31m" + "\u00fc" * 40, os=1, arch=1,
                       machine_name="\x1b[2Jbox", workspace_root="/r\r\n")
    machine.nats.publish(machine.prefix + ".hello", message.SerializeToString())
    machine.nats.flush()
    wait_until(lambda: hub.state(machine.id) == "online")
    for text in (run("machines", "--data", hub.data), run("machines", "--data", hub.data, "--json"),
                 json.dumps(hub.show(machine.id), ensure_ascii=False)):
        assert "1.2]0;owned31m\u00fc" in text, text
        assert not set(text) & set("\x1b\x07\u009b\r") and "\\u00" not in text, text


def test_a_damaged_database_of_machines_is_never_replaced(hub):
    hub.enrol()
    hub.stop()
    with open(hub.data + "/hub.db", "r+b") as f:
        f.seek(100)
        f.write(b"damaged" * 1000)
    before = open(hub.data + "/hub.db", "rb").read()
    done = run(*hub.command()[1:], check=False)
    assert done.returncode == 1 and "hub.db" in done.stderr and "backup" in done.stderr
    assert open(hub.data + "/hub.db", "rb").read() == before


def test_impossible_figures_are_made_harmless(hub):
    machine = hub.machine().online()
    machine.heartbeat(cpu_percent=float("nan"), load1=float("inf"), mem_total_bytes=2**64 - 1)
    machine.nats.flush()
    wait_until(lambda: hub.show(machine.id)["metrics"]["cpu_percent"] == 0)
    shown = hub.show(machine.id)["metrics"]
    assert shown["load1"] == 0 and shown["mem_total"] == 2**53 - 1


def test_bytes_that_are_no_message_change_nothing(hub):
    machine = hub.machine().online()
    hostile = [b"", b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", b"\x80" * 20,
               pb.AgentEvent(agent_id="x").SerializeToString() + b"\x07", b"\x0b" * 50,
               b"\x0a\x04\xff\xfe\xfd\xfc", b"x" * 20000]
    for data in hostile:
        machine.nats.publish(machine.prefix + ".hello", data)
        machine.nats.publish(machine.prefix + ".events", data)
    machine.nats.flush()
    wait_until(lambda: hub.metric("messages_bad_total") > 8)
    shown = hub.show(machine.id)
    assert shown["state"] == "online"
    big = pb.Hello(agent_version="big", workspace_root="r" * 20000).SerializeToString()
    machine.nats.publish(machine.prefix + ".hello", big)
    machine.nats.flush()
    time.sleep(0.2)
    assert hub.show(machine.id).get("version") != "big"


def test_other_subjects_of_controllers_are_ignored(hub):
    machine = hub.machine().online()
    ctl = hub.control()
    for subject in ("agent.x.y.events", f"agent.{machine.workspace}.nobody.events",
                    f"agent.{machine.workspace}.nobody.connection.x.hello",
                    f"agent.{machine.workspace}.{machine.id}.connection.{'i' * 100}.events",
                    "agent." + "w" * 200 + ".y.events"):
        ctl.publish(subject, b"")
    ctl.flush()
    assert hub.get("/healthz")[0] == 200


def test_the_api_wants_the_admin_token(hub):
    machine = hub.machine()
    for method, path in (("GET", "/api/machines"), ("GET", f"/api/machines/{machine.id}"),
                         ("GET", f"/api/machines/{machine.id}/metrics"),
                         ("POST", f"/api/machines/{machine.id}/revoke"),
                         ("POST", f"/api/machines/{machine.id}/rename"),
                         ("POST", f"/api/machines/{machine.id}/stream-token"),
                         ("POST", "/api/tokens")):
        for token in (None, "x", machine.bearer, hub.file("control.token").strip()):
            status, answer = hub.request(method, path, "{}", token=token)
            assert status == 401, (path, token)
            assert answer["error"]["code"] == "unauthorized"
    assert hub.state(machine.id) == "new"
    assert hub.admin("GET", "/api/nothing")[0] == 404
    assert hub.admin("POST", "/api/machines")[0] == 405
    assert hub.admin("GET", "/api/machines/ffff")[0] == 404
    assert hub.admin("POST", "/api/tokens", {"ttl_s": -1})[0] == 400


def test_tokens_and_names_through_the_api(hub):
    status, answer = hub.admin("POST", "/api/tokens", {"ttl_s": 60, "screen_control": True})
    assert status == 201 and answer["expires_in_seconds"] == 60
    credentials = hub.exchange(answer["token"])[1]["credentials"]
    assert credentials["consentedScreenControl"] is True
    machine = credentials["agentId"]
    assert hub.admin("POST", f"/api/machines/{machine}/rename", {"name": "my box é"})[0] == 200
    assert hub.show(machine)["name"] == "my box é"
    assert hub.admin("GET", "/api/machines/my%20box%20%C3%A9")[1]["id"] == machine
    for name in ("", "a/b", ".", "..", "x" * 257):
        assert hub.admin("POST", f"/api/machines/{machine}/rename", {"name": name})[0] == 400
    for name in ("what?", "50%2F", "a#b&c=d+e", "...", "-x"):
        run("rename", "--data", hub.data, machine, "--", name) if name[0] == "-" else \
            run("rename", "--data", hub.data, machine, name)
        assert hub.show(machine)["name"] == name
        run("rename", "--data", hub.data, "--", name, name)
    assert hub.show(hub.enrol(machineName="up/../side")["agentId"])["name"] == "up-..-side"
    assert hub.exchange(hub.token(), machineName="..")[0] == 400
    status, answer = hub.admin("POST", f"/api/machines/{machine}/stream-token", {"port": 7681})
    assert status == 201 and answer["token"].startswith("ogs_")
    assert hub.admin("POST", f"/api/machines/{machine}/stream-token", {})[0] == 400
    for ttl in (0, -1, 1 << 53, (1 << 63) - 1, "1h", 1.5):
        assert hub.admin("POST", "/api/tokens", {"ttl_s": ttl})[0] == 400
    assert hub.admin("POST", "/api/tokens", [])[0] == 400


def test_commands_work_with_and_without_a_running_hub(hub):
    first, second = hub.machine(), hub.machine()
    first.online()
    table = run("machines", "--data", hub.data)
    assert first.id in table and "online" in table and "0.50" in table
    listed = json.loads(run("machines", "--data", hub.data, "--json"))["machines"]
    assert {m["id"] for m in listed} == {first.id, second.id}
    run("rename", "--data", hub.data, first.id, "front desk")
    assert hub.show(first.id)["name"] == "front desk"
    for wrong in (["revoke"], ["revoke", ""], ["rename", "x"], ["machines", "x"]):
        assert run(*wrong, "--data", hub.data, check=False).returncode == 2
    done = run("revoke", "--data", hub.data, "nobody", check=False)
    assert done.returncode == 1 and "there is no machine nobody" in done.stderr
    hub.stop()
    table = run("machines", "--data", hub.data)
    assert "front desk" in table and "offline" in table
    run("rename", "--data", hub.data, "front desk", "desk")
    with open(hub.data + "/hub.lock", "w") as lock:  # a hub that has read the machines already
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("revoke", "--data", hub.data, second.id, check=False)
        assert done.returncode == 1 and "already serves" in done.stderr
    run("revoke", "--data", hub.data, second.id)
    hub.start()
    assert hub.show(first.id)["name"] == "desk" and hub.state(second.id) == "revoked"


def test_metrics_and_health(hub):
    hub.machine().online()
    assert hub.metric("machines") == 1 and hub.metric("machines_online") == 1
    assert hub.metric("heartbeats_total") == 1 and hub.metric("enrolments_total") == 1
    assert hub.get("/healthz") == (200, "ok\n")
    text = hub.get("/metrics")[1]
    assert text.count("# TYPE") == text.count("# HELP") > 10
    assert "box" not in text


def test_a_server_of_ones_own(make_hub, tmp_path):
    """The authorization block that the hub prints makes any new nats-server usable."""
    from rig import NatsServer
    import os
    first = make_hub()
    first.stop()
    config = run("nats-config", "--data", first.data)
    server = NatsServer(tmp_path, config=config, binary=os.environ["OG_NATS_SERVER"])
    try:
        first.arguments = ("--nats-url", f"nats://127.0.0.1:{server.port}", "--agents-url",
                           f"ws://127.0.0.1:{server.port}")
        first.start()
        first.nats_port = server.port
        machine = first.machine().online()
        first.kill()  # the machine stays connected, and is known again when the hub is back
        first.start()
        machine.heartbeat()
        machine.nats.flush()
        wait_until(lambda: first.state(machine.id) == "online")
        assert not machine.nats.closed
        server.restart()
        wait_until(lambda: first.get("/healthz")[0] == 200 and first.metric(
            "nats_connects_total") >= 2)
        machine.online()
        NatsClient(server.port, token=first.file("control.token").strip())
    finally:
        server.kill()


def test_a_server_of_ones_own_that_lets_everybody_in(make_hub, tmp_path):
    """It was forgotten to tell it about the hub: no machine could be told from a stranger."""
    from rig import NatsServer
    server = NatsServer(tmp_path, binary=os.environ["OG_NATS_SERVER"])
    hub = make_hub(start=False)
    hub.arguments = ("--nats-url", f"nats://127.0.0.1:{server.port}", "--agents-url", "ws://127.0.0.1:1")
    try:
        done = run(*hub.command()[1:], check=False)
        assert done.returncode == 1 and "lets everybody in" in done.stderr, done
        assert "nats-config" in done.stderr and "serving" not in done.stderr
    finally:
        server.kill()
