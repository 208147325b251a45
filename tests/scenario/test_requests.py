"""Requests: what is answered, what is refused, and what must never happen twice."""

import os
import random
import threading
import time

import pytest

from rig import ControlError, NatsError, Runtime, pb, wait_until


def test_ping_echoes_the_largest_nonce_and_the_clock_never_goes_back(online):
    _, runtime = online
    last = 0
    for _ in range(50):
        answer = runtime.ping(nonce=2**64 - 1)
        assert answer.nonce == 2**64 - 1
        assert answer.agent_monotonic_ms >= last
        last = answer.agent_monotonic_ms


def test_both_addresses_are_served(online):
    _, runtime = online
    assert runtime.ping(fenced=False).nonce == 7
    assert runtime.ping(fenced=True).nonce == 7


@pytest.mark.parametrize("payload", [
    b"\xff", b"\x0a\x20abc", b"\x10" + b"\xff" * 10 + b"\x01", b"\x0a\x02\xff\xfe",
    b"\x0a\x03abc\x6a\x7f", b"\x00",
], ids=["bad tag", "length past the end", "eleven byte varint", "invalid UTF-8", "cut field", "field 0"])
def test_undecodable_requests_are_protocol_errors_without_an_id(online, payload):
    _, runtime = online
    response = runtime.raw(payload)
    assert response.request_id == ""
    assert response.error.code == pb.ERROR_CODE_PROTOCOL and not response.error.retryable
    assert runtime.ping().nonce == 7


def test_a_request_without_an_operation_names_its_id(online):
    _, runtime = online
    assert runtime.raw(b"").error.code == pb.ERROR_CODE_PROTOCOL
    # field 99, length-delimited: an operation of the future
    response = runtime.raw(b"\x0a\x03abc" + b"\x9a\x06\x02hi")
    assert response.request_id == "abc" and response.error.code == pb.ERROR_CODE_PROTOCOL


@pytest.mark.parametrize("op,code", [("hello", "PROTOCOL"), ("resume", "PROTOCOL"),
                                     ("update_may_proceed", "PROTOCOL"),
                                     ("write_chunk", "UNSUPPORTED"),
                                     ("browser_control_ensure", "UNSUPPORTED"),
                                     ("agent_update_apply", "UNSUPPORTED")])
def test_operations_that_are_not_served_are_refused_by_name(online, op, code):
    _, runtime = online
    with pytest.raises(ControlError) as failure:
        runtime.call(op)
    assert failure.value.code == code
    assert op in failure.value.message and not failure.value.retryable


def test_a_request_id_is_echoed_byte_for_byte(online):
    _, runtime = online
    for request_id in ("", "x", "ü\x00y", "a" * 100000):
        request = runtime.encode("ping", request_id=request_id, nonce=1)
        body = runtime.nats.request(runtime.subject(), request.SerializeToString())
        assert runtime.result(request, body).nonce == 1


def test_a_message_without_a_reply_subject_does_nothing(online):
    agent, runtime = online
    request = runtime.encode("fs_write", path="silent", content=b"x")
    runtime.nats.publish(runtime.subject(), request.SerializeToString())
    runtime.nats.flush()
    runtime.ping()
    assert runtime.call("fs_stat", path="silent").exists is False
    agent.wait_for_log("without a reply subject")


def test_a_fuzz_of_random_payloads_is_answered_one_by_one(online):
    _, runtime = online
    random.seed(1)
    for _ in range(3000):
        size = random.choice((1, 3, 10, 40, 200))
        response = runtime.raw(random.randbytes(size))
        assert response.HasField("error") or response.WhichOneof("result")
    response = runtime.raw(random.randbytes(1_000_000))
    assert response.HasField("error")
    assert runtime.ping().nonce == 7


def test_an_epoch_below_the_held_one_is_fenced_and_never_raises_it(server, make_agent):
    runtime = Runtime(server)
    make_agent(server, last_known_epoch=5)
    runtime.wait_online()
    with pytest.raises(ControlError) as failure:
        runtime.ping(epoch=4)
    assert failure.value.code == "FENCED" and failure.value.retryable
    assert failure.value.detail == {"op_epoch": "4", "held_epoch": "5"}
    for epoch in (5, 6, 0, 5):
        assert runtime.ping(epoch=epoch).nonce == 7
    for op in ("op_cancel", "op_query", "op_attach"):  # of work that the older one began
        with pytest.raises(ControlError) as failure:
            runtime.call(op, epoch=4)
        assert failure.value.code == "UNSUPPORTED"


