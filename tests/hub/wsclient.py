"""A WebSocket client of a few lines (RFC 6455), for the relay's tests."""

import base64
import os
import socket
import struct


class Refused(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


class WebSocket:
    def __init__(self, port, path, timeout=60, headers=""):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                           f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                           f"Sec-WebSocket-Version: 13\r\n{headers}\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            piece = self.sock.recv(4096)
            if not piece:
                raise Refused(None)
            self.buffer += piece
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status = int(head.split()[1])
        if status != 101:
            raise Refused(status)

    def send(self, data, opcode=2, final=True):
        head = bytes([(0x80 if final else 0) | opcode])
        size = len(data)
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        mask = os.urandom(4)
        if size:
            long_mask = (mask * (size // 4 + 1))[:size]
            data = (int.from_bytes(data, "big") ^ int.from_bytes(long_mask, "big")).to_bytes(size, "big")
        self.sock.sendall(head + mask + data)

    def _exactly(self, size):
        while len(self.buffer) < size:
            piece = self.sock.recv(1 << 18)
            if not piece:
                raise EOFError
            self.buffer += piece
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def receive(self, timeout=60):
        """The next binary message; EOFError when the connection has ended."""
        self.sock.settimeout(timeout)
        message = b""
        while True:
            try:
                first, second = self._exactly(2)
                size = second & 0x7f
                if size == 126:
                    size, = struct.unpack(">H", self._exactly(2))
                elif size == 127:
                    size, = struct.unpack(">Q", self._exactly(8))
                data = self._exactly(size)
            except ConnectionError:
                raise EOFError from None
            opcode = first & 0x0f
            if opcode == 8:
                raise EOFError
            if opcode == 9:
                self.send(data, opcode=10)
                continue
            if opcode == 10:
                continue
            message += data
            if first & 0x80:
                return message

    def close(self):
        self.sock.close()
