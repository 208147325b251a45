"""Hard times: documents, files and commands that were made to do harm, and a machine that is short of
something. What must hold each time: the agent lives, and answers whoever has nothing to do with it."""

import http.server
import json
import os
import resource
import select
import signal
import stat
import subprocess
import threading
import time

import pytest

from fakeserver import FakeServer
from rig import (AGENT, PATIENCE, WORKSPACE, ControlError, Runtime, connection_document, free_port, freeze,
                 mark, pb, wait_until)
from test_files import fails
from test_link import running

LEGACY = f"agent.{WORKSPACE}.{AGENT}.rpc"


# --- connection documents

def hostile_documents(directory):
    """Of every kind that a document can be wrong, one; the names of those that are there."""
    good = {"schema_version": 1, "credentials": connection_document(1)}
    texts = {"empty": b"", "cut": json.dumps(good).encode()[:-20], "binary": os.urandom(4096),
             "deep": b"[" * 200_000, "large": b'{"x":"' + b"y" * (4 << 20) + b'"}',
             "list": b"[]", "number": b"17", "twice": b'{"schema_version":1,"schema_version":1}',
             "future": json.dumps({**good, "schema_version": 99}).encode(),
             "types": json.dumps({"schema_version": 1, "credentials": {"nats_urls": 7}}).encode(),
             "nul": b"\0" * 1000, "utf8": b'{"credentials":"\xff\xfe"}'}
    for i, text in enumerate(texts.values()):
        path = os.path.join(directory, f"{i:020x}.json")
        with open(path, "wb") as f:
            f.write(text)
        os.chmod(path, 0o600)
    name = lambda i: os.path.join(directory, f"{i:020x}.json")
    os.mkdir(name(100))
    os.mkfifo(name(101), 0o600)
    os.symlink("/etc/passwd", name(102))
    os.symlink(name(103), name(103))
    with open(name(104), "w") as f:
        json.dump(good, f)
    os.chmod(name(104), 0o666)  # somebody else could have written it
    os.symlink("/dev/zero", name(105))


def test_no_document_can_stop_another_connection(online):
    agent, runtime = online
    (path,) = agent.documents()
    hostile_documents(os.path.dirname(path))
    agent.wait_for_log("not usable")
    time.sleep(4)  # looked at twice more
    assert runtime.ping().nonce == 7 and not runtime.goodbyes()
    assert len(agent.log_text()) < 200_000
    # And the next process starts in the midst of them.
    agent.stop(signal.SIGKILL)
    runtime.hellos.clear()
    runtime.events.clear()
    agent.start()
    runtime.wait_online()
    assert runtime.ping().nonce == 7
    listed = agent.command("connections")
    assert listed.returncode in (0, 1) and WORKSPACE in listed.stdout


def test_an_empty_bearer_is_explained_at_once(make_agent):
    agent = make_agent(free_port(), nats_bearer="")
    agent.wait_for_log(f"opengeni-agent connect --force --api-url [^ ]+ --workspace-id {WORKSPACE}")


# --- the link

def test_a_killed_agent_comes_back_as_another_instance(online):
    agent, runtime = online
    first = runtime.instance
    agent.stop(signal.SIGKILL)
    runtime.hellos.clear()
    runtime.events.clear()
    agent.start()
    runtime.wait_online()
    assert runtime.instance != first
    assert runtime.ping(fenced=True).nonce == 7


def test_an_agent_that_was_stopped_answers_what_came_meanwhile(online):
    agent, runtime = online
    freeze(agent.process)
    waiters = []
    for i in range(20):
        request = runtime.encode("ping", nonce=i)
        waiters.append((request, runtime.nats.send_request(runtime.subject(), request.SerializeToString())[1]))
    time.sleep(2)
    assert all(waiter.empty() for _, waiter in waiters)
    agent.process.send_signal(signal.SIGCONT)
    for i, (request, waiter) in enumerate(waiters):
        assert runtime.result(request, waiter.get(timeout=60)[0]).nonce == i


