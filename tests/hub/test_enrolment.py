"""Tokens become machines: once, durably, and for nobody else."""

import concurrent.futures
import http.client
import os
import shutil
import signal
import subprocess
import threading
import time
import uuid

import pytest

from hubrig import BIN, HUB, Machine, NatsError, claims, run, wait_until


def test_a_token_enrols_one_machine(hub):
    token = hub.token()
    status, answer = hub.exchange(token)
    assert status == 201
    credentials = answer["credentials"]
    assert credentials["natsUrls"] == [f"ws://127.0.0.1:{hub.agents_port}"]
    assert credentials["relayUrl"] == f"ws://127.0.0.1:{hub.port}/stream"
    assert credentials["consentedWholeMachine"] and not credentials["consentedScreenControl"]
    bearer = claims(credentials["bearer"])
    assert bearer["agentId"] == bearer["enrollmentId"] == credentials["agentId"]
    assert bearer["subjectPrefix"] == credentials["subjectPrefix"]
    assert 29 * 86400 < bearer["exp"] - time.time() < 31 * 86400
    status, answer = hub.exchange(token)
    assert status == 401 and answer["error"]["code"] == "token_used"


def test_screen_control_is_agreed_to_with_the_token(hub):
    status, answer = hub.exchange(hub.token("--screen-control"), requestsScreenControl=False)
    assert status == 201 and answer["credentials"]["consentedScreenControl"] is True
    status, answer = hub.exchange(hub.token(), requestsScreenControl=True)
    assert status == 201 and answer["credentials"]["consentedScreenControl"] is False


def test_of_many_at_once_exactly_one_succeeds(hub):
    for _ in range(5):
        token = hub.token()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            statuses = [r[0] for r in pool.map(lambda _: hub.exchange(token), range(12))]
        assert statuses.count(201) == 1 and set(statuses) <= {201, 401, 429}


def test_a_token_expires(hub):
    token = hub.token("--ttl", "1s")
    time.sleep(2.1)
    status, answer = hub.exchange(token)
    assert status == 401 and answer["error"]["code"] == "token_expired"


def test_what_another_hub_gave_out_is_refused(make_hub):
    hub, other = make_hub(), make_hub()
    status, answer = hub.exchange(other.token())
    assert status == 401 and answer["error"]["code"] == "unauthorized"
    assert "not an enrolment token of this hub" in answer["error"]["message"]
    assert hub.admin("GET", "/api/machines")[1]["machines"] == []
    # one that this hub's own key has signed, for a workspace that it does not have
    token = hub.token()
    hub.stop()
    for name in os.listdir(hub.data):
        if name.startswith("hub.db"):
            os.unlink(os.path.join(hub.data, name))
    hub.start()
    status, answer = hub.exchange(token)
    assert status == 401 and "not an enrolment token of this hub" in answer["error"]["message"]
    # a machine of the other hub cannot connect here
    credentials = other.enrol()
    with pytest.raises((NatsError, OSError), match="Authorization Violation"):
        Machine(hub, credentials).connect()
    assert Machine(other, credentials).connect()


def test_the_token_command_prints_nothing_else_and_wants_sense(hub):
    lines = run("token", "--data", hub.data, "--count", 3).splitlines()
    assert len(set(lines)) == 3 and all(line.startswith("oget_") for line in lines)
    for wrong in (["--ttl", "0s"], ["--ttl", "31d"], ["--ttl", "5"], ["--ttl", "x"], ["extra"],
                  ["--count", "0"], ["--nonsense"]):
        done = run("token", "--data", hub.data, *wrong, check=False)
        assert done.returncode == 2 and done.stdout == ""
    done = run("token", "--data", hub.data + "-none", check=False)
    assert done.returncode == 1 and "opengeni-hub serve" in done.stderr


def test_tokens_can_be_made_while_no_hub_runs(hub):
    hub.stop()
    token = hub.token()
    hub.start()
    assert hub.exchange(token)[0] == 201


