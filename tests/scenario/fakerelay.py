"""A relay that does what a scenario says: it takes the agent's channels, keeps what they send, and
answers well or badly. The scenario is the viewer."""

import base64
import hashlib
import re
import socket
import struct
import threading
import time

from rig import PATIENCE, pb, wait_until

GREETING = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Channel:
    """One channel id, over all its connections."""

    def __init__(self, id):
        self.id, self.opens, self.text, self.next_seq = id, [], bytearray(), 0
        self.missed, self.connection, self.closed, self.typed = 0, None, None, 0

    def take(self, frame):
        if frame.seq < self.next_seq:
            return  # sent again
        self.missed += frame.seq - self.next_seq
        self.next_seq = frame.seq + 1
        self.text += frame.data


class Connection:
    def __init__(self, relay, sock):
        self.relay, self.sock, self.lock = relay, sock, threading.Lock()
        self.request, self.registering = "", False

    def send(self, data, opcode=2):
        size = len(data)
        head = bytes([0x80 | opcode, size]) if size < 126 else \
            bytes([0x80 | opcode, 126]) + struct.pack(">H", size) if size < 65536 else \
            bytes([0x80 | opcode, 127]) + struct.pack(">Q", size)
        with self.lock:
            self.sock.sendall(head + data)

    def _exactly(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def receive(self):
        first, second = self._exactly(2)
        size = second & 0x7f
        if size == 126:
            size, = struct.unpack(">H", self._exactly(2))
        elif size == 127:
            size, = struct.unpack(">Q", self._exactly(8))
        key = self._exactly(4)
        assert second & 0x80 and first & 0x80, "an agent masks, and sends whole messages"
        data = self._exactly(size)
        if size:
            mask = (key * (size // 4 + 1))[:size]
            data = (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
        return first & 0x0f, data

    def upgrade(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._exactly(1)
        self.request = head.decode()
        key = re.search(r"sec-websocket-key: (\S+)", self.request, re.I).group(1).encode()
        accept = base64.b64encode(hashlib.sha1(key + GREETING).digest()).decode()
        if isinstance(self.relay.answer, int):
            self.sock.sendall(f"HTTP/1.1 {self.relay.answer} Whatever\r\nContent-Length: 2\r\n\r\nno"
                              .encode())
            return False
        self.sock.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
                           f"Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        return True

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class FakeRelay:
    """answer: "serve"; a number: that HTTP status; "close": at once after the opening; "text": text
    messages around a good answer; "silent": no answer to the opening."""

    def __init__(self, answer="serve", tls=None, ack_after=0):
        self.answer, self.tls, self.ack_after = answer, tls, ack_after
        self.channels, self.connections, self.lock = {}, [], threading.Lock()
        self.dials = self.registering = self.most_registering = 0
        self.port = 0
        self.start()

    def url(self, scheme="ws", host="127.0.0.1"):
        return f"{scheme}://{host}:{self.port}/stream"

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, args=[self.listener], daemon=True).start()

    def stop(self):
        """Everybody is cut off, and nobody gets in; what was seen is kept."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self):
        with self.lock:
            connections, self.connections = self.connections, []
        for connection in connections:
            connection.close()

    def _listen(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.dials += 1
            threading.Thread(target=self._serve, args=[sock], daemon=True).start()

    def _serve(self, sock):
        channel = connection = None
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock)
            with self.lock:
                self.connections.append(connection)
            if connection.upgrade():
                channel = self._open(connection)
            while channel:
                self._take(channel, connection, *connection.receive())
        except (OSError, EOFError):
            pass
        finally:
            if channel and channel.connection is connection:
                channel.connection = None
            sock.close()

    def _open(self, connection):
        with self.lock:
            self.registering += 1
            self.most_registering = max(self.most_registering, self.registering)
        try:
            opcode, data = connection.receive()
            assert opcode == 2 and data[0] == 1, "the first message is an opening"
            time.sleep(self.ack_after)
        finally:
            with self.lock:
                self.registering -= 1
        open = pb.StreamOpen.FromString(data[1:])
        channel = self.channels.setdefault(open.channel.channel_id, Channel(open.channel.channel_id))
        channel.opens.append(open)
        if self.answer == "close":
            return None
        if self.answer == "silent":
            return channel
        if self.answer == "text":
            connection.send(b"\x02\x08\x01", opcode=1)
        ack = pb.StreamOpenAck(accepted=True, resume_from_seq=open.resume_from_seq)
        channel.connection = connection
        connection.send(b"\x02" + ack.SerializeToString())
        if self.answer == "text":
            connection.send(b"\x03\x1a\x04bad\n", opcode=1)
        return channel

    def _take(self, channel, connection, opcode, data):
        if opcode == 9:
            connection.send(data, opcode=10)
        elif opcode == 8:
            raise EOFError
        elif opcode == 2 and data[0] == 3:
            channel.take(pb.StreamFrame.FromString(data[1:]))
        elif opcode == 2 and data[0] == 4:
            channel.closed = pb.StreamClose.FromString(data[1:])

    # -- the viewer

    def tear(self, id, text):
        """The beginning of a message that says text, and a reset in the middle of it."""
        connection = self.channels[id].connection
        body = b"\x03" + pb.StreamFrame(channel_id=id, seq=self.channels[id].typed, data=text.encode(),
                                        produced_at_ms=1).SerializeToString()
        connection.sock.sendall(bytes([0x82, len(body)]) + body[:-3])
        time.sleep(0.05)  # it is read before the reset
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def type(self, id, text):
        channel = self.channels[id]
        channel.connection.send(b"\x03" + pb.StreamFrame(
            channel_id=id, seq=channel.typed, data=text.encode(),
            produced_at_ms=int(time.time() * 1000)).SerializeToString())
        channel.typed += 1

    def sees(self, id, text, timeout=PATIENCE):
        wait_until(lambda: id in self.channels and text.encode() in self.channels[id].text, timeout,
                   what=f"{text!r} on the terminal")

    def is_live(self, id):
        return id in self.channels and self.channels[id].connection is not None

    def wait_live(self, *ids, timeout=PATIENCE):
        wait_until(lambda: all(map(self.is_live, ids)), timeout, what="the channels to be registered")
