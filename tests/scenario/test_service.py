"""The unit's command line, run as a service manager would: what it hears, and when."""
import hashlib
import os
import re
import shlex
import shutil
import signal
import queue
import socket
import subprocess
import threading

import pytest

from rig import BUILD, PATIENCE


class Manager:
    """A service manager's ear: sd_notify(3)."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard, self.said = [], queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        """All the time: who is not listened to would wait."""
        while message := self.socket.recv(4096):
            self.said.put(message.decode())

    def wait_for(self, state):
        while not any(state in message.split("\n") for message in self.heard):
            self.heard.append(self.said.get(timeout=PATIENCE))


@pytest.fixture
def manager(tmp_path):
    ear = Manager(tmp_path)
    yield ear
    ear.socket.shutdown(socket.SHUT_RDWR)
    ear.socket.close()


def unit_command(environment):
    """ExecStart= of the unit that would be installed here."""
    unit = subprocess.run([os.path.join(BUILD, "bin/opengeni-agent"), "service", "install", "--print"],
                          env=environment, capture_output=True, text=True, check=True).stdout
    return shlex.split(re.search(r"^ExecStart=(.*)$", unit, re.M).group(1))


@pytest.fixture
def start_unit(tmp_path, manager):
    running = []

    def start(config, **more):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path),
                       "OPENGENI_CONFIG_DIR": str(config), "INVOCATION_ID": "0" * 32,
                       "NOTIFY_SOCKET": manager.path, **more}
        with open(tmp_path / "unit.log", "ab") as log:
            process = subprocess.Popen(unit_command(environment), env=environment, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_an_unconnected_service_waits_and_serves_what_comes(server, make_agent, manager, start_unit, tmp_path):
    donor = make_agent(server, start=False)
    config = tmp_path / "config"
    config.mkdir(mode=0o700)
    process = start_unit(config)
    manager.wait_for("READY=1")
    manager.wait_for("STATUS=Waits for a connection (opengeni-agent connect)")
    assert process.poll() is None
    os.rename(os.path.join(donor.config, "credentials.json"), config / "credentials.json")
    manager.wait_for("STATUS=1 of 1 connections online")
    process.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    assert process.wait(60) == 0


def test_the_watchdog_is_fed_while_another_agent_serves(server, make_agent, manager, start_unit):
    agent = make_agent(server)
    agent.wait_for_log(" online ")
    process = start_unit(agent.config, WATCHDOG_USEC="400000")
    manager.wait_for("STATUS=Waits for another agent to end")
    manager.heard.clear()
    manager.wait_for("WATCHDOG=1")
    manager.heard.clear()
    manager.wait_for("WATCHDOG=1")
    agent.stop()
    manager.wait_for("STATUS=1 of 1 connections online")
    manager.heard.clear()
    manager.wait_for("WATCHDOG=1")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


# --- systemctl and its kin, replaced in a mount namespace: no test may turn on services here

FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$FAKE_LOG"
case "$*" in
*"${FAKE_FAIL:-nothing does}"*) exit 1 ;;
*--version*) echo "systemd ${FAKE_VERSION:-252} (${FAKE_VERSION:-252}.1)" ;;
*--user*show*) cat "$FAKE_STATE" ;;
*show*) cat "$FAKE_STATE.system" 2>/dev/null ;;
esac
exit ${FAKE_EXIT:-0}
"""

STATE = """LoadState=loaded
ActiveState={active}
SubState={sub}
UnitFileState=enabled
MainPID={pid}
NRestarts=2
ExecMainStatus={status}
StatusText=1 of 1 connections online
"""


