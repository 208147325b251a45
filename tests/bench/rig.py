"""What the benchmark starts and looks at: a broker, agents in homes of their own, /proc."""

import glob
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "scenario"))
from natsclient import NatsClient  # noqa: E402

WORKSPACE = "11111111-1111-4111-8111-111111111111"


class Broker:
    def __init__(self, directory):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self.log = open(os.path.join(directory, f"nats-{self.port}.log"), "ab")

    @staticmethod
    def program():
        return os.environ.get("NATS_SERVER") or next(
            (p for p in ("/usr/sbin/nats-server", "/usr/local/bin/nats-server") if os.path.exists(p)),
            "nats-server")

    def __enter__(self):
        self.process = subprocess.Popen([self.program(), "-a", "127.0.0.1", "-p", str(self.port)],
                                        stdout=self.log, stderr=self.log)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("nats-server does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Agent:
    """The daemon, with one connection; as people run it, but for its home."""

    def __init__(self, build, directory, port, preload=None):
        self.program = os.path.join(build, "bin", "opengeni-agentd")
        self.id = "00000000-0000-4000-8000-000000000000"
        self.path = f"{WORKSPACE}/{self.id}"
        self.home = os.path.join(directory, f"home-{port}")
        self.root = os.path.join(self.home, "work")
        config = os.path.join(self.home, ".config/opengeni/agent")
        os.makedirs(config, mode=0o700)
        os.makedirs(self.root)
        self.process = None
        self.preload = {"LD_PRELOAD": preload} if preload else {}
        with open(os.open(os.path.join(config, "credentials.json"), os.O_CREAT | os.O_WRONLY, 0o600),
                  "w") as f:
            json.dump({"agent_id": self.id, "workspace_id": WORKSPACE, "nats_bearer": "bench",
                       "nats_urls": [f"nats://127.0.0.1:{port}"], "relay_url": "", "update_pubkey": "",
                       "consented_whole_machine": True, "consented_screen_control": False}, f)

    def start(self):
        log = open(os.path.join(self.home, "agent.log"), "ab")
        self.process = subprocess.Popen(
            [self.program], cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={"HOME": self.home, "PATH": os.environ["PATH"], "SHELL": "/bin/sh", **self.preload},
            start_new_session=True)
        log.close()
        self.pid = self.process.pid

    def signal(self, number):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self):
        if not self.process:
            return
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def wait_for_heartbeat(port, timeout):
    """Until an agent is heard, on the address without an instance."""
    heard = threading.Event()
    nats = NatsClient(port)
    nats.subscribe("agent.*.*.events", lambda *_: heard.set())
    nats.flush()
    if not heard.wait(timeout):
        raise RuntimeError(f"no agent has spoken in {timeout} s")
    nats.sock.shutdown(socket.SHUT_RDWR)


def sample_memory(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        kib = {k: int(v) for k, v in re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M)}
    return {"rss_kib": kib["Rss"], "private_kib": kib["Private_Clean"] + kib["Private_Dirty"],
            "threads": len(os.listdir(f"/proc/{pid}/task")),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd"))}


def switches(pid):
    """Times that threads of the process went to sleep of their own will: one a wake-up."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        try:
            with open(path) as f:
                total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M).group(1))
        except OSError:
            pass  # a worker that has just ended
    return total
