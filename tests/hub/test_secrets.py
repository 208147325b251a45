"""A machine's whole life, and a search for every secret of it wherever others could look."""

import os
import re
import subprocess
import threading
import time

import pytest

from hubrig import Way, run, wait_until
from rig import Runtime
from terminalrig import Viewer
from test_connect import AGENT, Home
from test_device import Connecting, workspace

WATCHED_MARK = "OPENGENI_TEST_WATCH"


class Tap(Way):
    """A way to the hub that remembers what went through: the device code is shown nowhere else."""

    def __init__(self, port):
        self.seen = bytearray()
        super().__init__(port)

    def heard(self, data):
        self.seen += data

    def find(self, key):
        return re.search(rf'"{key}":\s*"([^"]+)"', self.seen.decode(errors="replace")).group(1)


class Through:
    """The hub, for a machine that reaches it by a tap."""

    def __init__(self, hub, tap):
        self.port, self.data = tap.port, hub.data


class Watch:
    """Reads command line and environment of every process of the test, all the time."""

    def __init__(self, mark):
        self.mark, self.found, self.over = mark.encode(), {}, False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.over:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/environ", "rb") as f:
                        environment = f.read()
                    if self.mark not in environment:
                        continue
                    with open(f"/proc/{pid}/cmdline", "rb") as f:
                        line = f.read()
                except OSError:
                    continue
                self.found.setdefault((pid, line.replace(b"\0", b" ")[:200]), set()).update((line, environment))
            time.sleep(0.002)

    def end(self):
        self.over = True
        self.thread.join()


def every_file(top):
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as f:
                    yield path, os.stat(path).st_mode & 0o777, f.read()


class Life:
    def __init__(self, hub, home, tap):
        self.hub, self.home, self.tap = hub, home, tap
        self.said, self.statuses = [], set()
        self.process = self.log = None

    def tell(self, *texts):
        self.said += [t.encode() if isinstance(t, str) else t for t in texts]

    def agent(self, *arguments, stdin=None, **more):
        done = self.home.agent(*arguments, stdin=stdin, **more)
        self.tell(done.stdout, done.stderr)
        return done

    def run(self, log):
        self.log = log
        with open(log, "wb") as f:
            self.process = subprocess.Popen([AGENT, "run"], env=self.home.environment, stdin=subprocess.DEVNULL,
                                            stdout=f, stderr=f)
        wait_until(lambda: "online for" in self.agent("status").stdout, what="the machine to be online")

    def work(self, credentials):
        runtime = Runtime(None, agent=credentials["agent_id"], workspace=credentials["workspace_id"],
                          client=self.hub.control())
        wait_until(lambda: runtime.instance, what="a heartbeat, by which the machine is addressed")
        look = "env; tr '\\0' ' ' </proc/$PPID/cmdline; tr '\\0' ' ' </proc/$PPID/environ"
        done = runtime.call("exec", fenced=True, command=[look], shell=True)
        assert done.exit_code == 0 and b"PATH=" in done.stdout
        self.tell(done.stdout, done.stderr)
        failed = runtime.call("exec", fenced=True, command=["cat /nonexistent; exit 3"], shell=True)
        self.tell(failed.stderr)
        viewer = Viewer(self.hub, runtime.call("pty_open", fenced=True, command=[]).channel)
        viewer.type(look + "; echo all-$((1+1))-of-it\n")
        self.tell(viewer.until("all-2-of-it"))
        viewer.close()
        for command in (["status"], ["status", "--json"], ["connections", "--json"], ["doctor"], ["doctor", "--json"],
                        ["self-check"], ["reload"], ["--help"], ["help", "connect"]):
            self.agent(*command)
            self.tell((self.home.config / "status.json").read_bytes())

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0


@pytest.mark.parametrize("way", ["token on the command line", "token from a file", "token in the environment of run",
                                 "device code"])
def test_no_secret_is_seen_by_others(hub, tmp_path, way):
    tap, home = Tap(hub.port), Home(tmp_path / "home")
    (tmp_path / "home").mkdir()
    mark = f"{WATCHED_MARK}={os.urandom(8).hex()}"
    home.environment.update(dict([mark.split("=")]), OPENGENI_LOG="trace", SHELL="/bin/sh",
                            OPENGENI_API_URL=f"http://127.0.0.1:{tap.port}", HOME=str(tmp_path / "home"))
    (tmp_path / "home/agent").mkdir(mode=0o700)
    (tmp_path / "home/agent/agent.ini").write_text("display = none\n")
    life, watch = Life(hub, home, tap), Watch(mark)
    given = {}
    try:
        if way == "device code":
            waiting = Connecting(Through(hub, tap), home)
            run("approve", "--data", hub.data, waiting.code)
            code, out, err = waiting.end()
            assert code == 0, err
            life.tell(out, err)
        elif way == "token in the environment of run":
            given["enrolment token"] = hub.token()
            home.environment["OPENGENI_ENROLL_TOKEN"] = given["enrolment token"]
        else:
            given["enrolment token"] = hub.token()
            secret = tmp_path / "token"
            secret.write_text(given["enrolment token"])
            secret.chmod(0o600)
            options = ["--token", given["enrolment token"]] if "line" in way else ["--token-file", secret]
            done = life.agent("connect", *options)
            assert done.returncode == 0, done.stderr
            secret.unlink()
        life.run(str(tmp_path / "home/agent.log"))
        home.environment.pop("OPENGENI_ENROLL_TOKEN", None)
        (connection,) = home.connections()
        credentials = connection["credentials"]
        life.work(credentials)
        assert life.agent("disconnect", connection["connection_id"]).returncode == 0
        wait_until(lambda: hub.state(credentials["agent_id"]) == "offline", what="the goodbye")
        life.stop()
    finally:
        watch.end()
        if life.process and life.process.poll() is None:
            life.process.kill()
            life.process.wait()
        tap.close()
    life.tell(open(life.log, "rb").read())
    given.update({"bearer": credentials["nats_bearer"], "relay token": credentials["relay_token"],
                  "seed": (home.config / "machine-identity.ed25519").read_bytes()})
    if way == "device code":
        given["device code"] = tap.find("deviceCode")
    assert all(len(secret) >= 16 for secret in given.values())

    def search(what, data, where):
        # The signature alone would do for a thief who can guess the rest.
        for name, secret in given.items():
            parts = [secret] if isinstance(secret, bytes) else [secret.encode()] + [
                p.encode() for p in secret.split(".") if len(p) >= 16]
            for part in parts:
                assert part not in data, f"the {name} is in {what} {where}"

    assert any(b"opengeni-agentd" in line for (_, line) in watch.found), "the daemon was not watched"
    assert any(b"/proc/$PPID" in line or b"sh" in line for (_, line) in watch.found)
    for (pid, line), texts in watch.found.items():
        for text in texts:
            if way.startswith("token") and is_young(line, text, given):
                continue
            search("command line or environment of process", text, f"{pid} ({line!r})")
    for text in life.said:
        search("what was said", text, text[:300])
    search("the hub's log", hub.log().encode(), "")
    for path, mode, data in every_file(tmp_path):
        if mode & 0o077:
            search("a file that others may read:", data, path)
        if "hub-" not in path and not path.endswith("machine-identity.ed25519"):
            search("a file that is left:", data, path)


def is_young(line, text, given):
    """The first moment of a process whose caller put the token there: before its first instruction
    nobody can take it away. The agent itself and nobody else may be seen so."""
    token = given["enrolment token"].encode()
    return token in text and AGENT.encode() in line and b"opengeni-agentd" not in line

