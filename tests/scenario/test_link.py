"""The link: announcing, serving, losing and finding the control plane again."""

import json
import os
import re
import signal
import statistics
import time

import pytest

from rig import (AGENT, WORKSPACE, NatsError, Runtime, connection_document, free_port, mark, pb,
                 wait_until)

FENCED_NAME = re.compile(
    r"^opengeni-agent/connection/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
LEGACY = f"agent.{WORKSPACE}.{AGENT}.rpc"


def deny_legacy(server):
    """What the newer control plane grants: this machine's own instance and nothing else."""
    server.deny = (f"agent.{WORKSPACE}.{AGENT}.rpc", f"agent.{WORKSPACE}.{AGENT}.ack")
    return server


def subjects(peer):
    return sorted(peer.subscriptions.values())


def published(peer, ending):
    return [p for p in list(peer.published) if p[0].endswith(ending)]


def served(server, count=1):
    """The newest live session on which hello and heartbeat were seen."""
    def find():
        live = [p for p in server.live() if published(p, ".hello") and published(p, ".events")]
        return live[-1] if len(live) >= count else None
    return wait_until(find, what="a served session")


# --- who it is, and where it listens

def test_connect_names_the_instance_and_hides_the_bearer(fake, make_agent):
    server = fake()
    agent = make_agent(server.port, nats_bearer="oge_c2VjcmV0LWJlYXJlcg.c2lnbmF0dXJl")
    peer = served(server)
    assert peer.connect["auth_token"] == "oge_c2VjcmV0LWJlYXJlcg.c2lnbmF0dXJl"
    assert FENCED_NAME.match(peer.connect["name"]) and peer.connect["protocol"] == 1
    assert not peer.connect["verbose"] and not peer.connect["pedantic"]
    assert "c2VjcmV0" not in agent.log_text()
    with open(f"/proc/{agent.process.pid}/cmdline", "rb") as f:
        assert b"c2VjcmV0" not in f.read()


def test_a_server_of_the_newer_generation_gets_the_fenced_address_only(fake, make_agent):
    server = deny_legacy(fake())
    make_agent(server.port)
    peer = served(server)
    instance = peer.connect["name"].rsplit("/", 1)[1]
    prefix = f"agent.{WORKSPACE}.{AGENT}.connection.{instance}"
    assert subjects(peer) == [prefix + ".ack", prefix + ".rpc"]
    assert all(subject.startswith(prefix) for subject, _, _ in peer.published)
    peer.close()
    wait_until(lambda: len(server.peers) > 1 and published(server.peers[-1], ".hello"))
    assert not any(line == f"SUB {LEGACY}" or LEGACY + " " in line for line in server.peers[-1].lines)


def test_a_server_of_the_older_generation_gets_both(fake, make_agent):
    server = fake()
    make_agent(server.port)
    peer = served(server)
    assert len(subjects(peer)) == 4 and LEGACY in subjects(peer)
    wait_until(lambda: {s.count(".") for s, _, _ in peer.published} == {3, 5})


def test_it_subscribes_to_no_inbox_and_in_no_queue_group(fake, make_agent):
    server = fake()
    make_agent(server.port)
    peer = served(server)
    subs = [line.split() for line in peer.lines if line.startswith("SUB")]
    assert subs and all(len(words) == 3 and "_INBOX" not in words[1] for words in subs)


def test_it_listens_before_it_announces_itself(fake, make_agent):
    server = fake()
    make_agent(server.port)
    peer = served(server)
    verbs = [line.split()[0] + " " + line.split()[1].rsplit(".", 1)[-1]
             for line in peer.lines if line.startswith(("SUB", "PUB"))]
    assert verbs.index("SUB rpc") < verbs.index("PUB hello") < verbs.index("PUB events")


def test_a_request_in_the_instant_of_the_hello_is_answered(server, make_agent):
    runtime = Runtime(server)
    answered = []

    def on_hello(_subject, _reply, _body, _headers):
        request = runtime.encode("ping", nonce=1)
        answered.append(runtime.nats.send_request(runtime.subject(), request.SerializeToString())[1])

    runtime.nats.subscribe(runtime.prefix + ".hello", on_hello)
    for _ in range(10):
        agent = make_agent(server)
        wait_until(lambda: answered)
        body, headers = answered.pop().get(timeout=60)
        assert b"503" not in headers and pb.ControlResponse.FromString(body).ping.nonce == 1
        agent.stop()
        answered.clear()


def test_heartbeats_come_every_five_seconds_and_carry_real_metrics(online):
    _, runtime = online
    start = runtime.hellos[0][0]
    wait_until(lambda: len(runtime.heartbeats(fenced=True)) >= 4)
    beats = runtime.heartbeats(fenced=True)
    assert beats[0][0] - start < 4  # at once, not after the first five seconds
    gaps = [b - a for (a, _), (b, _) in zip(beats, beats[1:])]
    assert 3 < statistics.median(gaps) < 7.5, gaps  # on a busy machine one may be late
    assert [beat.seq for _, beat in beats] == list(range(1, len(beats) + 1))
    for _, beat in beats:
        assert beat.metrics.sampled_at_ms > 0 and beat.metrics.mem_total_bytes > 0
        assert beat.capacity.nproc >= 1 and beat.capacity.fd_headroom > 0
        assert not beat.HasField("attached_browser_inventory")


def test_the_hello_describes_the_machine(online):
    agent, runtime = online
    hello = runtime.hellos[0][2]
    assert hello.agent_version == "1.0.0" and hello.os == pb.OS_LINUX
    assert hello.machine_name == os.uname().nodename and hello.workspace_root == agent.root
    assert hello.update_channel == "stable"
    assert re.fullmatch("[0-9a-f]{64}", hello.binary_sha256)
    caps = hello.capabilities
    assert caps.exec and caps.filesystem and caps.git
    assert caps.consented_whole_machine and not caps.consented_screen_control


# --- losing it and coming back

def test_a_server_that_says_nothing_is_given_up_and_a_stop_does_not_wait_for_it(fake, make_agent):
    server = fake(accept="silent")
    agent = make_agent(server.port)
    wait_until(lambda: len(server.peers) >= 2, 60, what="a second attempt")
    assert agent.stop(timeout=30) == 0


@pytest.mark.parametrize("urls", [[], ["ftp://x"], ["nats://no-such-host.invalid:4222"]])
def test_a_bad_address_stops_no_other_link(server, make_agent, urls):
    runtime = Runtime(server)
    agent = make_agent(server)
    other = connection_document(0, agent="bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
                                workspace="22222222-2222-4222-8222-222222222222", nats_urls=urls)
    runtime.wait_online()
    agent.write_credentials(other)  # migrated beside the first one
    wait_until(lambda: len(agent.documents()) == 2)
    time.sleep(2)
    assert runtime.ping().nonce == 7 and agent.process.poll() is None


def test_the_second_of_two_addresses_is_tried_in_the_same_dial(server, make_agent):
    runtime = Runtime(server)
    dead = free_port()
    agent = make_agent(server, nats_urls=[f"nats://127.0.0.1:{dead}", f"nats://127.0.0.1:{server.port}"])
    runtime.wait_online()
    assert " offline " not in agent.log_text()  # no dial was in vain


def test_a_refused_bearer_is_retried_and_explained_once_it_lasts(fake, make_agent):
    server = fake(auth_error="Authorization Violation")
    agent = make_agent(server.port, workspace_id="11111111-$(x)-4111-8111-111111111111".replace("$(x)", "1111"))
    agent.wait_for_log("may still hold")
    wait_until(lambda: len(server.peers) >= 6, what="six attempts")
    assert "connect --force" not in agent.log_text()
    gaps = [b.opened - a.opened for a, b in zip(server.peers, server.peers[1:])]
    assert statistics.median(gaps) < 5, gaps
    server.auth_error = None
    served(server)


def test_new_credentials_end_a_refusal_at_once(fake, make_agent):
    server = fake()
    server.on_connect = lambda peer: None if peer.connect["auth_token"] == "good" else (
        peer.send(b"-ERR 'Authorization Violation'\r\n"), peer.close())
    agent = make_agent(server.port, nats_bearer="bad")
    agent.wait_for_log("may still hold")
    agent.edit_document(nats_bearer="good")
    wait_until(lambda: [p for p in server.live() if p.connect["auth_token"] == "good"])


def test_an_empty_bearer_is_never_sent(fake, make_agent):
    server = fake()
    agent = make_agent(server.port, nats_bearer="")
    agent.wait_for_log("connect --force")
    time.sleep(3)
    assert not server.peers and agent.process.poll() is None


def test_it_is_back_after_a_restart_of_the_server(online, server):
    _, runtime = online
    waits = []
    for _ in range(3):
        server.restart()
        begin = time.monotonic()
        fresh = Runtime(server)
        fresh.wait_heard()
        waits.append(time.monotonic() - begin)
        assert fresh.ping().nonce == 7
    assert statistics.median(waits) < 6 and len(set(round(w, 2) for w in waits)) > 1


def test_a_frozen_server_is_noticed_and_served_again_after(online, server):
    agent, _ = online
    server.freeze()
    agent.wait_for_log("silent")
    server.signal(signal.SIGCONT)
    fresh = Runtime(server)
    fresh.wait_heard()
    assert fresh.ping().nonce == 7


def test_a_server_that_drops_everybody_is_not_hammered(fake, make_agent):
    server = fake(on_connect=lambda peer: None)
    original = server._handle

    def drop_after_login(peer, stream, line):
        original(peer, stream, line)
        if line.startswith(b"PING") and not peer.lines[-1].startswith("PUB"):
            time.sleep(0.1)
            peer.close()

    server._handle = drop_after_login
    make_agent(server.port)
    time.sleep(15)
    assert len(server.peers) <= 30
    wait_until(lambda: len(server.peers) >= 4, what="more attempts")


def test_an_expired_session_is_replaced_before_the_next_one_expires(fake, make_agent):
    server = fake()
    agent = make_agent(server.port)
    first = served(server)
    time.sleep(12)  # stable by now
    first.send(b"-ERR 'User Authentication Expired'\r\n")
    cut = time.monotonic()
    first.close()
    second = wait_until(lambda: next((p for p in server.live() if p is not first), None))
    assert second.opened - cut < 10  # at once, or on a busy machine nearly
    life = cut - first.opened
    third = wait_until(lambda: next((p for p in server.live() if p not in (first, second)), None))
    age = third.opened - second.opened
    assert 0.7 * life < age < life + 8  # were it not replaced, the second one would never end
    wait_until(lambda: second.ended is not None)
    # the new one was subscribed before the old one let go
    unsubscribed = [line for line in second.lines if line.startswith("UNSUB")]
    assert unsubscribed
    assert {p.connect["name"] for p in (first, second, third)} == {first.connect["name"]}
    agent.wait_for_log("session renewed")


def test_an_expiry_right_after_login_does_not_loop(fake, make_agent):
    server = fake()
    server.on_connect = lambda peer: (time.sleep(0.2), peer.send(b"-ERR 'User Authentication Expired'\r\n"),
                                      peer.close())
    make_agent(server.port)
    time.sleep(10)
    assert len(server.peers) < 25


def test_a_lame_duck_is_left_before_it_dies(fake, make_agent):
    server = fake()
    make_agent(server.port)
    first = served(server)
    first.send(server.info_line(ldm=True))
    second = wait_until(lambda: next((p for p in server.live() if p is not first), None))
    wait_until(lambda: published(second, ".hello"))
    wait_until(lambda: first.ended is not None)


def test_a_smaller_payload_limit_is_taken_over(fake, make_agent):
    server = fake()
    agent = make_agent(server.port)
    peer = served(server)
    with open(os.path.join(agent.root, "big"), "wb") as f:
        f.write(b"x" * 100_000)
    peer.send(server.info_line(max_payload=65536))
    time.sleep(0.3)
    request = pb.ControlRequest(request_id="r")
    request.fs_read.path = "big"
    peer.message(LEGACY, "_INBOX.a", request.SerializeToString())
    body = wait_until(lambda: next((b for s, b, _ in peer.published if s == "_INBOX.a"), None))
    error = pb.ControlResponse.FromString(body).error
    assert error.code == pb.ERROR_CODE_PAYLOAD_TOO_LARGE and error.detail["max_payload"] == "65536"


def test_info_with_unknown_fields_changes_nothing(fake, make_agent):
    server = fake(info={"x" * 100: "y" * 3000, "connect_urls": ["10.0.0.1:4222"]})
    make_agent(server.port)
    peer = served(server)
    peer.send(server.info_line(more={"a": {"b": None, "c": [1, 2]}}))
    request = pb.ControlRequest(request_id="r")
    request.ping.nonce = 9
    peer.message(LEGACY, "_INBOX.b", request.SerializeToString())
    wait_until(lambda: published(peer, "_INBOX.b"))


def test_permissions_withdrawn_end_the_session(fake, make_agent):
    server = fake()
    make_agent(server.port)
    first = served(server)
    fenced = next(s for s in first.subscriptions.values() if "connection" in s and s.endswith("rpc"))
    first.send(f"-ERR 'Permissions Violation for Subscription to \"{fenced}\"'\r\n".encode())
    wait_until(lambda: first.ended is not None)
    wait_until(lambda: [p for p in server.live() if p is not first])


def test_legacy_publishing_refused_later_is_given_up_for_the_fenced_address(fake, make_agent):
    server = fake()
    make_agent(server.port)
    peer = served(server)
    peer.send(f"-ERR 'Permissions Violation for Publish to \"agent.{WORKSPACE}.{AGENT}.events\"'\r\n".encode())
    beats = lambda: published(peer, ".events")
    before = len(beats())

    def only_fenced():
        seen = len(beats())
        return seen > before and ".connection." in beats()[-1][0] and \
            (time.sleep(0.5) or len(beats()) == seen)  # no other one behind it

    wait_until(only_fenced, what="a heartbeat on the fenced address alone")
    assert peer.ended is None


# --- leaving

def test_a_stop_says_goodbye_last_and_exits_0(online):
    agent, runtime = online
    assert agent.stop() == 0
    wait_until(lambda: runtime.goodbyes())
    time.sleep(0.3)
    fenced = [e for _, s, e in runtime.events if ".connection." in s]
    assert fenced[-1].going_offline.reason == pb.GOING_OFFLINE_REASON_USER_STOP
    assert [e for _, s, e in runtime.events if ".connection." not in s][-1].HasField("going_offline")


def minds_signals(process):
    """From here on a stop is kept, whatever the program is at; a program that is still being loaded
    can only be ended by it."""
    with open(f"/proc/{process.pid}/status") as f:
        blocked = next(int(line.split()[1], 16) for line in f if line.startswith("SigBlk"))
    return blocked & 1 << signal.SIGTERM - 1


def test_a_stop_at_any_moment_exits_0(server, make_agent):
    for i in range(12):
        agent = make_agent(server)
        wait_until(lambda: minds_signals(agent.process), step=0.001)
        time.sleep(i * 0.06)
        assert agent.stop() == 0
        agent.clean_up()


def test_a_stop_kills_what_runs_and_a_kill_leaves_nothing(online):
    agent, runtime = online
    for number, expected in ((signal.SIGTERM, 0), (signal.SIGKILL, -9)):
        if agent.process.poll() is not None:
            runtime.hellos.clear()
            runtime.events.clear()
            agent.start()
            runtime.wait_online()
        long = mark(f"4{number}71.5")
        request = runtime.encode("exec", shell=True,
                                 command=[f"nohup sleep {long} & setsid sleep {long} & sleep {long}"])
        runtime.nats.send_request(runtime.subject(), request.SerializeToString())
        wait_until(lambda: len(running(long)) >= 3)
        assert agent.stop(number) == expected
        wait_until(lambda: not running(long), what="every child to be gone")


def running(long):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
            with open(f"/proc/{pid}/stat") as f:
                state = f.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if argv[0].endswith(b"sleep") and long.encode() in argv and state != "Z":
            found.append(pid)
    return found


def test_a_second_signal_ends_it_at_once(fake, make_agent):
    server = fake()
    agent = make_agent(server.port)
    peer = served(server)
    peer.server._handle = lambda *a: None  # answers nothing any more
    agent.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    if agent.process.poll() is None:
        agent.process.send_signal(signal.SIGTERM)
    assert agent.process.wait(60) in (0, 143)


# --- work across a lost session

def test_legacy_work_survives_a_lost_session_and_its_reply_comes_late(fake, make_agent):
    server = fake()
    agent = make_agent(server.port)
    peer = served(server)
    request = pb.ControlRequest(request_id="r1")
    request.exec.command.append("touch begun; sleep 3; echo ok")
    request.exec.shell = True
    peer.message(LEGACY, "_INBOX.late", request.SerializeToString())
    wait_until(lambda: os.path.exists(os.path.join(agent.root, "begun")), what="the command")
    peer.close()

    def reply():
        for p in server.peers:
            for subject, body, _ in list(p.published):
                if subject == "_INBOX.late":
                    return body
        return None

    response = pb.ControlResponse.FromString(wait_until(reply))
    assert response.exec.exit_code == 0 and response.exec.stdout == b"ok\n"
    assert agent.process.poll() is None


def test_fenced_commands_die_with_their_session_unanswered(fake, make_agent):
    server = fake()
    make_agent(server.port)
    peer = served(server)
    fenced = next(s for s in peer.subscriptions.values() if "connection" in s and s.endswith("rpc"))
    request = pb.ControlRequest(request_id="r2")
    long = mark("777.25")
    request.exec.command.append(f"sleep {long}")
    request.exec.shell = True
    peer.message(fenced, "_INBOX.never", request.SerializeToString())
    wait_until(lambda: running(long))
    peer.close()
    wait_until(lambda: not running(long))
    served(server)
    time.sleep(1)
    assert not any(s == "_INBOX.never" for p in server.peers for s, _, _ in p.published)


def test_a_reload_of_the_bearer_leaves_no_gap(online, server):
    agent, runtime = online
    agent.edit_document(nats_bearer="another-bearer")
    begin, renewed = time.monotonic(), False
    while not renewed or time.monotonic() < begin + 4:
        for _ in range(20):
            assert runtime.ping().nonce == 7
        renewed = renewed or "session renewed" in agent.log_text()
        assert time.monotonic() < begin + 60, "the session is not renewed"
    assert not runtime.goodbyes()


# --- many connections in one process

def test_links_come_and_go_without_touching_each_other(make_server, make_agent):
    first, second = make_server(), make_server()
    one = Runtime(first)
    agent = make_agent(first)
    one.wait_online()
    other = {"agent": "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
             "workspace": "22222222-2222-4222-8222-222222222222"}
    two = Runtime(second, agent=other["agent"], workspace=other["workspace"])
    agent.write_credentials(connection_document(second.port, **other))
    two.wait_online()
    assert one.instance == two.instance
    running_command = one.encode("exec", command=["sleep 3; echo alive"], shell=True)
    _, waiter = one.nats.send_request(one.subject(), running_command.SerializeToString())
    document = next(d for d in agent.documents() if other["workspace"] in open(d).read())
    os.unlink(document)
    wait_until(lambda: two.goodbyes())
    assert two.goodbyes()[0][1].reason == pb.GOING_OFFLINE_REASON_USER_STOP
    assert one.ping().nonce == 7
    assert one.result(running_command, waiter.get(timeout=60)[0]).stdout == b"alive\n"
    assert not one.goodbyes()


def test_an_invalid_document_disables_only_itself(online):
    agent, runtime = online
    bad = os.path.join(agent.config, "connections", "0123456789abcdef0123.json")
    with open(bad, "w") as f:
        f.write("{ not json")
    os.chmod(bad, 0o600)
    agent.wait_for_log("0123456789abcdef0123")
    time.sleep(5)
    assert runtime.ping().nonce == 7
    assert len(re.findall("0123456789abcdef0123", agent.log_text())) <= 2


def test_identical_content_is_no_change(online):
    agent, runtime = online
    hellos = len(runtime.hellos)
    agent.edit_document()
    time.sleep(3)
    assert len(runtime.hellos) == hellos and "session renewed" not in agent.log_text()


def test_the_old_credentials_file_is_migrated(online):
    agent, _ = online
    assert not os.path.exists(os.path.join(agent.config, "credentials.json"))
    (path,) = agent.documents()
    with open(path) as f:
        document = json.load(f)
    assert document["legacy_origin"] is True and document["schema_version"] == 1
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700


def test_a_second_run_says_who_holds_the_lock_and_exits_0(online):
    agent, _ = online
    again = agent.command("run")
    assert again.returncode == 0 and str(agent.process.pid) in again.stderr
    with open(os.path.join(agent.config, "agent.lock")) as f:
        assert f.read() == str(agent.process.pid)


def test_a_child_does_not_keep_the_lock(online):
    agent, runtime = online
    long = mark("555.75")
    request = runtime.encode("exec", command=[f"sleep {long}"], shell=True)
    runtime.nats.send_request(runtime.subject(), request.SerializeToString())
    wait_until(lambda: running(long))
    agent.stop(signal.SIGKILL)
    runtime.hellos.clear()
    runtime.events.clear()
    agent.start()
    runtime.wait_online()


# --- a cluster

def answers(runtime):
    try:
        return runtime.ping(timeout=1)
    except NatsError:
        return None


def test_a_cluster_that_loses_its_servers_one_by_one_loses_no_request(make_server, make_agent):
    ports, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
    cluster = ", ".join(f"nats://127.0.0.1:{r}" for r in routes)
    servers = [make_server(port=p, config=f"server_name: s{i}\ncluster {{ name: c, listen: 127.0.0.1:{r}, "
                                          f"routes: [{cluster}] }}")
               for i, (p, r) in enumerate(zip(ports, routes))]
    time.sleep(2)
    runtime = Runtime(servers[2])
    agent = make_agent(servers[0], nats_urls=[f"nats://127.0.0.1:{p}" for p in ports])
    runtime.wait_heard()
    for dead in (0, 1):
        servers[dead].kill()
        runtime = Runtime(servers[2])
        wait_until(lambda: answers(runtime), what="the agent on a server that lives")
        for i in range(5):
            runtime.shell(f"echo {dead}-{i} >> ran")
    lines = open(os.path.join(agent.root, "ran")).read().split()
    assert sorted(lines) == sorted(set(lines)) and len(lines) == 10


def test_nothing_leaks_across_many_sessions(fake, make_agent):
    server = fake()
    agent = make_agent(server.port)
    peer = served(server)
    time.sleep(1)
    before = agent.descriptors()
    for _ in range(4):
        old = peer
        peer.close()
        peer = wait_until(lambda: next((p for p in server.live() if p is not old and
                                        published(p, ".events")), None))
    wait_until(lambda: abs(agent.descriptors() - before) <= 1, what="the descriptors of before")