class Systemd:
    """A machine that systemd runs, as far as the agent's commands look."""

    def __init__(self, directory):
        self.directory, self.home = directory, directory / "home"
        self.home.mkdir()
        for name in ("systemctl", "loginctl", "journalctl"):
            (directory / name).write_text(FAKE)
            (directory / name).chmod(0o755)
        self.log, self.state = directory / "calls", directory / "state"
        self.set_state("active", "running", 4711)
        self.unit = self.home / ".config/systemd/user/opengeni-agent.service"

    def set_state(self, active, sub, pid=0, status=0):
        self.state.write_text(STATE.format(active=active, sub=sub, pid=pid, status=status))

    def agent(self, *arguments, program=None, before="", **more):
        """before: shell commands, in whose process the agent then runs."""
        mounts = "".join(f"mount --bind {self.directory / n} /usr/bin/{n}; "
                         for n in ("systemctl", "loginctl", "journalctl") if os.path.exists(f"/usr/bin/{n}"))
        script = ("mount -t tmpfs none /run && mkdir -p /run/systemd/system && " + mounts + before +
                  "exec \"$0\" \"$@\"")
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "FAKE_LOG": str(self.log),
                       "FAKE_STATE": str(self.state), **more}
        done = subprocess.run(["unshare", *NAMESPACE, "sh", "-c", script,
                               program or os.path.join(BUILD, "bin/opengeni-agent"), *arguments],
                              env=environment, capture_output=True, text=True, timeout=60)
        calls = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return done, calls


def _namespace():
    for flags in (["-m"], ["-rm"]):
        script = "mount -t tmpfs none /run"
        if subprocess.run(["unshare", *flags, "sh", "-c", script], capture_output=True).returncode == 0:
            return flags
    return None


NAMESPACE = _namespace()
pytestmark_systemd = pytest.mark.skipif(NAMESPACE is None or not os.path.exists("/usr/bin/systemctl"),
                                        reason="no mount namespaces, or no systemctl to stand in for")


@pytest.fixture
def systemd(tmp_path):
    return Systemd(tmp_path)


@pytestmark_systemd
def test_the_service_is_installed_kept_up_to_date_and_removed(systemd):
    done, calls = systemd.agent("start")
    assert done.returncode == 0, done.stderr
    assert [c for c in calls if "--version" not in c and "linger" not in c] == [
        "systemctl --user daemon-reload", "systemctl --user enable --now opengeni-agent.service"]
    assert any(c.startswith("loginctl enable-linger ") for c in calls)
    first = systemd.unit.read_text()
    assert "DelegateSubgroup" not in first and "Delegate=yes" in first
    drop_in = systemd.unit.parent / "opengeni-agent.service.d/own.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nNice=5\n")

    done, calls = systemd.agent("service", "install", FAKE_VERSION="255")  # the system was upgraded
    assert done.returncode == 0 and "DelegateSubgroup=supervisor" in systemd.unit.read_text()
    assert not any("restart" in c for c in calls)  # what runs is left alone
    done, calls = systemd.agent("service", "install", "--restart", FAKE_VERSION="255")
    assert done.returncode == 0 and "Wrote" not in done.stdout
    assert "systemctl --user restart opengeni-agent.service" in calls

    done, calls = systemd.agent("service", "uninstall")
    assert done.returncode == 0 and not systemd.unit.exists()
    assert "systemctl --user disable --now opengeni-agent.service" in calls
    assert drop_in.exists() and list(systemd.unit.parent.glob("*.bak")) == []
    done, _ = systemd.agent("service", "uninstall")
    assert done.returncode == 0 and "There was no service" in done.stdout


@pytestmark_systemd
def test_a_unit_that_a_person_wrote_is_theirs(systemd):
    systemd.unit.parent.mkdir(parents=True)
    systemd.unit.write_text("[Service]\nExecStart=/opt/mine\n")
    for command in (["start"], ["service", "install"], ["service", "uninstall"]):
        done, calls = systemd.agent(*command)
        assert done.returncode == 1 and "--force" in done.stderr
        assert not any(w in c for c in calls for w in ("enable", "disable", "daemon-reload"))
        assert systemd.unit.read_text() == "[Service]\nExecStart=/opt/mine\n"
    done, _ = systemd.agent("start", "--force")
    assert done.returncode == 0 and "X-OpenGeni-Managed" in systemd.unit.read_text()
    kept = systemd.unit.with_name(systemd.unit.name + ".bak")
    assert kept.read_text() == "[Service]\nExecStart=/opt/mine\n"
    systemd.unit.write_text(systemd.unit.read_text() + "# a word of mine\n")
    assert systemd.agent("service", "uninstall")[0].returncode == 1
    done, _ = systemd.agent("service", "uninstall", "--force")
    assert done.returncode == 0 and not systemd.unit.exists() and "# a word of mine" in kept.read_text()


