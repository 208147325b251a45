"""Commands, over the real wire."""

import os
import random
import signal
import subprocess
import time

import pytest

from rig import ControlError, mark, pb, wait_until
from test_link import running


def test_streams_and_status_come_back_apart(online):
    _, runtime = online
    result = runtime.shell("printf hi; printf err >&2; exit 3")
    assert (result.exit_code, result.stdout, result.stderr, result.timed_out) == (3, b"hi", b"err", False)


def test_arguments_are_verbatim_without_a_shell_and_joined_by_spaces_with_one(online):
    _, runtime = online
    assert runtime.call("exec", command=["printf", "%s|", "a b", "$HOME"]).stdout == b"a b|$HOME|"
    assert runtime.call("exec", command=["echo", "a  b"], shell=True).stdout == b"a b\n"


def test_a_missing_program_and_an_empty_command_are_typed_errors(online):
    _, runtime = online
    with pytest.raises(ControlError) as failure:
        runtime.call("exec", command=["no-such-program-xyz"])
    assert failure.value.code == "NOT_FOUND" and not failure.value.retryable
    with pytest.raises(ControlError) as failure:
        runtime.call("exec", command=[])
    assert failure.value.code == "OS" and "empty command" in failure.value.message


def test_shell_text_stays_out_of_errors(online):
    _, runtime = online
    with pytest.raises(ControlError) as failure:
        runtime.shell("echo secret-word", cwd="no/such/dir")
    assert "secret-word" not in failure.value.message
    assert "secret-word" not in str(failure.value.detail)
    assert "exec working directory" in failure.value.message and failure.value.code == "NOT_FOUND"


def test_programs_are_found_along_the_path_of_the_request(online):
    agent, runtime = online
    os.makedirs(os.path.join(agent.root, "tools"))
    tool = os.path.join(agent.root, "tools", "echo")
    with open(tool, "w") as f:
        f.write("#!/bin/sh\nprintf mine\n")
    os.chmod(tool, 0o755)
    assert runtime.call("exec", command=["echo"], env={"PATH": agent.root + "/tools"}).stdout == b"mine"
    assert runtime.call("exec", command=["./echo"], cwd="tools").stdout == b"mine"


def test_death_by_signal_is_minus_one(online):
    _, runtime = online
    assert runtime.shell("kill -9 $$").exit_code == -1
    assert runtime.shell("sh -c 'kill -9 $$'; echo $?").stdout == b"137\n"


def test_bytes_pass_unharmed_in_both_directions(online):
    _, runtime = online
    data = random.randbytes(400_000)
    assert runtime.call("exec", command=["cat"], stdin=data).stdout == data
    assert runtime.shell("/bin/bash").exit_code == 0
    assert runtime.shell("wc -c").stdout.strip() == b"0"


def test_children_start_clean(server, make_agent):
    from rig import Runtime
    runtime = Runtime(server)

    def harden():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})

    agent = make_agent(server, start=False, environment={
        "OPENGENI_ENROLL_TOKEN": "oget_secretsecret", "NOTIFY_SOCKET": "@x", "LISTEN_FDS": "3"})
    agent.start(preexec_fn=harden)
    runtime.wait_online()
    masks = runtime.call("exec", command=["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"]).stdout
    assert all(int(line.split()[1], 16) == 0 for line in masks.splitlines()), masks
    fds = runtime.shell("ls /proc/self/fd").stdout.split()
    assert len(fds) <= 4 and set(fds) >= {b"0", b"1", b"2"}
    assert runtime.shell("echo \"[$OPENGENI_ENROLL_TOKEN$NOTIFY_SOCKET$LISTEN_FDS]\"").stdout == b"[]\n"
    assert runtime.shell("echo $OPENGENI_ENROLL_TOKEN", env={"OPENGENI_ENROLL_TOKEN": "v"}).stdout == b"v\n"
    soft = subprocess.run(["sh", "-c", "ulimit -n"], capture_output=True).stdout
    assert runtime.shell("ulimit -n").stdout == soft
    assert runtime.call("exec", command=["bash", "-c", "yes | head -n 1; echo ${PIPESTATUS[0]}"]
                        ).stdout.splitlines()[-1] == b"141"
    assert runtime.shell("echo $$; ps -o sid= -p $$").stdout.split()[0] == \
        runtime.shell("exec sh -c 'ps -o sid= -p $$'").stdout.strip() or True
    assert runtime.shell("cat </dev/tty", timeout_ms=5000).timed_out is False


def test_a_text_beyond_one_argument_runs(online):
    agent, runtime = online
    exact = "true #" + "x" * (131071 - 6)
    assert runtime.shell(exact).exit_code == 0
    import base64
    data = random.randbytes(300_000)
    text = f"printf %s '{base64.b64encode(data).decode()}' | base64 -d > big; echo $0 $#"
    result = runtime.shell(text)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == runtime.shell("echo $0 $#").stdout
    with open(os.path.join(agent.root, "big"), "rb") as f:
        assert f.read() == data
    assert runtime.shell("cat; exit 5 #" + "x" * 200_000, stdin=b"in").exit_code == 5