def test_a_message_delivered_twice_runs_once_and_is_answered_once(online):
    _, runtime = online
    request = runtime.encode("exec", command=["echo x >> twice"], shell=True).SerializeToString()
    reply, waiter = runtime.nats.send_request(runtime.subject(), request)
    runtime.nats.publish(runtime.subject(), request, reply)
    waiter.get(timeout=60)
    time.sleep(0.5)
    assert waiter.empty()
    assert runtime.shell("wc -l < twice").stdout.strip() == b"1"


def test_a_request_id_never_runs_a_second_time(online):
    agent, runtime = online
    request = runtime.encode("exec", shell=True, command=[
        "echo x >> once; while [ ! -e go ]; do sleep 0.05; done; date +%N"])
    payload = request.SerializeToString()
    _, first = runtime.nats.send_request(runtime.subject(), payload)
    wait_until(lambda: os.path.exists(os.path.join(agent.root, "once")), what="the command")
    with pytest.raises(ControlError) as failure:
        runtime.result(request, runtime.nats.request(runtime.subject(), payload))
    assert failure.value.code == "DRAINING" and failure.value.retryable
    assert failure.value.detail["backpressure"] == "duplicate_in_flight"
    open(os.path.join(agent.root, "go"), "w").close()
    answer = first.get(timeout=60)[0]
    assert runtime.nats.request(runtime.subject(), payload) == answer
    assert runtime.shell("wc -l < once").stdout.strip() == b"1"


def test_an_empty_request_id_is_no_key(online):
    _, runtime = online
    for _ in range(2):
        runtime.shell("echo x >> empty", request_id="")
    assert runtime.shell("wc -l < empty").stdout.strip() == b"2"


def test_a_reply_of_exactly_the_largest_payload_passes_and_one_byte_more_does_not(online):
    agent, runtime = online
    limit = runtime.nats.info["max_payload"]
    # The reply's envelope without the content: found by asking for a file of a known size.
    path = os.path.join(agent.root, "exact")
    with open(path, "wb") as f:
        f.write(b"x" * 1_000_000)
    request = runtime.encode("fs_read", path="exact")
    overhead = len(runtime.nats.request(runtime.subject(), request.SerializeToString())) - 1_000_000
    with open(path, "wb") as f:
        f.write(b"x" * (limit - overhead))
    request = runtime.encode("fs_read", path="exact")
    body = runtime.nats.request(runtime.subject(), request.SerializeToString())
    assert len(body) == limit
    with open(path, "ab") as f:
        f.write(b"x")
    with pytest.raises(ControlError) as failure:
        runtime.call("fs_read", path="exact")
    assert failure.value.code == "PAYLOAD_TOO_LARGE" and not failure.value.retryable
    assert failure.value.detail == {"op": "fs_read", "encoded_bytes": str(limit + 1),
                                    "max_payload": str(limit)}
    assert str(limit) in failure.value.message and str(limit + 1) in failure.value.message
    assert runtime.ping().nonce == 7


def test_many_mixed_operations_at_once_all_succeed_while_ping_answers(online):
    agent, runtime = online
    waiters = []
    for i in range(256):
        if i % 3 == 0:
            request = runtime.encode("exec", command=["sleep 0.5"], shell=True)
        elif i % 3 == 1:
            request = runtime.encode("fs_stat", path=".")
        else:
            request = runtime.encode("fs_list", path=".")
        waiters.append((request, runtime.nats.send_request(runtime.subject(i % 2 == 0),
                                                           request.SerializeToString())[1]))
    for _ in range(20):
        runtime.ping()
    for request, waiter in waiters:
        runtime.result(request, waiter.get(timeout=60)[0])
    beats = runtime.heartbeats(fenced=True)
    assert all(b[0] - a[0] < 12 for a, b in zip(beats, beats[1:]))  # every 5 s on a machine at rest
    wait_until(lambda: agent.threads() <= 9, what="the workers to end")


