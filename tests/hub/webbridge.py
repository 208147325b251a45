"""Serves files to a browser and carries the WebSocket of a page to a socket, byte by byte (RFC 6455),
as websockify does; and drives a headless Chromium over its DevTools protocol."""

import base64
import hashlib
import http.server
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

from wsclient import WebSocket

TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Bridge(http.server.ThreadingHTTPServer):
    """files: a directory; pages: {path: HTML}; connect(): a new socket for each WebSocket."""

    daemon_threads = True

    def __init__(self, files, pages, connect):
        self.files, self.pages, self.connect = files, pages, connect
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.carry()
            return
        path = self.path.split("?")[0]
        body = self.server.pages.get(path, "").encode()
        if not body:
            name = os.path.realpath(os.path.join(self.server.files, path.lstrip("/")))
            if not name.startswith(os.path.realpath(self.server.files)) or not os.path.isfile(name):
                self.send_error(404)
                return
            with open(name, "rb") as f:
                body = f.read()
        kind = TYPES.get(os.path.splitext(path)[1], "text/html")
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def carry(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        if "binary" in self.headers.get("Sec-WebSocket-Protocol", ""):
            self.send_header("Sec-WebSocket-Protocol", "binary")
        self.end_headers()
        self.close_connection = True
        far = self.server.connect()
        threading.Thread(target=self._out, args=(far,), daemon=True).start()
        try:
            while (data := self._message()) is not None:
                far.sendall(data)
        except OSError:
            pass
        far.close()

    def _message(self):
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return None
            size = head[1] & 0x7f
            if size >= 126:
                size = int.from_bytes(self.rfile.read(2 if size == 126 else 8), "big")
            mask = self.rfile.read(4)
            data = self.rfile.read(size)
            if head[0] & 0x0f == 8:
                return None
            if head[0] & 0x0f in (0, 1, 2):
                return bytes(byte ^ mask[i & 3] for i, byte in enumerate(data))

    def _out(self, far):
        try:
            while data := far.recv(1 << 16):
                size = len(data)
                head = struct.pack(">BB", 0x82, size) if size < 126 else \
                    struct.pack(">BBH", 0x82, 126, size) if size < 65536 else \
                    struct.pack(">BBQ", 0x82, 127, size)
                self.connection.sendall(head + data)
            self.connection.sendall(b"\x88\x00")
        except OSError:
            pass


def browser_program():
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One page of a headless Chromium."""

    def __init__(self, directory, url):
        self.log_path = os.path.join(str(directory), "chromium.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [browser_program(), "--headless=new", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
                 "--disable-background-networking", "--window-size=1000,800",
                 f"--user-data-dir={directory}/profile", "--remote-debugging-port=0", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "HOME": str(directory), "DISPLAY": ""})
        self.number = 0
        try:
            self._attach(url)
        except BaseException:
            self._kill()
            raise

    def _attach(self, url):
        found = self._wait_for(r"DevTools listening on ws://127\.0\.0\.1:(\d+)(/\S+)")
        self.socket = WebSocket(int(found.group(1)), found.group(2), timeout=60)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Page.navigate", url=url)

    session = None

    def _wait_for(self, pattern, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with open(self.log_path, errors="replace") as log:
                text = log.read()
            if found := re.search(pattern, text):
                return found
            assert self.process.poll() is None, text
            time.sleep(0.05)
        raise AssertionError("no DevTools: " + text[-2000:])

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message).encode(), opcode=1)
        while True:
            answer = json.loads(self.socket.receive(60))
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def key(self, key, code, number, text=None):
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code,
                      windowsVirtualKeyCode=number, **more)

    def click(self, x, y):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y,
                      button="none" if kind == "mouseMoved" else "left",
                      clickCount=0 if kind == "mouseMoved" else 1)

    def close(self):
        if self.process.poll() is None:
            try:
                self.session = None
                self.call("Browser.close")
            except (EOFError, OSError, AssertionError):
                pass
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self._kill()

    def _kill(self):
        os.killpg(self.process.pid, 9)
        self.process.wait()


def connect_to(place):
    """For Bridge: a socket to a port or a unix socket."""
    def connect():
        sock = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
        sock.connect(place)
        return sock
    return connect
