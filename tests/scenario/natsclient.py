"""A NATS client of a hundred lines: what the scenarios need to play the control plane, with nothing
between them and the wire. It shares no code with the agent."""

import json
import os
import queue
import signal
import socket
import threading
import time

# The longest that anything is waited for: a machine with other work to do is slow, and only what never
# comes takes so long.
PATIENCE = 60


class NatsError(Exception):
    pass


class NatsClient:
    def __init__(self, port, token=None, user=None, password=None, name="test", host="127.0.0.1"):
        self.sock = socket.create_connection((host, port), timeout=PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")
        self.lock = threading.Lock()
        self.handlers = {}
        self.waiting = {}
        self.errors = []
        self.pongs = queue.Queue()
        self.sid = 0
        self.closed = False
        line = self.file.readline()
        if not line.startswith(b"INFO "):
            raise NatsError(f"not a NATS server: {line!r}")
        self.info = json.loads(line[5:])
        options = {"verbose": False, "pedantic": False, "name": name, "lang": "py", "version": "1",
                   "protocol": 1, "headers": True, "no_responders": True, "echo": True}
        if token is not None:
            options["auth_token"] = token
        if user is not None:
            options.update({"user": user, "pass": password})
        self.send(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        line = self.file.readline()
        while line.startswith((b"+OK", b"INFO")):
            line = self.file.readline()
        if not line.startswith(b"PONG"):
            raise NatsError(line.decode(errors="replace").strip())
        self.sock.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()
        self.inbox = "_INBOX." + os.urandom(8).hex()
        self.subscribe(self.inbox + ".*", self._on_reply)

    def send(self, data):
        with self.lock:
            self.sock.sendall(data)

    def _read(self):
        try:
            while True:
                line = self.file.readline()
                if not line:
                    break
                verb = line.split(b" ", 1)[0].strip().upper()
                if verb == b"MSG" or verb == b"HMSG":
                    parts = line.decode().split()[1:]
                    headers = int(parts[-2]) if verb == b"HMSG" else 0
                    size = int(parts[-1])
                    fixed = 4 if verb == b"HMSG" else 3
                    reply = parts[2] if len(parts) > fixed else None
                    body = self.file.read(size + 2)[:size]
                    handler = self.handlers.get(int(parts[1]))
                    if handler:
                        handler(parts[0], reply, body[headers:], body[:headers])
                elif verb == b"PING":
                    self.send(b"PONG\r\n")
                elif verb == b"PONG":
                    self.pongs.put(True)
                elif verb.startswith(b"-ERR"):
                    self.errors.append(line.decode(errors="replace").strip())
        except (OSError, ValueError):
            pass
        self.closed = True

    def _on_reply(self, subject, _reply, body, headers):
        waiter = self.waiting.get(subject)
        if waiter is not None:
            waiter.put((body, headers))

    def subscribe(self, subject, handler):
        """handler(subject, reply, body, headers) runs on the reader thread."""
        self.sid += 1
        self.handlers[self.sid] = handler
        self.send(f"SUB {subject} {self.sid}\r\n".encode())
        return self.sid

    def unsubscribe(self, sid):
        self.handlers.pop(sid, None)
        self.send(f"UNSUB {sid}\r\n".encode())

    def publish(self, subject, data, reply=""):
        head = f"PUB {subject} {reply} {len(data)}\r\n" if reply else f"PUB {subject} {len(data)}\r\n"
        self.send(head.encode() + data + b"\r\n")

    def flush(self, timeout=PATIENCE):
        self.send(b"PING\r\n")
        self.pongs.get(timeout=timeout)

    def send_request(self, subject, data):
        """Publishes a request; returns (reply subject, queue of (body, headers))."""
        reply = f"{self.inbox}.{os.urandom(6).hex()}"
        waiter = queue.Queue()
        self.waiting[reply] = waiter
        self.publish(subject, data, reply)
        return reply, waiter

    def request(self, subject, data, timeout=PATIENCE):
        reply, waiter = self.send_request(subject, data)
        try:
            body, headers = waiter.get(timeout=timeout)
        except queue.Empty:
            raise NatsError(f"no answer on {subject} in {timeout} s") from None
        finally:
            self.waiting.pop(reply, None)
        if b"503" in headers.split(b"\r\n", 1)[0]:
            raise NatsError("no responders")
        return body

    def close(self):
        self.closed = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def wait_until(condition, timeout=PATIENCE, step=0.02, what="it"):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {timeout} s")
        time.sleep(step)


def freeze(process):
    """SIGSTOP, and back when it has come to that: for a moment after the signal threads still run."""
    def stopped(task):
        try:
            with open(f"/proc/{process.pid}/task/{task}/stat") as f:
                return f.read().rsplit(")", 1)[1].split()[0] == "T"
        except OSError:
            return True  # a thread that has ended

    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: all(map(stopped, os.listdir(f"/proc/{process.pid}/task"))), step=0.002,
               what="the process to stop")