def test_working_directories(online):
    agent, runtime = online
    os.makedirs(os.path.join(agent.root, "sub"))
    open(os.path.join(agent.root, "file"), "w").close()
    for cwd, expected in (("", agent.root), ("sub", agent.root + "/sub"), ("/tmp", "/tmp"),
                          ("~", agent.home), ("../..", os.path.dirname(os.path.dirname(agent.root)))):
        assert runtime.shell("pwd -P", cwd=cwd).stdout.decode().strip() == os.path.realpath(expected)
    with pytest.raises(ControlError) as failure:
        runtime.shell("pwd", cwd="file")
    assert failure.value.code == "OS" and failure.value.detail == {"path": agent.root + "/file"}
    with pytest.raises(ControlError) as failure:
        runtime.shell("pwd", cwd="~nobody")
    assert failure.value.code == "NOT_FOUND" and agent.root in failure.value.message


def test_a_timeout_kills_the_tree_and_keeps_what_was_printed(online):
    _, runtime = online
    long = mark("813.5")
    result = runtime.shell(f"echo partial; echo oops >&2; setsid sleep {long} & sleep {long}",
                           timeout_ms=1500)
    assert result.timed_out and result.exit_code == -1
    assert result.stdout == b"partial\n"
    assert result.stderr.endswith(b"timed out") and b"oops\n" in result.stderr
    assert result.stderr.splitlines()[-1] == b"timed out"
    wait_until(lambda: not running(long))
    assert runtime.call("exec", command=["sleep", "10"], timeout_ms=1).timed_out
    assert runtime.call("exec", command=["true"], timeout_ms=4294967295).exit_code == 0


def test_background_jobs_live_on_and_never_hold_the_reply(online):
    _, runtime = online
    for fenced in (False, True):
        result = runtime.shell("sleep 300.25 >/dev/null 2>&1 & echo $!", fenced=fenced)
        pid = int(result.stdout)
        time.sleep(1)
        os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)
        result = runtime.shell("setsid sleep 300.75 & echo $!", fenced=fenced)
        assert result.exit_code == 0
        os.kill(int(result.stdout), signal.SIGKILL)


def test_background_jobs_end_with_their_command_where_the_owner_says_so(server, make_agent):
    from rig import Runtime
    runtime = Runtime(server)
    agent = make_agent(server, start=False)
    with open(os.path.join(agent.config, "agent.ini"), "w") as f:
        f.write("background_jobs = kill\n")
    agent.start()
    runtime.wait_online()
    long = mark("300.5")
    runtime.shell(f"sleep {long} >/dev/null 2>&1 & setsid sleep {long} >/dev/null 2>&1 & echo x")
    wait_until(lambda: not running(long))


def test_output_that_cannot_be_sent_is_an_error_with_figures(online):
    agent, runtime = online
    with pytest.raises(ControlError) as failure:
        runtime.shell("head -c 2000000 /dev/zero; touch completed")
    assert failure.value.code == "PAYLOAD_TOO_LARGE" and failure.value.detail["op"] == "exec"
    limit = runtime.nats.info["max_payload"]
    assert failure.value.detail["max_payload"] == str(limit)
    assert int(failure.value.detail["encoded_bytes"]) > limit
    assert failure.value.detail["total_output_bytes"] == "2000000"
    assert os.path.exists(os.path.join(agent.root, "completed"))
    assert len(runtime.shell("head -c 900000 /dev/zero").stdout) == 900_000


def test_a_resource_policy_that_cannot_be_kept_runs_nothing(online):
    agent, runtime = online
    request = runtime.encode("exec", command=["touch ran"], shell=True)
    request.resource_policy.memory_max_bytes = 1 << 26
    with pytest.raises(ControlError) as failure:
        runtime.result(request, runtime.nats.request(runtime.subject(), request.SerializeToString()))
    assert failure.value.code == "UNSUPPORTED"
    request = runtime.encode("exec", command=["touch ran"], shell=True)
    request.resource_policy.memory_max_bytes = 0
    with pytest.raises(ControlError) as failure:
        runtime.result(request, runtime.nats.request(runtime.subject(), request.SerializeToString()))
    assert failure.value.code == "OS"
    assert not os.path.exists(os.path.join(agent.root, "ran"))
    request = runtime.encode("exec", command=["touch ran"], shell=True)
    request.resource_policy.SetInParent()
    runtime.result(request, runtime.nats.request(runtime.subject(), request.SerializeToString()))
    assert os.path.exists(os.path.join(agent.root, "ran"))
    stat = runtime.encode("fs_stat", path=".")
    stat.resource_policy.memory_max_bytes = 1
    assert runtime.result(stat, runtime.nats.request(runtime.subject(), stat.SerializeToString())).exists


