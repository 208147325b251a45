"""Starts the real programs for a scenario: nats-server, the agent, and a control plane's client."""

import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

from natsclient import PATIENCE, NatsClient, NatsError, freeze, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("OG_BUILD", os.path.join(ROOT, "build"))
BIN = os.path.join(BUILD, "bin")


def _generate_messages():
    """The protocol's Python classes, made from our .proto by protoc."""
    out = os.path.join(BUILD, "test-python")
    target = os.path.join(out, "opengeni_agent_pb2.py")
    proto = os.path.join(ROOT, "proto", "opengeni_agent.proto")
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # scenarios run side by side
        made = os.path.exists(target) and os.path.getmtime(target) >= os.path.getmtime(proto)
        if not made:
            subprocess.run(["protoc", "-I", os.path.dirname(proto), "--python_out", out, proto],
                           check=True)
    sys.path.insert(0, out)


# A shell that starts the tests in its background ignores these for them, and so would what they start.
for _number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

_generate_messages()
import opengeni_agent_pb2 as pb  # noqa: E402  (made just above)

WORKSPACE = "11111111-1111-4111-8111-111111111111"
AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


def own_share(first, beyond):
    """The numbers of that range that are for this process of pytest-xdist: what one test has chosen,
    and does not use for a moment, no other one takes."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = (beyond - first) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return first + worker * share, first + (worker + 1) * share


def free_port():
    """Below the ports that the kernel gives to clients: what is free now is still free when the
    server under test takes it, however many tests run beside this one."""
    while True:
        port = random.SystemRandom().randrange(*own_share(10000, 32000))
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class NatsServer:
    """A real nats-server on a free port; config: lines for its configuration file."""

    def __init__(self, directory, config="", port=None, binary=None):
        self.directory, self.config = str(directory), config
        self.port = port or free_port()
        self.binary = binary or os.environ.get("NATS_SERVER", "nats-server")
        self.process = None
        self.start()

    def start(self):
        path = os.path.join(self.directory, f"nats-{self.port}.conf")
        with open(path, "w") as f:
            f.write(f"listen: 127.0.0.1:{self.port}\n{self.config}\n")
        self.log = open(os.path.join(self.directory, f"nats-{self.port}.log"), "ab")
        self.process = subprocess.Popen([self.binary, "-c", path], stdout=self.log, stderr=self.log)
        wait_until(self._answers, what="nats-server to listen")

    def _answers(self):
        assert self.process.poll() is None, "nats-server ended; see its log"
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE).close()
            return True
        except OSError:
            return False

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        freeze(self.process)

    def reload(self, config):
        """New configuration; nats-server takes it over on SIGHUP."""
        self.config = config
        with open(os.path.join(self.directory, f"nats-{self.port}.conf"), "w") as f:
            f.write(f"listen: 127.0.0.1:{self.port}\n{config}\n")
        self.signal(signal.SIGHUP)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def client(self, **options):
        return NatsClient(self.port, **options)


def connection_document(port, agent=AGENT, workspace=WORKSPACE, **more):
    credentials = {"agent_id": agent, "workspace_id": workspace, "nats_bearer": "test-bearer",
                   "nats_urls": [f"nats://127.0.0.1:{port}"], "relay_url": "", "update_pubkey": "",
                   "consented_whole_machine": True, "consented_screen_control": False}
    credentials.update(more)
    return credentials


class Agent:
    """The agent under test, in a home of its own."""

    def __init__(self, directory, server=None, start=True, environment=None, arguments=(),
                 settings="display = none", **more):
        self.home = os.path.join(str(directory), "home-" + uuid.uuid4().hex[:6])
        self.config = os.path.join(self.home, ".config/opengeni/agent")
        self.root = os.path.join(self.home, "work")
        os.makedirs(self.config, mode=0o700)
        os.makedirs(self.root)
        self.agent_id = more.get("agent", AGENT)
        self.workspace = more.get("workspace", WORKSPACE)
        self.log_path = os.path.join(self.home, "agent.log")
        self.environment = environment or {}
        self.arguments = list(arguments)
        self.process = None
        self.write_settings(settings)  # without one, the X servers of other tests would be found
        if server is not None:
            port = server if isinstance(server, int) else server.port
            self.write_credentials(connection_document(port, **more))
        if start:
            self.start()

    def write_settings(self, text):
        path = os.path.join(self.config, "agent.ini")
        with open(path, "w") as f:
            f.write(text + "\n")
        os.chmod(path, 0o600)

    def write_credentials(self, credentials):
        path = os.path.join(self.config, "credentials.json")
        with open(path + ".new", "w") as f:
            json.dump(credentials, f)
        os.chmod(path + ".new", 0o600)
        os.rename(path + ".new", path)

    def documents(self):
        directory = os.path.join(self.config, "connections")
        return sorted(os.path.join(directory, n) for n in os.listdir(directory)
                      if n.endswith(".json") and not n.startswith("."))

    def edit_document(self, path=None, **changes):
        """Changes credentials of a stored connection as another program would: write, rename."""
        path = path or self.documents()[0]
        with open(path) as f:
            document = json.load(f)
        document["credentials"].update(changes)
        temporary = os.path.join(os.path.dirname(path), ".edit.1.tmp")
        with open(temporary, "w") as f:
            json.dump(document, f)
        os.chmod(temporary, 0o600)
        os.rename(temporary, path)

    def env(self):
        keep = {k: v for k, v in os.environ.items()
                if k in ("PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")}
        return {**keep, "HOME": self.home, "SHELL": "/bin/sh", "OPENGENI_LOG": "debug",
                **self.environment}

    def command(self, *arguments, **options):
        return subprocess.run([os.path.join(BIN, "opengeni-agent"), *arguments], cwd=self.root,
                              env=self.env(), capture_output=True, text=True, timeout=2 * PATIENCE, **options)

    def start(self, **popen):
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [os.path.join(BIN, "opengeni-agent"), "run", *self.arguments], cwd=self.root,
            env=self.env(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True, **popen)
        return self

    def log_text(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_for_log(self, pattern, timeout=PATIENCE):
        return wait_until(lambda: re.search(pattern, self.log_text()), timeout,
                          what=f"/{pattern}/ in the agent's log")

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, number=signal.SIGTERM, timeout=PATIENCE):
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def clean_up(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        found = re.search(r"(WARNING|ERROR): \w+Sanitizer.*|runtime error: .*", self.log_text()) \
            if self.process and os.path.exists(self.log_path) else None
        if found:
            raise AssertionError("the agent's log holds a sanitizer's report:\n" +
                                 self.log_text()[found.start():][:8000])
        shutil.rmtree(self.home, ignore_errors=True)


class ControlError(Exception):
    def __init__(self, error):
        super().__init__(f"{pb.ErrorCode.Name(error.code)}: {error.message}")
        self.code = pb.ErrorCode.Name(error.code).removeprefix("ERROR_CODE_")
        self.message, self.retryable, self.detail = error.message, error.retryable, dict(error.detail)


class Runtime:
    """The control plane's side for one machine: requests out, hellos and events in."""

    def __init__(self, server, agent=AGENT, workspace=WORKSPACE, client=None):
        self.nats = client or server.client()
        self.prefix = f"agent.{workspace}.{agent}"
        self.instance = None
        self.hellos, self.events, self.order = [], [], []
        self.nats.subscribe(self.prefix + ".>", self._on_message)
        self.nats.flush()

    def _on_message(self, subject, _reply, body, _headers):
        kind = subject.rsplit(".", 1)[1]
        found = re.search(r"\.connection\.([0-9a-f-]{36})\.", subject)
        if found:
            self.instance = found.group(1)
        if kind == "hello":
            self.hellos.append((time.monotonic(), subject, pb.Hello.FromString(body)))
        elif kind == "events":
            self.events.append((time.monotonic(), subject, pb.AgentEvent.FromString(body)))
        if kind in ("hello", "events"):
            self.order.append((kind, subject))

    def heartbeats(self, fenced=None):
        return [(t, e.heartbeat) for t, s, e in list(self.events)
                if e.WhichOneof("event") == "heartbeat" and
                (fenced is None or fenced == (".connection." in s))]

    def goodbyes(self):
        return [(s, e.going_offline) for _, s, e in list(self.events)
                if e.WhichOneof("event") == "going_offline"]

    def wait_online(self, timeout=PATIENCE, after=0):
        """For who was there before the agent: a hello is not repeated for those who come late."""
        return wait_until(lambda: len(self.hellos) > after and self.heartbeats(), timeout,
                          what="the agent's hello and heartbeat")

    def wait_heard(self):
        """For who may have come after the hello."""
        return wait_until(self.heartbeats, what="the agent's heartbeat")

    def subject(self, fenced=False):
        return f"{self.prefix}.connection.{self.instance}.rpc" if fenced else f"{self.prefix}.rpc"

    def encode(self, op, /, message=None, request_id=None, epoch=0, **fields):
        request = pb.ControlRequest(request_id=str(uuid.uuid4()) if request_id is None else request_id,
                                    epoch=epoch)
        target = getattr(request, op)
        target.SetInParent()
        if message is not None:
            target.CopyFrom(message)
        for name, value in fields.items():
            field = getattr(target, name)
            if isinstance(value, (list, tuple)):
                field.extend(value)
            elif isinstance(value, dict):
                field.update(value)
            else:
                setattr(target, name, value)
        return request

    def call(self, op, /, timeout=PATIENCE, fenced=False, **fields):
        """The result message, or ControlError."""
        request = self.encode(op, **fields)
        body = self.nats.request(self.subject(fenced), request.SerializeToString(), timeout)
        return self.result(request, body)

    def result(self, request, body):
        response = pb.ControlResponse.FromString(body)
        assert response.request_id == request.request_id
        if response.HasField("error"):
            assert response.WhichOneof("result") is None
            raise ControlError(response.error)
        assert response.WhichOneof("result") is not None
        return getattr(response, response.WhichOneof("result"))

    def shell(self, text, **fields):
        return self.call("exec", command=[text], shell=True, **fields)

    def ping(self, **fields):
        return self.call("ping", nonce=fields.pop("nonce", 7), **fields)

    def raw(self, payload, timeout=PATIENCE, fenced=False):
        return pb.ControlResponse.FromString(self.nats.request(self.subject(fenced), payload, timeout))


def mark(number):
    """An argument for sleep that no other process on the machine has: the same tests may run beside."""
    return f"{number}{os.getpid():07d}"


__all__ = ["AGENT", "PATIENCE", "WORKSPACE", "Agent", "ControlError", "NatsClient", "NatsError",
           "NatsServer", "Runtime", "connection_document", "free_port", "freeze", "mark", "own_share", "pb",
           "wait_until"]
