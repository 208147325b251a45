"""A NATS server that misbehaves on purpose: it speaks enough of the protocol to log an agent in, and
then does what a scenario tells it. Real servers do all of this, but not at a chosen moment."""

import json
import socket
import threading
import time


class Peer:
    """One connection of an agent."""

    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.connect = None
        self.subscriptions = {}
        self.published = []
        self.lines = []
        self.pongs = 0
        self.opened = time.monotonic()
        self.ended = None
        self.lock = threading.Lock()

    def send(self, data):
        with self.lock:
            self.sock.sendall(data)

    def message(self, subject, reply, body):
        for sid, pattern in list(self.subscriptions.items()):
            if pattern == subject:
                self.send(f"MSG {subject} {sid} {reply} {len(body)}\r\n".encode() + body + b"\r\n")

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class FakeServer:
    """accept: what to do with a new connection: "serve", "silent" (TCP only), "close".
    deny: a set of subject prefixes whose SUB is refused. on_line(peer, line) may answer itself."""

    def __init__(self, accept="serve", deny=(), info=None, auth_error=None, on_connect=None):
        self.accept, self.deny, self.auth_error = accept, tuple(deny), auth_error
        self.on_connect = on_connect
        self.info = {"server_id": "FAKE", "version": "2.10.0", "proto": 1, "headers": True,
                     "max_payload": 1048576}
        self.info.update(info or {})
        self.peers = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.stopped = False
        threading.Thread(target=self._run, daemon=True).start()

    def info_line(self, **more):
        return b"INFO " + json.dumps({**self.info, **more}).encode() + b"\r\n"

    def _run(self):
        while not self.stopped:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            peer = Peer(self, sock)
            self.peers.append(peer)
            if self.accept == "close":
                peer.close()
                peer.ended = time.monotonic()
            elif self.accept == "serve":
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            peer.send(self.info_line())
            stream = peer.sock.makefile("rb")
            while True:
                line = stream.readline()
                if not line:
                    break
                self._handle(peer, stream, line)
        except (OSError, ValueError):
            pass
        peer.ended = time.monotonic()

    def _handle(self, peer, stream, line):
        words = line.decode(errors="replace").split()
        verb = words[0].upper() if words else ""
        peer.lines.append(line.decode(errors="replace").strip())
        if verb == "CONNECT":
            peer.connect = json.loads(line[len("CONNECT "):])
            if self.auth_error:
                peer.send(f"-ERR '{self.auth_error}'\r\n".encode())
                peer.close()
            elif self.on_connect:
                self.on_connect(peer)
        elif verb == "PING":
            peer.send(b"PONG\r\n")
        elif verb == "PONG":
            peer.pongs += 1
        elif verb == "SUB":
            if words[1].startswith(self.deny) if self.deny else False:
                peer.send(f"-ERR 'Permissions Violation for Subscription to \"{words[1]}\"'\r\n".encode())
            else:
                peer.subscriptions[words[-1]] = words[1]
        elif verb == "UNSUB":
            peer.subscriptions.pop(words[1], None)
        elif verb in ("PUB", "HPUB"):
            body = stream.read(int(words[-1]) + 2)[:-2]
            peer.published.append((words[1], body, time.monotonic()))

    def live(self):
        return [p for p in self.peers if p.ended is None and p.connect]

    def close(self):
        self.stopped = True
        self.listener.close()
        for peer in self.peers:
            peer.close()