def test_a_stop_while_nobody_can_be_reached_exits_0(make_agent):
    agent = make_agent(free_port())
    agent.wait_for_log("dial failed")
    for _ in range(2):
        assert agent.stop() == 0
        agent.start()
        time.sleep(1.5)  # it waits before the next attempt
    assert agent.stop() == 0


def test_a_crowd_of_unknown_errors_costs_a_session_at_most(make_agent):
    server = FakeServer()
    try:
        agent = make_agent(server.port)
        find = lambda: next((p for p in server.live() if any(s.endswith(".events") for s, _, _ in p.published)), None)
        peer = wait_until(find)
        for i in range(64):
            try:
                peer.send(f"-ERR 'Something New {i}'\r\n".encode())
            except OSError:
                break  # it has hung up
        time.sleep(1)
        request = pb.ControlRequest(request_id="r")
        request.ping.nonce = 9

        def answers():
            """Or it hangs up just now, and the next session has to."""
            peer = find()
            try:
                if peer and not any(s == "_INBOX.b" for s, _, _ in peer.published):
                    peer.message(LEGACY, "_INBOX.b", request.SerializeToString())
            except OSError:
                pass
            return peer and any(s == "_INBOX.b" for s, _, _ in peer.published)

        wait_until(answers, step=0.2, what="an answer")
        assert agent.process.poll() is None
    finally:
        server.close()


def test_few_descriptors_are_told_as_they_are(server, make_agent):
    runtime = Runtime(server)
    agent = make_agent(server, start=False)
    agent.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)))
    runtime.wait_online()
    for _, beat in runtime.heartbeats():
        assert 500 < beat.capacity.fd_headroom < 1024


# --- files

def test_file_operations_that_are_stuck_hold_up_nothing(online):
    agent, runtime = online
    readers, waiters = [], []
    for i in range(64):
        path = os.path.join(agent.root, f"slow{i}")
        os.mkfifo(path)
        readers.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        request = runtime.encode("fs_write", path=f"slow{i}", content=b"x" * 200_000)
        waiters.append((request, runtime.nats.send_request(runtime.subject(), request.SerializeToString())[1]))
    for i in range(50):
        assert runtime.ping().nonce == 7
        assert runtime.call("fs_write", path="other", content=b"y").bytes_written == 1
        assert runtime.call("fs_read", path="other").content == b"y"
    assert all(waiter.empty() for _, waiter in waiters)
    begun = select.poll()
    begun.register(readers[-1], select.POLLIN)
    assert begun.poll(1000 * PATIENCE), "the write did not begin"
    os.close(readers.pop())  # its writer is told
    request, waiter = waiters.pop()
    with pytest.raises(ControlError) as failure:
        runtime.result(request, waiter.get(timeout=60)[0])
    assert failure.value.code == "OS" and failure.value.detail["errno"] == "32"
    assert agent.stop(timeout=30) == 0
    for reader in readers:
        os.close(reader)


def test_loops_and_endless_paths_are_errors_everywhere(online):
    agent, runtime = online
    os.symlink("b", os.path.join(agent.root, "a"))
    os.symlink("a", os.path.join(agent.root, "b"))
    long = "x/" * 260_000  # two of them have to fit a request
    for path, errno in (("a/x", 40), (long, 36)):
        for op, fields in (("fs_read", {}), ("fs_write", {"content": b"x"}), ("fs_list", {}),
                           ("fs_mkdir", {}), ("fs_remove", {})):
            fails(lambda: runtime.call(op, path=path, **fields), "OS", errno)
        move = pb.ControlRequest(fs_move={"to": path})
        setattr(move.fs_move, "from", path)  # a word of Python
        fails(lambda: runtime.call("fs_move", message=move.fs_move), "OS", errno)
        fails(lambda: runtime.shell("true", cwd=path), "OS", errno)
    # The loop itself can be seen and taken away.
    assert runtime.call("fs_stat", path="a").entry.kind == pb.FS_ENTRY_KIND_SYMLINK
    runtime.call("fs_remove", path="a")
    one = "z" * 1_040_000
    fails(lambda: runtime.call("fs_stat", path=one), "OS", 36)
    error = fails(lambda: runtime.call("fs_read", path=one), "OS", 36)
    assert len(error.message) < 20_000


