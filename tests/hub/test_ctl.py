"""opengeni-ctl and a real agent through the hub, as a person types it."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import time

import pytest

from hubrig import BIN, ROOT, run, wait_until

CTL, AGENT = os.path.join(BIN, "opengeni-ctl"), os.path.join(BIN, "opengeni-agent")


class Person:
    """A user of this machine: a home, a runtime directory, and the programs in PATH."""

    def __init__(self, directory):
        self.directory = directory
        self.runtime, self.work = directory / "runtime", directory / "work"
        for path in (self.runtime, self.work):
            path.mkdir(mode=0o700)
        keep = {k: v for k, v in os.environ.items()
                if k in ("LANG",) or k.endswith("SAN_OPTIONS")}
        self.environment = {**keep, "HOME": str(directory), "XDG_RUNTIME_DIR": str(self.runtime),
                            "PATH": BIN + ":" + os.environ["PATH"], "SHELL": "/bin/sh"}
        self.processes = []
        config = directory / ".config/opengeni/agent"
        config.mkdir(mode=0o700, parents=True)
        (config / "agent.ini").write_text("display = none\n")  # not those of other tests
        (config / "agent.ini").chmod(0o600)

    def ctl(self, *arguments, **environment):
        return subprocess.run([CTL, *map(str, arguments)], text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60,
                              env={**self.environment, **environment})

    def stranger(self, *arguments):
        """The same from a place where no hub says where it is."""
        return self.ctl(*arguments, XDG_RUNTIME_DIR="/nonexistent", HOME="/nonexistent")

    def connect(self, hub, *arguments):
        return subprocess.run([AGENT, "--api-url", f"http://127.0.0.1:{hub.port}", "connect",
                               *arguments], text=True, capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL, env=self.environment)

    def run_agent(self):
        log = open(self.directory / "agent.log", "ab")
        self.processes.append(subprocess.Popen(
            [AGENT, "run"], cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True))
        return self.processes[-1]

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                process.wait(60)


@pytest.fixture
def person(tmp_path):
    (tmp_path / "person").mkdir()
    person = Person(tmp_path / "person")
    yield person
    person.end()


@pytest.fixture
def own_hub(make_hub, person):
    return make_hub(environment={"XDG_RUNTIME_DIR": str(person.runtime)})


@pytest.fixture
def connected(own_hub, person):
    done = person.connect(own_hub, "--token", own_hub.token(), "--machine-name", "workstation")
    assert done.returncode == 0, done.stderr
    person.run_agent()
    return own_hub


def test_the_steps_of_a_new_user(own_hub, person):
    done = person.ctl("machines")
    assert done.returncode == 0 and "opengeni-hub token" in done.stderr
    done = person.connect(own_hub, "--token", own_hub.token(), "--machine-name", "workstation")
    assert done.returncode == 0, done.stderr
    done = person.ctl("exec", "workstation", "--", "uname", "-a")
    assert done.returncode == 125 and "has not been heard yet" in done.stderr
    person.run_agent()
    done = person.ctl("--wait", "60", "exec", "workstation", "--", "uname", "-a")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout == subprocess.run(["uname", "-a"], text=True, capture_output=True).stdout
    wait_until(lambda: "load1" in json.loads(person.ctl("machines", "--json").stdout)[0])
    head, row = person.ctl("machines").stdout.splitlines()
    assert head.split()[:5] == ["MACHINE", "NAME", "STATE", "PLATFORM", "SEEN"]
    assert row.split()[1:4] == ["workstation", "online", "linux/x86_64"]
    machine = row.split()[0]
    assert person.ctl("exec", machine, "--", "echo", "hi").stdout == "hi\n"
    assert " ERROR " not in own_hub.log() and " WARN " not in own_hub.log(), own_hub.log()
    assert person.ctl("exec", "workstation", "--", "sh", "-c", "exit 7").returncode == 7


def test_a_hub_elsewhere_is_named_by_url_and_token_file(connected, person):
    hub = ("--hub", f"http://127.0.0.1:{connected.port}/", "--hub-token-file",
           os.path.join(connected.data, "admin.token"))
    done = person.stranger(*hub, "--wait", "60", "exec", "workstation", "--", "pwd")
    assert (done.returncode, done.stdout.strip()) == (0, str(person.work)), done.stderr
    assert "workstation" in person.stranger(*hub, "machines").stdout
    done = person.ctl("machines", XDG_RUNTIME_DIR="/nonexistent",
                      OPENGENI_HUB=hub[1], OPENGENI_HUB_TOKEN_FILE=hub[3])
    assert "workstation" in done.stdout


def test_what_is_wrong_with_a_hub_is_said(connected, person, tmp_path):
    url = f"http://127.0.0.1:{connected.port}"
    (tmp_path / "wrong").write_text("nonsense\n")
    for arguments, status, text in (
            (["--hub", url, "machines"], 1, "--hub-token-file"),
            (["--hub", "ftp://x", "--hub-token-file", "x", "machines"], 1, "neither http nor https"),
            (["--hub", url, "--hub-token-file", tmp_path / "none", "machines"], 1, "none"),
            (["--hub", url, "--hub-token-file", tmp_path / "wrong", "machines"], 4, "admin token"),
            (["--hub", "http://127.0.0.1:1", "--hub-token-file", tmp_path / "wrong", "machines"], 4,
             "127.0.0.1:1")):
        done = person.stranger(*arguments)
        assert done.returncode == status and text in done.stderr, (arguments, done)
        assert "nonsense" not in done.stderr
    done = person.ctl("ping", "nosuch")
    assert done.returncode == 3 and "no machine nosuch" in done.stderr
    done = person.ctl("ping", "../../metrics")
    assert done.returncode == 3, done
    machine = json.loads(person.ctl("machines", "--json").stdout)[0]["agent"]
    assert person.ctl("--wait", "60", "ping", "-c1", "x/" + machine).returncode == 0


def test_machines_that_are_away_are_told_apart(connected, person):
    person.ctl("--wait", "60", "ping", "--count", "1", "workstation")
    person.processes[0].terminate()
    person.processes[0].wait(60)
    wait_until(lambda: connected.state("workstation") == "offline", what="the goodbye")
    done = person.ctl("ping", "workstation")
    assert done.returncode == 3 and "is offline, last seen" in done.stderr
    run("revoke", "--data", connected.data, "workstation")
    done = person.ctl("ping", "workstation")
    assert done.returncode == 3 and "revoked" in done.stderr
    assert "workstation" not in person.ctl("machines").stdout
    assert "revoked" in person.ctl("machines", "--all").stdout


def test_a_hub_that_was_killed_is_not_found(connected, person):
    connected.kill()
    done = person.ctl("-s", "nats://127.0.0.1:1", "machines")
    assert done.returncode == 4
    done = person.ctl("--timeout", "1", "ping", "workstation")  # what is left is the default server
    assert done.returncode in (3, 4), done
    assert done.returncode == 3 or "opengeni-hub serve" in done.stderr


def test_names_complete(connected, person):
    def complete(*words):
        return person.ctl("__complete", *words).stdout.split()

    # Nobody waits long for a name: on a busy machine there may be none.
    wait_until(lambda: complete("exec", "") == ["workstation"], what="the name")
    assert "machines" in complete("") and "__complete" not in complete("")
    assert complete("mach") == ["machines"]
    wait_until(lambda: complete("exec", "--cwd", "/", "work") == ["workstation"], what="the name")
    wait_until(lambda: complete("pty", "open", "w") == ["workstation"], what="the name")
    assert complete("exec", "workstation", "") == [] == complete("nosuch", "")
    assert "--cwd" in complete("exec", "--") and complete("exec", "--cwd", "") == []
    assert complete("--server") == ["--server"] and complete() == []


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_completes_names(connected, person):
    script = os.path.join(ROOT, "packaging/completions/opengeni-ctl.bash")
    text = (f'. "{script}"; COMP_WORDS=(opengeni-ctl exec w); COMP_CWORD=2; _opengeni_ctl; '
            'echo "${COMPREPLY[@]}"; complete -p opengeni-ctl')
    done = subprocess.run(["bash", "--norc", "-c", text], env=person.environment, text=True,
                          capture_output=True)
    assert done.stdout.splitlines()[0] == "workstation" and "_opengeni_ctl" in done.stdout


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
def test_fish_completes_names(connected, person):
    script = os.path.join(ROOT, "packaging/completions/opengeni-ctl.fish")
    text = f'source "{script}"; complete -C "opengeni-ctl exec w"; complete -C "opengeni-ctl mach"'
    done = subprocess.run(["fish", "--no-config", "-c", text], env=person.environment, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.stdout.split()[0] == "workstation" and "machines" in done.stdout, done


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_zsh_completes_names(connected, person):
    """zsh completes in an interactive shell only: it gets a terminal, and a person who types."""
    directory = os.path.join(ROOT, "packaging/completions")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**person.environment, "TERM": "dumb", "PS1": "> "})
    try:
        os.write(terminal, f"fpath=({directory} $fpath); autoload -U compinit; compinit -u -D; "
                 "PS1=ready' '\n".encode())
        seen = read_until(terminal, "ready ")
        os.write(terminal, b"print -r -- opengeni-ctl exec w\b")
        os.write(terminal, b"\x15opengeni-ctl exec w\t")
        read_until(terminal, "exec workstation")
        os.write(terminal, b"\x15opengeni-ctl mach\t")
        read_until(terminal, "opengeni-ctl machines")
        assert "not found" not in seen
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def read_until(terminal, text, seconds=60):
    seen, end = "", time.monotonic() + seconds
    while text not in seen.replace("\b", ""):
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
    return seen


def test_every_help_fits_a_screen():
    def help_of(*words):
        done = subprocess.run([CTL, "help", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == "", done
        return done.stdout.splitlines()

    names = [line.split()[0] for line in help_of("commands")]
    assert len(names) > 20
    overview = " ".join(help_of())
    for name in names:
        assert name == "help" or f" {name} " in overview, name
    for lines in [help_of(), help_of("options"), *(help_of(name) for name in names)]:
        assert max(len(line) for line in lines) <= 80 and len(lines) <= 24, "\n".join(lines)