def test_enrolling_again_keeps_the_machine(hub):
    key = uuid.uuid4().hex
    first, second = hub.enrol(key), hub.enrol(key, machineName="other")
    assert first["agentId"] == second["agentId"] and first["bearer"] != second["bearer"]
    assert claims(second["bearer"])["credentialGeneration"] == 2
    assert len(hub.admin("GET", "/api/machines")[1]["machines"]) == 1


def test_bodies_that_are_wrong_are_refused_with_a_reason(hub):
    good = {"token": "x", "publicKey": "k", "os": "linux", "arch": "x86_64", "machineName": "m"}
    for change in ({"token": None}, {"token": 5}, {"token": ""}, {"publicKey": ""},
                   {"publicKey": "k" * 1025}, {"publicKey": 1}, {"publicKey": "a b"}, {"os": "beos"},
                   {"arch": "mips"}, {"machineName": ""}, {"machineName": "n" * 257},
                   {"machineName": 7}):
        body = dict(good)
        body.update(change)
        body = {k: v for k, v in body.items() if v is not None}
        status, answer = hub.post("/v1/enrollments/token/exchange", body)
        assert status == 400, (change, answer)
        assert answer["error"]["code"] == "bad_request" and answer["error"]["requestId"]
    for text in ("", "[]", "null", "{", '{"token":"a","token":"b"}', "\xff", "[" * 10000):
        assert hub.request("POST", "/v1/enrollments/token/exchange", text)[0] == 400


def test_guessing_is_slowed_down_and_enrolling_is_not(hub):
    statuses = []
    while 429 not in statuses and len(statuses) < 200:
        statuses.append(hub.exchange("oget_guess.guess")[0])
    assert statuses[:20] == [401] * 20 and statuses[-1] == 429
    for _ in range(40):
        assert hub.exchange(hub.token())[0] == 201


def test_nothing_secret_is_logged_or_stored(hub):
    token = hub.token()
    credentials = hub.exchange(token)[1]["credentials"]
    hub.exchange(token)
    secrets = [token.split(".")[1], credentials["bearer"].split(".")[1],
               credentials["relayToken"].split(".")[1]]
    hub.stop()
    for name in os.listdir(hub.data):
        path = os.path.join(hub.data, name)
        if os.path.isfile(path):
            content = open(path, "rb").read()
            assert not any(secret.encode() in content for secret in secrets), name
            assert os.stat(path).st_mode & 0o077 == 0, name
    assert not any(secret in hub.log() for secret in secrets)


