"""The relay over real WebSockets."""

import hashlib
import os
import threading
import time
from urllib.parse import quote

import pytest

from hubrig import pb, run, wait_until
from wsclient import Refused, WebSocket


class End:
    def __init__(self, hub, credentials, token, role, channel="ch-1", port=7681, resume=0,
                 headers=""):
        self.channel = channel
        self.socket = WebSocket(hub.port, f"/stream?ws={credentials['workspaceId']}"
                                f"&agent={credentials['agentId']}&port={port}"
                                f"&channel={quote(channel)}", headers=headers)
        key = pb.StreamChannel(channel_id=channel, workspace_id=credentials["workspaceId"],
                               agent_id=credentials["agentId"], kind=1, port=port)
        self.socket.send(b"\x01" + pb.StreamOpen(channel=key, token=token, role=role,
                                                 resume_from_seq=resume).SerializeToString())
        answer = self.socket.receive()
        assert answer[0] == 2
        self.ack = pb.StreamOpenAck.FromString(answer[1:])

    def frame(self, seq, data):
        self.socket.send(b"\x03" + pb.StreamFrame(channel_id=self.channel, seq=seq, data=data,
                                                  produced_at_ms=1).SerializeToString())

    def receive(self, timeout=60):
        message = self.socket.receive(timeout)
        kind = {3: pb.StreamFrame, 4: pb.StreamClose, 5: pb.DesktopInput}[message[0]]
        return kind.FromString(message[1:])


def agent(hub, credentials, **options):
    return End(hub, credentials, credentials["relayToken"], 1, **options)


def viewer(hub, credentials, port=7681, **options):
    token = hub.admin("POST", f"/api/machines/{credentials['agentId']}/stream-token",
                      {"port": port})[1]["token"]
    return End(hub, credentials, token, 2, port=port, **options)


def test_a_terminal_goes_through(hub):
    credentials = hub.enrol()
    a = agent(hub, credentials)
    a.frame(0, b"prompt$ ")
    v = viewer(hub, credentials)
    assert v.ack.accepted and v.receive().data == b"prompt$ "
    v.frame(0, b"ls\n")
    got = a.receive()
    assert got.data == b"ls\n" and got.seq == 0 and got.produced_at_ms == 1
    a.socket.send(b"\x04" + pb.StreamClose(channel_id="ch-1", reason=2).SerializeToString())
    assert v.receive().reason == 2
    with pytest.raises(EOFError):
        v.receive()
    wait_until(lambda: "opengeni_relay_live_channels 0" in hub.get("/metrics")[1])


def test_channels_ports_and_machines_are_apart(hub):
    one, two = hub.enrol(), hub.enrol()
    ends = [agent(hub, one), agent(hub, one, channel="ch-2"), agent(hub, one, port=6080),
            agent(hub, two)]
    seen = viewer(hub, one)
    for i, end in enumerate(ends):
        end.frame(0, b"from %d" % i)
    assert seen.receive().data == b"from 0"
    with pytest.raises(TimeoutError):
        seen.receive(timeout=0.3)
    # a viewer token is for one machine, although others have the same channel id
    token = hub.admin("POST", f"/api/machines/{one['agentId']}/stream-token",
                      {"port": 7681})[1]["token"]
    assert not End(hub, two, token, 2).ack.accepted


def test_urls_that_are_wrong(hub):
    credentials = hub.enrol()
    ws, machine = credentials["workspaceId"], credentials["agentId"]
    for path, status in ((f"/stream?ws={ws}&agent={machine}&port=7681", 400),
                         (f"/stream?ws={ws}&agent={machine}&channel=c", 400),
                         (f"/stream?ws={ws}&agent={machine}&port=x&channel=c", 400),
                         (f"/stream?ws={ws}&agent={machine}&port=4294967296&channel=c", 400),
                         (f"/stream?agent={machine}&port=1&channel=c", 400), ("/stream", 400),
                         (f"/other?ws={ws}&agent={machine}&port=1&channel=c", 404), ("/", 404)):
        with pytest.raises(Refused) as refused:
            WebSocket(hub.port, path)
        assert refused.value.status == status, path
    assert hub.get("/stream")[0] == 404
    assert agent(hub, credentials, channel="a b&c=d/é").ack.accepted


def test_a_revoked_machine_is_cut_off_from_the_relay(hub):
    credentials = hub.enrol()
    a, v = agent(hub, credentials), viewer(hub, credentials)
    run("revoke", "--data", hub.data, credentials["agentId"])
    for end in (a, v):
        with pytest.raises(EOFError):
            end.receive()
    assert "revoked" in agent(hub, credentials).ack.error.message


