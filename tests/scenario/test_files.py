"""The file operations, over the real wire."""

import os
import random
import socket
import threading

import pytest

from rig import ControlError, Runtime, pb


def fails(call, code, errno=None):
    with pytest.raises(ControlError) as failure:
        call()
    assert failure.value.code == code, failure.value
    if errno is not None:
        assert failure.value.detail["errno"] == str(errno), failure.value.detail
    return failure.value


def test_write_then_read(online):
    agent, runtime = online
    assert runtime.call("fs_write", path="a/b/f", content=b"hello", create_parents=True).bytes_written == 5
    assert runtime.call("fs_read", path="a/b/f").content == b"hello"
    error = fails(lambda: runtime.call("fs_write", path="x/y/f", content=b""), "NOT_FOUND", 2)
    assert error.detail["context"] == f"open {agent.root}/x/y/f"
    runtime.call("fs_write", path="ap", content=b"a", append=True)
    runtime.call("fs_write", path="ap", content=b"b", append=True)
    assert runtime.call("fs_read", path="ap").content == b"ab"
    runtime.call("fs_write", path="~/probe", content=b"x")
    assert os.path.exists(os.path.join(agent.home, "probe"))


def test_ranges_are_exact(online):
    _, runtime = online
    runtime.call("fs_write", path="ten", content=b"0123456789")
    for offset, length, content in ((3, 4, b"3456"), (10, 5, b""), (2**63, 1, b""),
                                    (8, 2**64 - 1, b"89"), (0, 0, b"0123456789"), (4, 0, b"456789")):
        answer = runtime.call("fs_read", path="ten", offset=offset, length=length)
        assert (answer.content, answer.total_size) == (content, 10)


def test_a_large_file_comes_in_ranges(online):
    agent, runtime = online
    data = random.randbytes(3 << 20)
    with open(os.path.join(agent.root, "large"), "wb") as f:
        f.write(data)
    got = b""
    while len(got) < len(data):
        got += runtime.call("fs_read", path="large", offset=len(got), length=524288).content
    assert got == data
    assert fails(lambda: runtime.call("fs_read", path="large"), "PAYLOAD_TOO_LARGE").detail["op"] == "fs_read"


def test_what_is_no_ordinary_file(online):
    agent, runtime = online
    os.mkfifo(os.path.join(agent.root, "fifo"))
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.path.join(agent.root, "sock"))
    status = runtime.call("fs_read", path="/proc/self/status")
    assert status.content and status.total_size == len(status.content)
    fails(lambda: runtime.call("fs_read", path="/proc"), "OS", 21)
    fails(lambda: runtime.call("fs_read", path="fifo"), "OS", 22)
    fails(lambda: runtime.call("fs_read", path="sock"), "OS")
    fails(lambda: runtime.call("fs_read", path="/dev/zero"), "OS", 22)
    assert runtime.call("fs_read", path="/dev/zero", length=16).content == bytes(16)
    fails(lambda: runtime.call("fs_write", path="/dev/full", content=b"x"), "OS", 28)
    fails(lambda: runtime.call("fs_write", path="fifo", content=b"x"), "OS", 6)
    fails(lambda: runtime.call("fs_write", path=".", content=b"x"), "OS", 21)


def test_modes(server, make_agent):
    runtime = Runtime(server)
    agent = make_agent(server, start=False)
    agent.start(preexec_fn=lambda: os.umask(0o022))
    runtime.wait_online()
    mode = lambda name: os.stat(os.path.join(agent.root, name)).st_mode & 0o7777
    runtime.call("fs_write", path="secret", content=b"", mode=0o600)
    runtime.call("fs_write", path="tool", content=b"", mode=0o777)
    runtime.call("fs_write", path="secret", content=b"x", mode=0o777)
    runtime.call("fs_write", path="private/deep/f", content=b"", mode=0o600, create_parents=True)
    runtime.call("fs_mkdir", path="d/e", parents=True, mode=0o700)
    assert [mode(n) for n in ("secret", "tool", "private", "private/deep", "d", "d/e")] == \
        [0o600, 0o755, 0o700, 0o700, 0o755, 0o700]


def test_links_are_written_through_and_listed_as_links(online):
    agent, runtime = online
    target, link = os.path.join(agent.root, "target"), os.path.join(agent.root, "link")
    open(target, "w").close()
    os.symlink("target", link)
    runtime.call("fs_write", path="link", content=b"through")
    assert os.path.islink(link) and open(target).read() == "through"
    os.symlink("gone", os.path.join(agent.root, "dangling"))
    stat = runtime.call("fs_stat", path="dangling")
    assert stat.exists and stat.entry.kind == pb.FS_ENTRY_KIND_SYMLINK and stat.entry.path == "dangling"
    os.symlink("loop", os.path.join(agent.root, "loop"))
    fails(lambda: runtime.call("fs_read", path="loop"), "OS", 40)
    assert runtime.call("fs_stat", path="target/x").exists is False


