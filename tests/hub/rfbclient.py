"""An RFB client (RFC 6143) of a few lines: raw pixels, keys and pointer, over any pair of functions
that send and receive bytes."""

import socket
import struct
import time
import zlib


RAW, ZLIB = 0, 6


def at_socket(address, **options):
    """(client, socket) at a port or a unix socket."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    sock = socket.socket(family)
    sock.settimeout(60)
    sock.connect(address)

    def receive(timeout):
        sock.settimeout(timeout)
        return sock.recv(1 << 18)

    return Rfb(sock.sendall, receive, **options), sock


class Refused(Exception):
    pass


class Rfb:
    """send(data); receive(timeout) -> some bytes, b"" at the end. greet: who speaks first."""

    def __init__(self, send, receive, version=b"RFB 003.008\n", greet=False, encodings=(RAW,)):
        self._send, self._receive, self.buffer = send, receive, b""
        if greet:  # the agent waits for our line to know what we speak
            send(version)
        self.version = self._exactly(12)
        assert self.version == b"RFB 003.008\n"
        if not greet:
            send(version)
        if version == b"RFB 003.003\n":
            self._check(struct.unpack(">I", self._exactly(4))[0])
        else:
            count = self._exactly(1)[0]
            self._check(count and 1 in self._exactly(count))
            send(b"\x01")
            assert version != b"RFB 003.008\n" or struct.unpack(">I", self._exactly(4))[0] == 0
        send(b"\x01")
        self.width, self.height = struct.unpack(">HH", self._exactly(4))
        self._exactly(16)
        self.name = self._exactly(struct.unpack(">I", self._exactly(4))[0]).decode()
        self.pixels = bytearray(4 * self.width * self.height)
        send(struct.pack(">B3x BBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 0, 8, 16))
        known = (*encodings, -223)
        send(struct.pack(f">BxH{len(known)}i", 2, len(known), *known))
        self.inflate = zlib.decompressobj()
        self.request(False)

    def _check(self, good):
        if not good:
            raise Refused(self._exactly(struct.unpack(">I", self._exactly(4))[0]).decode())

    def _exactly(self, size, timeout=60):
        end = time.monotonic() + timeout
        while len(self.buffer) < size:
            piece = self._receive(max(0.05, end - time.monotonic()))
            if not piece:
                raise EOFError
            self.buffer += piece
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def request(self, incremental=True):
        self._send(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def update(self, timeout=60):
        """Takes one message of the server's."""
        kind = self._exactly(1, timeout)[0]
        if kind == 1:
            self._exactly(1)
            _, count = struct.unpack(">HH", self._exactly(4))
            self._exactly(6 * count)
        elif kind == 3:
            self._exactly(struct.unpack(">3xI", self._exactly(7))[0])
        elif kind == 0:
            for _ in range(struct.unpack(">xH", self._exactly(3))[0]):
                x, y, w, h, encoding = struct.unpack(">HHHHi", self._exactly(12))
                if encoding == -223:
                    self.width, self.height = w, h
                    self.pixels = bytearray(4 * w * h)
                    continue
                if encoding == ZLIB:
                    size = struct.unpack(">I", self._exactly(4))[0]
                    data = self.inflate.decompress(self._exactly(size))
                else:
                    assert encoding == RAW, encoding
                    data = self._exactly(4 * w * h)
                for row in range(h):
                    at = 4 * ((y + row) * self.width + x)
                    self.pixels[at:at + 4 * w] = data[4 * w * row:4 * w * (row + 1)]
            self.request()
        else:
            assert kind == 2, kind

    def rows(self):
        """As screen.decode_png has them."""
        return [[tuple(self.pixels[4 * (y * self.width + x):][:3]) for x in range(self.width)]
                for y in range(self.height)]

    def pixel(self, x, y):
        return "#%02x%02x%02x" % tuple(self.pixels[4 * (y * self.width + x):][:3])

    def until(self, sees, timeout=60):
        end = time.monotonic() + timeout
        while not sees():
            self.update(max(0.1, end - time.monotonic()))

    def sees(self, colour, timeout=60, at=(5, 5)):
        self.until(lambda: self.pixel(*at) == colour, timeout)

    def key(self, keysym, down=None):
        for state in (True, False) if down is None else (down,):
            self._send(struct.pack(">BBxxI", 4, state, keysym))

    def pointer(self, x, y, buttons=0):
        self._send(struct.pack(">BBHH", 5, buttons, x, y))

    def cut_text(self, text):
        self._send(struct.pack(">BxxxI", 6, len(text)) + text)