@pytestmark_systemd
def test_the_state_is_told_in_words_and_by_the_exit_status(systemd):
    done, _ = systemd.agent("service", "status")
    assert done.returncode == 4 and "not installed" in done.stdout
    systemd.agent("start")
    done, _ = systemd.agent("service", "status")
    assert done.returncode == 0 and "is active (running)" in done.stdout
    assert "4711" in done.stdout and "1 of 1 connections online" in done.stdout
    systemd.set_state("failed", "failed", status=78)
    done, _ = systemd.agent("service", "status")
    assert done.returncode == 3 and "is failed" in done.stdout and "78" in done.stdout
    done, _ = systemd.agent("service", "status", FAKE_EXIT="1")
    assert done.returncode == 3 and "does not tell" in done.stdout
    for verb in ("start", "stop", "restart"):
        done, calls = systemd.agent("service", verb)
        assert done.returncode == 0 and f"systemctl --user {verb} opengeni-agent.service" in calls
        done, _ = systemd.agent("service", verb, FAKE_EXIT="5")
        assert done.returncode == 1 and f"'systemctl --user {verb}' ended with status 5" in done.stderr
    done, calls = systemd.agent("logs", "--follow")
    assert done.returncode == 0 and calls == ["journalctl --user-unit opengeni-agent.service --follow"]


@pytestmark_systemd
def test_without_lingering_the_way_to_it_is_told(systemd):
    done, _ = systemd.agent("start", FAKE_EXIT="1")
    assert "loginctl enable-linger" in done.stderr and done.returncode == 1  # enabling failed, too
    assert "'systemctl --user daemon-reload' ended with status 1" in done.stderr


@pytestmark_systemd
def test_a_systemctl_in_the_path_takes_nobodys_place(systemd, tmp_path):
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "systemctl").write_text(f"#!/bin/sh\ntouch {tmp_path}/hijacked\n")
    (shims / "systemctl").chmod(0o755)
    done, _ = systemd.agent("start", PATH=f"{shims}:{os.environ['PATH']}")
    assert done.returncode == 0 and not (tmp_path / "hijacked").exists()
    assert f'"PATH={shims}:' in systemd.unit.read_text()  # commands get the person's own


@pytestmark_systemd
def test_uninstall_leaves_a_unit_that_a_person_wrote(systemd):
    config = systemd.home / ".config/opengeni/agent"
    config.mkdir(parents=True, mode=0o700)
    (config / "agent.ini").write_text("")
    systemd.unit.parent.mkdir(parents=True)
    systemd.unit.write_text("[Service]\nExecStart=/opt/mine\n")
    for words in ([], ["--purge"]):
        done, calls = systemd.agent("uninstall", *words)
        assert done.returncode == 1 and "changed by hand, so nothing is removed" in done.stderr
        assert "--force" in done.stderr and calls == [] and done.stdout == ""
        assert systemd.unit.read_text() == "[Service]\nExecStart=/opt/mine\n" and (config / "agent.ini").exists()
    done, calls = systemd.agent("uninstall", "--purge", "--force")
    assert done.returncode == 0 and "it is kept as" in done.stdout, done.stderr
    assert "systemctl --user disable --now opengeni-agent.service" in calls
    assert not systemd.unit.exists() and not config.exists()
    kept = systemd.unit.with_name(systemd.unit.name + ".bak")
    assert kept.read_text() == "[Service]\nExecStart=/opt/mine\n"


# --- an old unit, found by a newer version that systemd starts by it

def older(unit):
    """The unit as a version before this one would have made it."""
    body = unit.split("\n", 1)[1].replace("OOMScoreAdjust=-100\n", "")
    assert "OOMScoreAdjust" in unit
    return f"# X-OpenGeni-Managed-Service=c1 sha256={hashlib.sha256(body.encode()).hexdigest()}\n{body}"