def test_a_listing(online):
    agent, runtime = online
    directory = os.path.join(agent.root, "dir")
    os.makedirs(directory + "/sub/deep")
    for name in ("file", ".hidden"):
        open(os.path.join(directory, name), "w").close()
    os.chmod(directory + "/file", 0o644)
    os.mkfifo(directory + "/fifo")
    os.symlink("..", directory + "/up")
    open(os.path.join(os.fsencode(directory), b"\xff\xfe"), "w").close()
    entries = {e.name: e for e in runtime.call("fs_list", path="dir").entries}
    kinds = {name: e.kind for name, e in entries.items()}
    assert kinds == {"file": 1, ".hidden": 1, "fifo": 1, "sub": 2, "up": 3, "��": 1}
    assert all(e.path == e.name for e in entries.values()) and entries["file"].mode == 33188
    deep = [e.path for e in runtime.call("fs_list", path="dir", recursive=True).entries]
    assert "sub/deep" in deep and deep.index("sub") < deep.index("sub/deep")
    assert not any(path.startswith("up/") for path in deep)
    fails(lambda: runtime.call("fs_list", path="dir/file"), "OS", 20)
    fails(lambda: runtime.call("fs_list", path="none"), "NOT_FOUND")


def test_a_listing_of_a_hundred_thousand_names_is_refused_or_whole(online):
    agent, runtime = online
    directory = os.path.join(agent.root, "many")
    os.mkdir(directory)
    for i in range(100_000):
        os.close(os.open(f"{directory}/{i}", os.O_CREAT | os.O_WRONLY))
    assert fails(lambda: runtime.call("fs_list", path="many"), "PAYLOAD_TOO_LARGE").detail["op"] == "fs_list"
    assert runtime.ping().nonce == 7


def test_mkdir_and_move(online):
    agent, runtime = online
    runtime.call("fs_mkdir", path="d")
    fails(lambda: runtime.call("fs_mkdir", path="d"), "OS", 17)
    runtime.call("fs_mkdir", path="d", parents=True)
    fails(lambda: runtime.call("fs_mkdir", path="p/q"), "NOT_FOUND")
    for name in ("one", "two"):
        runtime.call("fs_write", path=name, content=name.encode())
    error = fails(lambda: runtime.call("fs_move", **{"from": "one"}, to="two"), "OS")
    assert error.detail == {} and "two" in error.message
    assert runtime.call("fs_read", path="two").content == b"two"
    runtime.call("fs_move", **{"from": "one"}, to="two", overwrite=True)
    assert runtime.call("fs_read", path="two").content == b"one"
    fails(lambda: runtime.call("fs_move", **{"from": "one"}, to="x"), "NOT_FOUND")
    os.symlink("nowhere", os.path.join(agent.root, "dangling"))
    fails(lambda: runtime.call("fs_move", **{"from": "two"}, to="dangling"), "OS")


def test_of_many_moves_to_one_name_one_wins(online):
    _, runtime = online
    for i in range(50):
        runtime.call("fs_write", path=f"src{i}", content=b"x")
    waiters = []
    for i in range(50):
        request = runtime.encode("fs_move", **{"from": f"src{i}"}, to="dst")
        waiters.append((request, runtime.nats.send_request(runtime.subject(),
                                                           request.SerializeToString())[1]))
    won = 0
    for request, waiter in waiters:
        try:
            runtime.result(request, waiter.get(timeout=60)[0])
            won += 1
        except ControlError:
            pass
    assert won == 1


def test_remove(online):
    agent, runtime = online
    fails(lambda: runtime.call("fs_remove", path="none"), "NOT_FOUND")
    runtime.call("fs_write", path="d/e/f", content=b"x", create_parents=True)
    outside = os.path.join(agent.home, "outside")
    os.mkdir(outside)
    open(os.path.join(outside, "kept"), "w").close()
    os.symlink(outside, os.path.join(agent.root, "d/link"))
    fails(lambda: runtime.call("fs_remove", path="d"), "OS", 39)
    runtime.call("fs_remove", path="d", recursive=True)
    assert not os.path.exists(os.path.join(agent.root, "d")) and os.path.exists(outside + "/kept")
    for path in ("/", "", "/../..", "/."):
        fails(lambda p=path: runtime.call("fs_remove", path=p, recursive=True), "OS")
    assert os.path.exists(agent.root)


def test_paths_that_cannot_be(online):
    _, runtime = online
    for path in ("x" * 5000, "x" * 300, "x/" * 400_000):
        fails(lambda p=path: runtime.call("fs_stat", path=p), "OS", 36)


def test_a_tree_that_changes_while_it_is_listed(online):
    agent, runtime = online
    busy = os.path.join(agent.root, "busy")
    os.mkdir(busy)
    done = threading.Event()

    def churn():
        i = 0
        while not done.is_set():
            path = f"{busy}/{i % 50}"
            if os.path.isdir(path):
                os.rmdir(path)
            else:
                os.mkdir(path)
            i += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(100):
            runtime.call("fs_list", path="busy", recursive=True)
    finally:
        done.set()
        thread.join()


def test_a_full_disk_is_an_error_and_nothing_else(online):
    agent, runtime = online
    small = os.path.join(agent.root, "small")
    os.mkdir(small)
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=64k none {small} 2>/dev/null") != 0:
        pytest.skip("mounting needs root")
    try:
        fails(lambda: runtime.call("fs_write", path="small/f", content=b"x" * 200_000), "OS", 28)
        assert runtime.ping().nonce == 7
    finally:
        os.system(f"umount {small}")
