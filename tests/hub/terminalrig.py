"""A real agent at a real hub, and viewers of its terminals."""

import time
from urllib.parse import quote

from hubrig import PATIENCE, pb
from rig import Agent, Runtime
from wsclient import WebSocket

PORT = 7681


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


class Viewer:
    """Attaches to a channel and reads frames where they have come in: fast enough to measure with."""

    def __init__(self, hub, channel, resume=0):
        self.hub, self.channel = hub, channel
        status, grant = hub.admin("POST", f"/api/machines/{channel.agent_id}/stream-token",
                                  {"port": channel.port})
        assert status == 201, grant
        self.socket = WebSocket(hub.port, f"/stream?ws={channel.workspace_id}"
                                f"&agent={channel.agent_id}&port={channel.port}"
                                f"&channel={quote(channel.channel_id)}")
        self.sock = self.socket.sock
        self.sock.setsockopt(6, 1, 1)  # TCP_NODELAY
        self.sent = int(time.time() * 1000)
        self.socket.send(b"\x01" + pb.StreamOpen(
            channel=channel, token=grant["token"], role=2,
            resume_from_seq=resume).SerializeToString())
        ack = self.socket.receive()
        assert ack[0] == 2 and pb.StreamOpenAck.FromString(ack[1:]).accepted
        self.buffer = bytearray(1 << 22)
        self.begin, self.end = 0, len(self.socket.buffer)
        self.buffer[:self.end] = self.socket.buffer
        self.in_seq, self.next_seq, self.text, self.closed = 0, resume, bytearray(), None

    def type(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.socket.send(b"\x03" + pb.StreamFrame(
            channel_id=self.channel.channel_id, seq=self.in_seq, data=data,
            produced_at_ms=self.sent + self.in_seq).SerializeToString())
        self.in_seq += 1

    def _need(self, size, timeout):
        while self.end - self.begin < size:
            if self.begin and self.begin + size > len(self.buffer):
                left = self.end - self.begin
                self.buffer[:left] = self.buffer[self.begin:self.end]
                self.begin, self.end = 0, left
            self.sock.settimeout(timeout)
            n = self.sock.recv_into(memoryview(self.buffer)[self.end:])
            if n == 0:
                raise EOFError
            self.end += n

    def frame(self, timeout=PATIENCE):
        """(seq, data) of the next frame, once: what is sent again is passed over. None after a
        goodbye, whose reason is in closed."""
        while True:
            self._need(2, timeout)
            size, head = self.buffer[self.begin + 1] & 0x7f, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                self._need(head, timeout)
                size = int.from_bytes(self.buffer[self.begin + 2:self.begin + head], "big")
            self._need(head + size, timeout)
            opcode, at = self.buffer[self.begin] & 0x0f, self.begin + head
            self.begin = end = at + size
            if self.begin == self.end:
                self.begin = self.end = 0
            if opcode == 8:
                raise EOFError
            if opcode == 9:
                self.socket.send(bytes(self.buffer[at:end]), opcode=10)
            if opcode != 2:
                continue
            if self.buffer[at] == 4:
                self.closed = pb.StreamClose.FromString(bytes(self.buffer[at + 1:end]))
                return None
            if self.buffer[at] != 3:
                continue
            seq, data, at = 0, b"", at + 1
            while at < end:
                tag = self.buffer[at]
                value, at = _varint(self.buffer, at + 1)
                if tag == 0x10:
                    seq = value
                elif tag == 0x0a:
                    at += value
                elif tag == 0x1a:
                    data = memoryview(self.buffer)[at:at + value]
                    at += value
            if seq >= self.next_seq:
                self.next_seq = seq + 1
                return seq, data

    def until(self, text, timeout=PATIENCE):
        """Everything that was shown so far, once the text is in it."""
        text = text.encode() if isinstance(text, str) else text
        end = time.monotonic() + timeout
        while text not in self.text:
            assert time.monotonic() < end, f"no {text!r} in {bytes(self.text[-2000:])!r}"
            frame = self.frame(timeout)
            if frame is None:
                raise EOFError(f"closed before {text!r} in {bytes(self.text[-2000:])!r}")
            self.text += frame[1]
        return self.text.decode(errors="replace")

    def close(self):
        self.sock.close()


class Machine:
    """An enrolled agent that serves, and the control plane's requests to it."""

    def __init__(self, hub, directory, settings="", consent=False):
        self.hub, self.consent = hub, consent
        self.credentials = hub.enrol()
        self.id = self.credentials["agentId"]
        self.agent = Agent(directory, start=False, settings=settings or "display = none")
        self.agent.write_credentials(self.document())
        self.attach()
        self.agent.start()
        self.runtime.wait_online()

    def document(self, **changes):
        have = self.credentials
        return {"agent_id": have["agentId"], "workspace_id": have["workspaceId"],
                "nats_bearer": have["bearer"], "nats_urls": [f"nats://127.0.0.1:{self.hub.nats_port}"],
                "relay_url": have["relayUrl"], "relay_token": have["relayToken"],
                "update_pubkey": "", "consented_whole_machine": True,
                "consented_screen_control": self.consent, **changes}

    def attach(self):
        self.runtime = Runtime(None, agent=self.credentials["agentId"],
                               workspace=self.credentials["workspaceId"], client=self.hub.control())

    def call(self, op, **fields):
        return self.runtime.call(op, fenced=True, **fields)

    def open(self, *command, **fields):
        return self.call("pty_open", command=command, **fields).channel

    def live(self):
        for line in self.hub.get("/metrics")[1].splitlines():
            if line.startswith("opengeni_relay_live_channels "):
                return int(line.split()[1])
        raise KeyError("live_channels")

    def stop(self):
        self.agent.clean_up()
