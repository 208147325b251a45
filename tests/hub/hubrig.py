"""A hub under test, and machines played over its real nats-server."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "scenario"))

from natsclient import PATIENCE, NatsClient, NatsError, wait_until  # noqa: E402
from rig import BIN, free_port, pb  # noqa: E402

HUB = os.path.join(BIN, "opengeni-hub")
__all__ = ["PATIENCE", "Hub", "Machine", "NatsClient", "NatsError", "Way", "free_port", "pb", "run", "wait_until"]


class Way:
    """A port in front of another, which can be cut off."""

    def __init__(self, port):
        self.target, self.pairs, self.is_cut = port, [], False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def heard(self, data):
        """What passes, in either direction."""

    def _listen(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.is_cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            self.pairs.append((near, far))
            for ends in ((near, far), (far, near)):
                for end in ends:
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, sink):
        try:
            while data := source.recv(65536):
                self.heard(data)
                sink.sendall(data)
        except OSError:
            pass
        self._hang_up(source, sink)

    @staticmethod
    def _hang_up(*ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.is_cut = True
        for pair in self.pairs:
            self._hang_up(*pair)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


def new_nats_server():
    return subprocess.run([os.path.join(ROOT, "dev.d", "nats-server-new")], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def run(*arguments, check=True, **options):
    """A command of the hub; its standard output."""
    done = subprocess.run([HUB, *map(str, arguments)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=2 * PATIENCE, **options)
    if check:
        assert done.returncode == 0, done.stderr
        return done.stdout
    return done


def free_ports(count):
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


class Hub:
    def __init__(self, directory, *arguments, start=True, nats_server=None, environment=None):
        self.data = os.path.join(str(directory), "hub")
        self.port, self.agents_port, self.nats_port = free_ports(3)
        self.nats_server = nats_server or os.environ["OG_NATS_SERVER"]
        self.arguments = arguments
        self.environment = dict(os.environ, **(environment or {}))
        self.log_path = os.path.join(str(directory), "hub.log")
        self.process = None
        if start:
            self.start()

    def command(self):
        return [HUB, "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}",
                "--agents", f"127.0.0.1:{self.agents_port}", "--nats-port", str(self.nats_port),
                "--nats-server", self.nats_server, *self.arguments]

    def spawn(self):
        self.log_file = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                        stdout=self.log_file, stderr=self.log_file,
                                        env=self.environment)

    def start(self):
        self.spawn()
        wait_until(self._ready, what="the hub to serve")

    def _ready(self):
        assert self.process.poll() is None, "the hub has ended:\n" + self.log()[-2000:]
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self, number=signal.SIGTERM, timeout=PATIENCE):
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    def file(self, name):
        with open(os.path.join(self.data, name)) as f:
            return f.read()

    # -- HTTP

    def request(self, method, path, body=None, token=None, headers=None):
        """(status, JSON or text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        fields = dict(headers or {})
        if token:
            fields["Authorization"] = "Bearer " + token
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body, fields)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode(errors="replace")

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body if body is not None else {}, **options)

    def admin(self, method, path, body=None):
        return self.request(method, path, body, token=self.file("admin.token").strip())

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith("opengeni_hub_" + name + " "):
                return int(line.split()[1])
        raise KeyError(name)

    # -- machines

    def token(self, *arguments):
        return run("token", "--data", self.data, *arguments).strip()

    def exchange(self, token, key=None, **more):
        body = {"token": token, "publicKey": key or uuid.uuid4().hex, "os": "linux",
                "arch": "x86_64", "machineName": "box", "canOfferDisplay": False,
                "requestsScreenControl": False}
        body.update(more)
        return self.post("/v1/enrollments/token/exchange", body)

    def enrol(self, key=None, **more):
        status, answer = self.exchange(self.token(), key, **more)
        assert status == 201, answer
        return answer["credentials"]

    def machine(self, key=None, **more):
        return Machine(self, self.enrol(key, **more))

    def show(self, machine):
        status, answer = self.admin("GET", f"/api/machines/{machine}")
        assert status == 200, answer
        return answer

    def state(self, machine):
        return self.show(machine)["state"]

    def control(self):
        """A client as opengeni-ctl is one."""
        return NatsClient(self.nats_port, token=self.file("control.token").strip(), name="ctl")


class Machine:
    """What an agent does on NATS. It connects to the plain port, which asks the hub in the same way
    as the WebSocket listener."""

    def __init__(self, hub, credentials):
        self.hub, self.credentials = hub, credentials
        self.id, self.workspace = credentials["agentId"], credentials["workspaceId"]
        self.bearer = credentials["bearer"]
        self.instance = str(uuid.uuid4())
        self.nats = None
        self.seq = 0

    @property
    def prefix(self):
        return f"agent.{self.workspace}.{self.id}.connection.{self.instance}"

    def connect(self, name=None, bearer=None):
        """The test client also subscribes to an inbox of its own, which machines may not: the
        refusal is expected and cleared away."""
        self.nats = NatsClient(self.hub.nats_port, token=bearer or self.bearer,
                               name=name or f"opengeni-agent/connection/{self.instance}")
        self.nats.flush()
        self.nats.errors.clear()
        return self

    def hello(self, **more):
        message = pb.Hello(agent_id=self.id, workspace_id=self.workspace, agent_version="1.2.3",
                           machine_name="box", os=1, arch=1, **more)
        message.capabilities.exec = True
        self.nats.publish(self.prefix + ".hello", message.SerializeToString())

    def event(self, event):
        self.nats.publish(self.prefix + ".events", event.SerializeToString())

    def heartbeat(self, **metrics):
        self.seq += 1
        event = pb.AgentEvent(agent_id=self.id)
        event.heartbeat.seq = self.seq
        event.heartbeat.uptime_ms = 1000 * self.seq
        values = {"sampled_at_ms": int(time.time() * 1000), "cpu_percent": 12.5, "load1": 0.5,
                  "mem_total_bytes": 1 << 30, "mem_used_bytes": 1 << 29}
        values.update(metrics)
        for name, value in values.items():
            setattr(event.heartbeat.metrics, name, value)
        self.event(event)

    def goodbye(self, reason=1):
        event = pb.AgentEvent(agent_id=self.id)
        event.going_offline.reason = reason
        self.event(event)
        self.nats.flush()

    def announce(self):
        self.hello()
        self.heartbeat()
        self.nats.flush()
        return self

    def online(self):
        self.connect().announce()
        wait_until(lambda: self.hub.state(self.id) == "online", what="the machine to be online")
        return self

    def serve(self, answer):
        """Answers requests with answer(request) -> ControlResponse."""
        def handle(_subject, reply, body, _headers):
            request = pb.ControlRequest.FromString(body)
            response = answer(request)
            response.request_id = request.request_id
            self.nats.publish(reply, response.SerializeToString())
        self.listening = self.nats.subscribe(self.prefix + ".rpc", handle)
        self.nats.flush()


def claims(token):
    text = token.split("_", 1)[1].split(".")[0]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def raw_connection(port, timeout=PATIENCE):
    sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    return sock