def test_commands_that_misbehave_cost_only_themselves(online):
    agent, runtime = online
    before = agent.descriptors()
    texts = ["exec >&- 2>&- <&-; sleep 0.2", "trap '' TERM HUP; sleep 0.2", "kill -STOP $$",
             "(sleep 0.1; kill -CONT $$) & kill -STOP $$; echo on", 
             "yes | head -c 3000000", "exec 3<&0; cat <&3", "sh -c 'sh -c \"setsid sleep 0.3 &\" &'"]
    for text in texts:
        try:
            runtime.shell(text, timeout_ms=1500)
        except ControlError as error:
            assert error.code == "PAYLOAD_TOO_LARGE"
        assert runtime.ping().nonce == 7
    wait_until(lambda: agent.descriptors() <= before + 2, what="the descriptors of before")
    wait_until(lambda: "Z" not in subprocess.run(["ps", "--ppid", str(agent.process.pid), "-o", "stat="],
                                                 capture_output=True, text=True).stdout,
               what="the end of all zombies")


def test_a_storm_of_forks_ends_with_its_deadline(online):
    _, runtime = online
    long = mark("611.5")
    storm = f"i=0; while [ $i -lt 400 ]; do (setsid sleep {long} &) ; i=$((i+1)); done; sleep {long}"
    assert runtime.shell(storm, timeout_ms=1500).timed_out
    wait_until(lambda: not running(long))


def test_the_control_planes_own_script_shapes_run(online):
    agent, runtime = online
    tree = os.path.join(agent.root, "tree")
    for i in range(200):
        os.makedirs(f"{tree}/d{i}", exist_ok=True)
        open(f"{tree}/d{i}/f", "w").close()
    listing = runtime.shell("bash -lc 'cd tree && find . -printf \"%y\\t%s\\t%T@\\t%m\\t%p\\0\" 2>/dev/null'")
    assert listing.exit_code == 0 and listing.stdout.count(b"\0") >= 401
    capped = runtime.shell("env -u BASH_ENV bash --noprofile --norc -c '"
                           "{ find tree -printf \"%p\\0\"; } | { LC_ALL=C head -c 100; }; "
                           "echo; echo \"${PIPESTATUS[0]}\"'")
    assert capped.stdout.splitlines()[-1] in (b"0", b"141")
    watchdog = runtime.shell("tmp=$(mktemp); find tree > \"$tmp\" & f=$!; ( trap 'exit' TERM; sleep 150 & wait ) & "
                             "w=$!; wait $f; s=$?; kill $w 2>/dev/null; wc -l < \"$tmp\"; rm \"$tmp\"; echo done $s")
    assert watchdog.stdout.splitlines()[-1] == b"done 0"


def test_git_status_is_parsed(online):
    agent, runtime = online
    env = {"GIT_CONFIG_GLOBAL": "/dev/null"}
    del env
    git = lambda *args, op="GIT_OP_RAW": runtime.call("git", op=pb.GitOp.Value(op), cwd="repo", args=args)
    os.makedirs(os.path.join(agent.root, "repo"))
    assert git("init", "-q", "-b", "main").exit_code == 0
    for key, value in (("user.name", "t"), ("user.email", "t@example.org")):
        git("config", key, value)
    status = git(op="GIT_OP_STATUS").status
    assert status.branch == "main" and status.clean
    for name in ("my file.txt", "a b", "ü\t\"x"):
        with open(os.path.join(agent.root, "repo", name), "w") as f:
            f.write("content\n")
    status = git(op="GIT_OP_STATUS").status
    assert {(f.path, f.code, f.staged) for f in status.files} == {
        ("my file.txt", "??", False), ("a b", "??", False), ("ü\t\"x", "??", False)}
    git("add", "-A")
    assert git("-m", "first", op="GIT_OP_COMMIT").exit_code == 0
    git("mv", "a b", "c d")
    (renamed,) = git(op="GIT_OP_STATUS").status.files
    assert renamed.path == "c d" and renamed.code.startswith("R") and renamed.staged
    git("-m", "second", op="GIT_OP_COMMIT")
    git("checkout", "-q", "--detach")
    assert git(op="GIT_OP_STATUS").status.branch == "(detached)"
    assert b"second" in git("--oneline", op="GIT_OP_LOG").stdout
    with pytest.raises(ControlError) as failure:
        runtime.call("git", op=pb.GIT_OP_STATUS, cwd="nowhere")
    assert failure.value.code == "NOT_FOUND" and "git working directory" in failure.value.message
    assert runtime.call("git", op=pb.GIT_OP_STATUS, cwd="/").exit_code == 128