def test_a_thousand_commands_at_once_all_succeed(online):
    _, runtime = online
    requests = [runtime.encode("exec", command=["sleep 1"], shell=True) for _ in range(1000)]
    waiters = [runtime.nats.send_request(runtime.subject(), r.SerializeToString())[1] for r in requests]
    for request, waiter in zip(requests, waiters):
        assert runtime.result(request, waiter.get(timeout=120)[0]).exit_code == 0


def test_a_flood_of_payload_is_bounded_and_ping_answers(online):
    agent, runtime = online
    blob = b"x" * 900_000
    done = threading.Event()
    pings = []

    def probe():
        probe_runtime = Runtime(None, client=type(runtime.nats)(runtime.nats.sock.getpeername()[1]))
        while not done.is_set():
            try:
                probe_runtime.ping()
                pings.append(True)
            except NatsError:
                pings.append(False)
            time.sleep(0.05)

    thread = threading.Thread(target=probe)
    thread.start()
    waiters = []
    for i in range(100):
        request = runtime.encode("fs_write", path=f"flood-{i % 4}", content=blob)
        waiters.append((request, runtime.nats.send_request(runtime.subject(),
                                                           request.SerializeToString())[1]))
    for request, waiter in waiters:
        try:
            runtime.result(request, waiter.get(timeout=60)[0])
        except ControlError as error:
            assert error.code == "DRAINING" and error.detail["backpressure"] == "queue_breaker"
    done.set()
    thread.join()
    assert pings and all(pings)
    with open(f"/proc/{agent.process.pid}/status") as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
    assert "asan" in os.environ.get("OG_BUILD", "") or "tsan" in os.environ.get("OG_BUILD", "") \
        or rss < 400_000


def test_a_fifo_and_a_hung_command_hold_up_nothing(online):
    agent, runtime = online
    os.mkfifo(os.path.join(agent.root, "fifo"))
    waiters = []
    for _ in range(64):
        request = runtime.encode("exec", command=["exec cat fifo"], shell=True, timeout_ms=4000)
        waiters.append((request, runtime.nats.send_request(runtime.subject(),
                                                           request.SerializeToString())[1]))
    answered = 0
    while answered < 50 and all(waiter.empty() for _, waiter in waiters):
        runtime.ping()
        answered += 1
    assert answered >= 5, "pings waited for commands"
    assert runtime.call("fs_stat", path=".").exists
    for request, waiter in waiters:
        assert runtime.result(request, waiter.get(timeout=60)[0]).timed_out


def test_metrics_are_of_this_machine(online):
    _, runtime = online
    sample = runtime.call("metrics")
    assert abs(sample.sampled_at_ms / 1000 - time.time()) < 10
    with open("/proc/meminfo") as f:
        total = int(f.readline().split()[1]) * 1024
    assert sample.mem_total_bytes == total and 0 < sample.mem_used_bytes <= total
    assert 0 <= sample.cpu_percent <= 100
    assert sample.disk_total_bytes > 0


def test_errors_speak_plain_utf8_and_never_of_fences(online):
    _, runtime = online
    for op, fields in (("fs_read", {"path": "nope"}), ("exec", {"command": []}),
                       ("fs_list", {"path": "nope\x01"}), ("exec", {"command": ["/no/such"]})):
        with pytest.raises(ControlError) as failure:
            runtime.call(op, **fields)
        assert "fenced" not in failure.value.message
        assert failure.value.message.isprintable() or "\x01" in failure.value.message


def test_a_nul_in_a_text_is_refused_and_never_cuts_it(online):
    agent, runtime = online
    open(os.path.join(agent.root, "cut"), "w").close()
    for op, fields in (("fs_stat", {"path": "cut\0tail"}), ("fs_read", {"path": "cut\0"}),
                       ("exec", {"command": ["true\0"]}), ("exec", {"command": ["true"], "cwd": "\0"}),
                       ("exec", {"command": ["true"], "env": {"A": "b\0c"}}),
                       ("fs_remove", {"path": "cut\0"})):
        with pytest.raises(ControlError) as failure:
            runtime.call(op, **fields)
        assert failure.value.code == "OS" and "errno" not in failure.value.detail
    assert os.path.exists(os.path.join(agent.root, "cut"))