def test_a_directory_of_a_hundred_thousand_goes_away(online):
    agent, runtime = online
    directory = os.path.join(agent.root, "many")
    os.mkdir(directory)
    for i in range(100_000):
        os.symlink("/etc", f"{directory}/{i}")
    waiter = runtime.nats.send_request(
        runtime.subject(), runtime.encode("fs_remove", path="many", recursive=True).SerializeToString())[1]
    assert runtime.ping().nonce == 7
    waiter.get(timeout=120)
    assert not os.path.exists(directory) and os.path.exists("/etc/passwd")


# --- commands

MARK = mark("7313")
HARSH = {
    "ignores a polite end": f"trap '' TERM HUP INT; while :; do sleep {MARK}.1; done",
    "has closed its pipes": f"exec >&- 2>&- <&-; sleep {MARK}.2",
    "has left its session twice":
        f"setsid sh -c 'setsid sh -c \"setsid sleep {MARK}.3 & sleep {MARK}.3\" & wait' & wait",
    "stops itself": f"sleep {MARK}.4 & kill -STOP $$",
    "stops all of it": f"sh -c 'sleep {MARK}.5 & kill -STOP $!; kill -STOP $$'; sleep {MARK}.5",
    "writes without an end": f"sleep {MARK}.6 & yes",
    "begets faster than it dies": f"while :; do (setsid sleep {MARK}.7 &); sleep 0.01; done",
}


@pytest.mark.parametrize("text", HARSH.values(), ids=HARSH.keys())
def test_a_deadline_ends_what(online, text):
    _, runtime = online
    try:
        result = runtime.shell(text, timeout_ms=1500, timeout=60)
        assert result.timed_out and result.exit_code == -1
    except ControlError as error:
        assert error.code == "PAYLOAD_TOO_LARGE"
    long = text[text.index(MARK):][:len(MARK) + 2]
    wait_until(lambda: not running(long), what="all of it to be gone")
    assert runtime.ping().nonce == 7


def test_a_command_that_closes_its_pipes_is_waited_for(online):
    _, runtime = online
    assert runtime.shell("echo early; exec >&- 2>&- <&-; sleep 0.7; exit 7").exit_code == 7


def test_output_behind_a_substitution_is_whole(online):
    agent, runtime = online
    for i in range(5):
        result = runtime.call("exec", command=["bash", "-c", f"seq 1 100000 > >(tee out{i} >/dev/null)"])
        assert result.exit_code == 0
        wait_until(lambda: os.path.getsize(os.path.join(agent.root, f"out{i}")) == 588_895)


# --- git

class Locked(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_git_never_waits_for_a_password(online):
    agent, runtime = online
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Locked)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    try:
        git = lambda *args: runtime.call("git", op=pb.GIT_OP_RAW, cwd="repo", args=args, timeout=60)
        os.makedirs(os.path.join(agent.root, "repo"))
        for args in (("init", "-q"), ("config", "user.name", "t"), ("config", "user.email", "t@example.org"),
                     ("commit", "-q", "--allow-empty", "-m", "x"),
                     ("remote", "add", "origin", f"http://127.0.0.1:{web.server_port}/x.git")):
            assert git(*args).exit_code == 0
        pushed = git("push", "origin", "HEAD")
        assert pushed.exit_code != 0 and pushed.stderr
        assert git("--version").stdout.startswith(b"git version")
    finally:
        web.shutdown()
        web.server_close()


def test_a_machine_without_git_says_so(server, make_agent, tmp_path):
    runtime = Runtime(server)
    make_agent(server, environment={"PATH": str(tmp_path)})
    runtime.wait_online()
    with pytest.raises(ControlError) as failure:
        runtime.call("git", op=pb.GIT_OP_STATUS)
    assert failure.value.code == "NOT_FOUND" and "git" in failure.value.message