def test_an_older_enrolment_is_refused(hub):
    old = hub.enrol("key")
    new = hub.enrol("key")
    assert not agent(hub, old).ack.accepted
    assert agent(hub, new).ack.accepted


def test_clients_that_ask_for_more_than_there_is(hub):
    """A subprotocol and compression are not agreed to, and the connection works all the same."""
    credentials = hub.enrol()
    try:
        a = agent(hub, credentials, headers="Sec-WebSocket-Extensions: permessage-deflate\r\n"
                  "Origin: http://evil.example\r\n")
        assert a.ack.accepted
    except Refused:
        pass


def test_messages_in_pieces_of_all_sizes_arrive_whole(hub):
    credentials = hub.enrol()
    a, v = agent(hub, credentials), viewer(hub, credentials)
    for seq, size in enumerate((0, 1, 125, 126, 65535, 65536, 200000, 4 << 20)):
        data = os.urandom(size)
        a.frame(seq, data)
        got = v.receive()
        assert got.seq == seq and got.data == data
    message = b"\x03" + pb.StreamFrame(channel_id="ch-1", seq=99, data=b"x" * 1000).SerializeToString()
    a.socket.send(message[:300], opcode=2, final=False)
    a.socket.send(b"", opcode=9)  # a ping in between
    a.socket.send(message[300:600], opcode=0, final=False)
    a.socket.send(message[600:], opcode=0)
    assert v.receive().seq == 99
    a.socket.send(b"text", opcode=1)
    a.frame(100, b"still here")
    assert v.receive().seq == 100


def test_a_message_that_is_too_large_ends_the_connection(hub):
    credentials = hub.enrol()
    a = agent(hub, credentials)
    head = bytes([0x82, 0xff]) + (17 << 20).to_bytes(8, "big") + b"abcd"
    a.socket.sock.sendall(head + b"x" * 1000)
    with pytest.raises(EOFError):
        a.receive()
    fresh = WebSocket(hub.port, f"/stream?ws=w&agent=a&port=1&channel=c")
    fresh.send(b"\x01" + b"x" * 20000)
    with pytest.raises(EOFError):
        fresh.receive()


def test_a_slow_viewer_loses_nothing_and_costs_little(hub):
    """64 MiB to a viewer that pauses: everything arrives, the hub holds a few MiB of it."""
    credentials = hub.enrol()
    a, v = agent(hub, credentials), viewer(hub, credentials)
    total, piece = 64 << 20, 60000
    sent = hashlib.sha256()

    def produce():
        seq = left = 0
        left = total
        block = os.urandom(piece)
        while left > 0:
            data = block[:min(left, piece)]
            sent.update(data)
            a.frame(seq, data)
            seq, left = seq + 1, left - len(data)

    thread = threading.Thread(target=produce)
    thread.start()
    time.sleep(1)
    with open(f"/proc/{hub.process.pid}/status") as f:
        assert int(f.read().split("VmRSS:")[1].split()[0]) < 60 * 1024
    got, seen, expect = hashlib.sha256(), 0, 0
    while seen < total:
        frame = v.receive()
        assert frame.seq == expect
        expect += 1
        got.update(frame.data)
        seen += len(frame.data)
    thread.join()
    assert got.digest() == sent.digest()


def test_an_agent_that_is_held_back_hears_of_the_relay(hub):
    """It is not read from while the viewer takes little, and its pings are not answered: without a
    word it would take the relay for dead."""
    credentials = hub.enrol()
    a, v = agent(hub, credentials), viewer(hub, credentials)
    sock = a.socket.sock
    sock.settimeout(60)

    def produce():
        try:
            for seq in range(10000):
                a.frame(seq, b"x" * 60000)
        except OSError:
            pass  # the test is over

    thread = threading.Thread(target=produce)
    thread.start()
    assert sock.recv(2) == b"\x8a\x00"  # a pong
    v.socket.close()
    sock.shutdown(2)
    thread.join()


def test_random_bytes_do_no_harm(hub):
    credentials = hub.enrol()
    a, v = agent(hub, credentials), viewer(hub, credentials)
    for i in range(300):
        a.socket.send(b"\x03" + os.urandom(i))
        v.socket.send(bytes([(1, 2, 3, 5, 9)[i % 5]]) + os.urandom(i))  # 4 would be a close
        if i % 10 == 0:
            try:
                fresh = WebSocket(hub.port, "/stream?ws=w&agent=a&port=1&channel=c")
                fresh.send(os.urandom(i))
                fresh.sock.sendall(os.urandom(50))
                fresh.close()
            except OSError:
                pass
    assert hub.get("/healthz")[0] == 200