def test_acknowledged_enrolments_survive_sigkill(hub):
    """Killed at random moments of a burst: whatever was answered with 201 is there afterwards, and
    whatever was not leaves its token good or spent, never half."""
    acknowledged = {}
    for round_ in range(6):
        tokens = run("token", "--data", hub.data, "--count", 60).split()
        stop = threading.Event()

        def enrol(part):
            for token in part:
                if stop.is_set():
                    return
                try:
                    status, answer = hub.exchange(token)
                except OSError:
                    return
                if status == 201:
                    acknowledged[answer["credentials"]["agentId"]] = answer["credentials"]

        threads = [threading.Thread(target=enrol, args=(tokens[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        enough = len(acknowledged) + 2 + 2 * round_  # in the midst of them, on a machine of any speed
        wait_until(lambda: len(acknowledged) >= enough, step=0.001, what="so many enrolments")
        hub.process.send_signal(signal.SIGKILL)
        hub.process.wait()
        stop.set()
        for thread in threads:
            thread.join()
        hub.start()
        known = {m["id"] for m in hub.admin("GET", "/api/machines")[1]["machines"]}
        assert set(acknowledged) <= known
    assert len(acknowledged) > 20
    from hubrig import Machine
    for credentials in list(acknowledged.values())[:10]:
        Machine(hub, credentials).connect().nats.close()


def can_trace():
    return shutil.which("strace") and subprocess.run(
        ["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_trace(), reason="no strace here, or not allowed to trace")
def test_killed_before_each_write_an_enrolment_is_whole_or_not_there(make_hub):
    """Kill points: the hub ends at its nth write or sync of a database, for each n that the first
    two enrolments have."""
    hub = make_hub()
    acknowledged, killed = {}, 0
    for n in range(1, 13):
        tokens = run("token", "--data", hub.data, "--count", 2).split()
        hub.stop()
        calls = "pwrite64,fdatasync,fsync"
        hub.log_file = open(hub.log_path, "ab")
        hub.process = subprocess.Popen(
            ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=" + calls, "-e",
             f"inject={calls}:signal=SIGKILL:when={n}", *hub.command()],
            stdin=subprocess.DEVNULL, stdout=hub.log_file, stderr=hub.log_file)
        left = list(tokens)
        try:
            wait_until(lambda: hub.process.poll() is not None or hub._ready(), 60)
            while left:
                status, answer = hub.exchange(left[0])
                assert status == 201, answer
                acknowledged[answer["credentials"]["agentId"]] = answer["credentials"]
                left.pop(0)
        except (OSError, AssertionError, http.client.HTTPException):
            assert hub.process.wait(60) != 0
            killed += 1
        hub.kill()
        hub.process.wait()
        hub.start()
        known = {m["id"] for m in hub.admin("GET", "/api/machines")[1]["machines"]}
        assert set(acknowledged) <= known, n
        if left:  # the one that was not answered: its token is still good, or the machine is there
            before = len(known)
            status, answer = hub.exchange(left[0])
            assert (status == 201) != (status == 401 and answer["error"]["code"] == "token_used")
            assert status == 201 or before > len(acknowledged)
            if status == 201:
                acknowledged[answer["credentials"]["agentId"]] = answer["credentials"]
            else:
                acknowledged.update({m: None for m in known if m not in acknowledged})
    assert killed >= 5
    for credentials in [c for c in acknowledged.values() if c][:5]:
        Machine(hub, credentials).connect().nats.close()


def test_a_full_disk_refuses_and_recovers(make_hub, tmp_path):
    """RLIMIT_FSIZE stands for the disk: SQLite cannot grow its files."""
    hub = make_hub(start=False)
    hub.start()
    tokens = run("token", "--data", hub.data, "--count", 300).split()
    hub.stop()
    import resource
    limit = 400_000
    hub.log_file = open(hub.log_path, "ab")
    hub.process = subprocess.Popen(
        hub.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))))
    from hubrig import wait_until
    wait_until(hub._ready)
    statuses = [hub.exchange(t, key="k" * 900 + str(i), machineName="n" * 250)[0]
                for i, t in enumerate(tokens)]
    assert 503 in statuses and statuses[0] == 201
    assert set(statuses) <= {201, 503}
    assert hub.get("/metrics")[0] == 200
    done = statuses.count(201)
    hub.stop()
    hub.start()
    assert len(hub.admin("GET", "/api/machines")[1]["machines"]) == done
    refused = tokens[statuses.index(503)]
    assert hub.exchange(refused)[0] == 201


def test_version_and_help():
    assert subprocess.run([HUB, "--version"], capture_output=True,
                          text=True).stdout.startswith("opengeni-hub 1.")
    assert "serve" in run("--help")
    assert run("nonsense", check=False).returncode == 2


def test_every_help_fits_a_screen():
    shown = subprocess.run([HUB, "--help"], text=True, capture_output=True, check=True).stdout
    verbs = [line.split()[0] for line in shown.splitlines() if line.startswith("  ")]
    texts = [shown, subprocess.run([os.path.join(BIN, "opengeni-agentd"), "--help"], text=True,
                                   capture_output=True, check=True).stdout]
    for verb in verbs:
        texts.append(subprocess.run([HUB, verb, "--help"], text=True, capture_output=True, check=True).stdout)
    assert len(verbs) > 8
    for text in texts:
        assert text.startswith("Usage: ") and len(text.splitlines()) <= 24
        assert all(len(line) <= 80 for line in text.splitlines()), text