class Started:
    """The agent of a build that updates itself, as the unit's main process."""

    GROUP = "/user.slice/user-1000.slice/user@1000.service/app.slice/opengeni-agent.service"

    def __init__(self, systemd, directory):
        self.systemd, self.group = systemd, self.GROUP
        # No daemon lies beside it, so that one which goes on says so and ends.
        self.program = directory / "own" / "opengeni-agent"
        self.program.parent.mkdir()
        shutil.copy(os.path.join(BUILD, "test/updating/opengeni-agent"), self.program)
        self.state = {"MainPID": "$$", "FragmentPath": str(systemd.unit), "ExecStart": self.command()}
        done, _ = systemd.agent("start", program=self.program, FAKE_VERSION="255")
        assert done.returncode == 0, done.stderr
        self.new = systemd.unit.read_text()
        self.old = older(self.new)
        systemd.unit.write_text(self.old)

    def command(self, more=""):
        return (f"{{ path={self.program} ; argv[]={self.program} run{more} ; ignore_errors=no ; start_time=[n/a] ; "
                "stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }")

    def run(self, system="", program=None, **more):
        lines = "".join(f"{name}={value}\n" for name, value in self.state.items())
        group = self.systemd.directory / "group"
        group.write_text(f"3:cpu:/x\n0::{self.group}\n")
        before = (f"mount --bind {group} /proc/$$/cgroup && cat >$FAKE_STATE <<END\n{lines}END\n{system}\n")
        return self.systemd.agent("run", program=program or self.program, before=before,
                                  **{"FAKE_VERSION": "255", "INVOCATION_ID": "0" * 32, **more})


@pytest.fixture
def started(systemd, tmp_path):
    return Started(systemd, tmp_path)


def went_on(done):
    return done.returncode == 78 and "opengeni-agentd is missing" in done.stderr


@pytestmark_systemd
def test_the_unit_of_an_older_version_is_brought_up_to_date_at_a_start(started, systemd):
    done, calls = started.run()
    assert done.returncode == 0 and "systemd starts the agent by it" in done.stderr, done.stderr
    assert systemd.unit.read_text() == started.new
    assert calls[-2:] == ["systemctl --user daemon-reload",
                          "systemctl --user restart --no-block opengeni-agent.service"]
    assert not list(systemd.unit.parent.glob("*.bak")) and not list(systemd.unit.parent.glob("*.tmp"))
    # The one that systemd starts then finds nothing to do, and does not even ask.
    done, calls = started.run()
    assert went_on(done) and "unit" not in done.stderr and calls == ["systemctl --version"]
    # In its subgroup it is the same service.
    systemd.unit.write_text(started.old)
    started.group += "/supervisor"
    assert started.run()[0].returncode == 0 and systemd.unit.read_text() == started.new


@pytestmark_systemd
@pytest.mark.parametrize("change, said", [
    ({"group": "/user.slice/user-1000.slice/session-3.scope"}, None),
    ({"group": "/system.slice/x-opengeni-agent.service"}, None),
    ({"FAKE_VERSION": "253"}, None),
    ({"MainPID": "1"}, None),
    ({"FragmentPath": "/etc/systemd/user/opengeni-agent.service"}, "another file decides"),
    ({"more": " --wait"}, "another file decides"),
    ({"system": "sed s,FragmentPath=.*,FragmentPath=/etc/x, $FAKE_STATE >$FAKE_STATE.system"}, "two service managers"),
    ({"FAKE_FAIL": "restart"}, "'systemctl --user restart' ended with status 1"),
    ({"FAKE_FAIL": "daemon-reload"}, "'systemctl --user daemon-reload' ended with status 1"),
])
def test_a_unit_that_is_not_surely_ours_is_left_alone(started, systemd, change, said):
    started.group = change.pop("group", started.group)
    started.state["ExecStart"] = started.command(change.pop("more", ""))
    for name in ("MainPID", "FragmentPath"):
        started.state[name] = change.pop(name, started.state[name])
    done, _ = started.run(**change)
    assert went_on(done), (done.stdout, done.stderr)
    assert systemd.unit.read_text() == started.old
    assert said in done.stderr if said else "unit" not in done.stderr, done.stderr
    assert not list(systemd.unit.parent.glob("*.bak"))


@pytestmark_systemd
def test_a_changed_unit_and_one_of_a_package_are_left_alone(started, systemd):
    done, calls = started.run(program=os.path.join(BUILD, "bin/opengeni-agent"),
                              OPENGENI_CONFIG_DIR="/proc/none")  # the packaged build goes no further
    assert systemd.unit.read_text() == started.old and calls == [], done.stderr
    systemd.unit.write_text(started.old + "# a word of mine\n")
    done, calls = started.run()
    assert went_on(done) and calls == ["systemctl --version"]
    assert systemd.unit.read_text() == started.old + "# a word of mine\n"
