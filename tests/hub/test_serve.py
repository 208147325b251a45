"""Starting, stopping, reloading and finding a hub, as an admin does it."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request

import pytest

from hubrig import Hub, NatsClient, free_port, run, wait_until


def test_stop_is_clean_and_quick(hub):
    hub.machine().online()
    began = time.monotonic()
    assert hub.stop() == 0
    assert time.monotonic() - began < 20
    assert "stopping" in hub.log()
    for name in ("hub.sock", "hub.json"):
        assert not os.path.exists(os.path.join(hub.data, name))
    hub.start()
    assert hub.stop(signal.SIGINT) == 0


def test_a_stop_while_it_waits_for_the_server_is_quick_too(make_hub):
    hub = make_hub("--nats-url", f"nats://127.0.0.1:{free_port()}", "--agents-url",
                   "wss://hub.example", "--web-url", "https://hub.example/", start=False)
    hub.spawn()
    wait_until(lambda: os.path.exists(hub.data + "/hub.sock"))
    began = time.monotonic()
    assert hub.stop() == 0
    assert time.monotonic() - began < 8


def test_only_one_hub_serves_from_a_directory(hub):
    done = run("serve", "--data", hub.data, "--listen", f"127.0.0.1:{free_port()}", check=False)
    assert done.returncode == 1 and str(hub.process.pid) in done.stderr
    assert hub.get("/healthz")[0] == 200


@pytest.mark.parametrize("which", ["port", "agents_port", "nats_port"])
def test_a_port_that_is_taken_is_named(make_hub, which):
    hub = make_hub(start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", getattr(hub, which)))
        taken.listen()
        done = run(*hub.command()[1:], check=False)
        assert done.returncode == 1
        assert str(getattr(hub, which)) in done.stderr and "in use" in done.stderr
    hub.start()


def test_a_stranger_on_the_server_port_gets_no_password(make_hub):
    """While nats-server cannot have its port, the hub does not talk to whoever has it."""
    hub = make_hub(start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", hub.nats_port))
        taken.listen()
        taken.settimeout(0.2)
        run(*hub.command()[1:], check=False)
        with pytest.raises(TimeoutError):
            taken.accept()


def test_directories_that_are_not_private_are_refused(make_hub, tmp_path):
    hub = make_hub(start=False)
    os.mkdir(hub.data)
    os.chmod(hub.data, 0o777)
    done = run(*hub.command()[1:], check=False)
    assert done.returncode == 1 and "chmod 700" in done.stderr
    os.chmod(hub.data, 0o755)
    hub.start()
    assert os.stat(hub.data).st_mode & 0o777 == 0o700
    hub.stop()
    os.chmod(os.path.join(hub.data, "hub.key"), 0o644)
    done = run(*hub.command()[1:], check=False)
    assert done.returncode == 1 and "hub.key" in done.stderr
    file = tmp_path / "file"
    file.write_text("")
    done = run("serve", "--data", file, check=False)
    assert done.returncode == 1 and "file" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_works_as_the_owner(make_hub, tmp_path):
    hub = make_hub()
    hub.stop()
    os.chmod(tmp_path, 0o700)
    directory = tmp_path
    while directory != directory.parent and not os.stat(directory).st_mode & 0o001:
        os.chmod(directory, 0o755)
        directory = directory.parent
    for name in [""] + os.listdir(hub.data):
        os.chown(os.path.join(hub.data, name), 12345, 12345)
    token = hub.token()
    assert token.startswith("oget_")
    vault = tmp_path / "vault"  # root's alone, which the owner may not write to
    vault.mkdir(mode=0o700)
    run("backup", "--data", hub.data, vault / "copy")
    assert os.stat(vault / "copy" / "hub.db").st_uid == 12345
    # where systemd keeps what belongs to a DynamicUser
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    os.rename(hub.data, private / "hub")
    os.symlink(private / "hub", hub.data)
    assert hub.token().startswith("oget_")
    run("machines", "--data", hub.data)
    assert {os.stat(os.path.join(hub.data, n)).st_uid for n in os.listdir(hub.data)} == {12345}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_directory_of_another_is_refused(make_hub):
    """The path is open to everybody here, so that the owner is what is refused."""
    with tempfile.TemporaryDirectory(prefix="opengeni-hub-") as public:
        os.chmod(public, 0o755)
        hub = make_hub(start=False)
        hub.data = os.path.join(public, "hub")
        os.mkdir(hub.data, 0o755)
        done = run(*hub.command()[1:], check=False, user=12345, group=12345, extra_groups=[])
        assert done.returncode == 1 and "belongs to user 0" in done.stderr, done
        assert os.listdir(hub.data) == []


def test_options_that_make_no_sense(tmp_path):
    for wrong in (["--listen", "nonsense"], ["--listen", "1.2.3.4"], ["--listen", "host:1"],
                  ["--listen", "127.0.0.1:0"], ["--listen", "127.0.0.1:70000"],
                  ["--listen", "127.0.0.1:4222"], ["--tls-cert", "x"], ["--nats-url", "nats://x"],
                  ["--nats-url", "nats://u:p@x", "--agents-url", "wss://y"], ["-xy"],
                  ["--nats-url", "x", "--agents-url", "wss://y"], ["--agents-url", "y:1"],
                  ["--agents-url", "https://y"], ["--relay-url", "tls://y"], ["--relay-url", "wss://"],
                  ["--web-url", "hub.example"],
                  ["--name", "a b"], ["--what"], ["extra"], ["--data"]):
        done = run("serve", "--data", tmp_path / "d", *wrong, check=False)
        assert done.returncode == 2, (wrong, done.stderr)
        assert not os.path.exists(tmp_path / "d")
        assert not wrong[-1].startswith("-x") or "option -x" in done.stderr
    done = run("frobnicate", check=False)
    assert done.returncode == 2 and "no command frobnicate" in done.stderr
    assert run("token", "--data", tmp_path / "d", "--count", "5x", check=False).returncode == 2
    for verb in (["token"], ["machines"], ["revoke", "x"], ["workspace"], ["backup", tmp_path / "copy"]):
        done = run(*verb, "--data", tmp_path / "d", check=False)
        assert done.returncode == 1 and "opengeni-hub serve" in done.stderr, (verb, done)
    assert os.listdir(tmp_path) == []


def test_a_directory_whose_name_leaves_no_room_for_the_socket(make_hub, tmp_path):
    hub = make_hub(start=False)
    hub.data = str(tmp_path / ("x" * 120))
    done = run(*hub.command()[1:], check=False)
    assert done.returncode == 1 and "hub.sock: File name too long" in done.stderr, done
    assert "libwebsockets" not in done.stderr


def https(hub, path, host="127.0.0.1"):
    context = ssl.create_default_context(cafile=os.path.join(hub.data, "tls/ca.pem"))
    with urllib.request.urlopen(f"https://{host}:{hub.port}{path}", context=context) as answer:
        return answer.read().decode()


class TlsHub(Hub):
    def _ready(self):
        assert self.process.poll() is None, self.log()
        try:
            return https(self, "/healthz") == "ok\n"
        except OSError:
            return False


@pytest.fixture
def tls_hub(tmp_path):
    (tmp_path / "hub-tls").mkdir()
    hub = TlsHub(tmp_path / "hub-tls", "--tls", "--name", "hub.example")
    yield hub
    hub.kill()


def server_certificate(hub, port, name):
    context = ssl.create_default_context(cafile=os.path.join(hub.data, "tls/ca.pem"))
    with socket.create_connection(("127.0.0.1", port)) as raw:
        with context.wrap_socket(raw, server_hostname=name) as tls:
            return tls.getpeercert(binary_form=True)


def test_a_private_ca_is_made_once_and_renewed_by_itself(tls_hub):
    hub = tls_hub
    assert "BEGIN CERTIFICATE" in https(hub, "/ca.pem")
    names = [server_certificate(hub, port, name) for port in (hub.port, hub.agents_port)
             for name in ("hub.example", "localhost")]
    assert len(set(names)) == 1
    with pytest.raises(ssl.SSLCertVerificationError):
        server_certificate(hub, hub.port, "other.example")
    token = hub.token()
    request = urllib.request.Request(
        f"https://127.0.0.1:{hub.port}/v1/enrollments/token/exchange",
        json.dumps({"token": token, "publicKey": "k"}).encode())
    context = ssl.create_default_context(cafile=os.path.join(hub.data, "tls/ca.pem"))
    with urllib.request.urlopen(request, context=context) as answer:
        credentials = json.load(answer)["credentials"]
    assert credentials["natsUrls"] == [f"wss://hub.example:{hub.agents_port}"]
    assert credentials["relayUrl"] == f"wss://hub.example:{hub.port}/stream"

    ca = hub.file("tls/ca.pem")
    hub.stop()
    hub.arguments = ("--tls", "--name", "new.example")  # not in the certificate yet
    hub.start()
    assert hub.file("tls/ca.pem") == ca
    assert server_certificate(hub, hub.agents_port, "new.example") != names[0]
    hub.stop()
    os.unlink(os.path.join(hub.data, "tls/ca.key"))
    done = run(*hub.command()[1:], check=False)
    assert done.returncode == 1 and "ca.key" in done.stderr


def test_the_certificate_is_good_for_openssl(tls_hub):
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
                           tls_hub.data + "/tls/ca.pem", tls_hub.data + "/tls/server.pem"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_http_where_https_is_wanted_is_told_so(tls_hub):
    for _ in range(3):
        status, answer = tls_hub.post("/v1/enrollments/token/exchange", {"token": "x" * 1000})
        assert status == 400 and "https" in answer["error"]["message"]
    assert https(tls_hub, "/healthz") == "ok\n"
    assert "good for these names" in tls_hub.log() and "hub.example" in tls_hub.log()


def test_reload_takes_over_a_new_certificate(tls_hub, tmp_path):
    hub = tls_hub
    for name in ("server.pem", "server.key"):
        shutil.copy(os.path.join(hub.data, "tls", name), tmp_path / name)
    hub.stop()
    hub.arguments = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key",
                     str(tmp_path / "server.key"))
    hub.start()
    first = server_certificate(hub, hub.port, "hub.example")
    machine_port = server_certificate(hub, hub.agents_port, "hub.example")
    assert first == machine_port
    pid = hub.process.pid
    new = ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout",
           str(tmp_path / "k"), "-out", str(tmp_path / "csr")]
    subprocess.run(new, check=True, capture_output=True)
    (tmp_path / "ext").write_text("subjectAltName=DNS:hub.example,IP:127.0.0.1\n")
    subprocess.run(["openssl", "x509", "-req", "-in", str(tmp_path / "csr"), "-CA",
                    hub.data + "/tls/ca.pem", "-CAkey", hub.data + "/tls/ca.key", "-out",
                    str(tmp_path / "c"), "-days", "30", "-extfile", str(tmp_path / "ext")],
                   check=True, capture_output=True)
    shutil.copy(tmp_path / "k", tmp_path / "server.key")
    hub.process.send_signal(signal.SIGHUP)  # key and certificate do not fit: nothing changes
    wait_until(lambda: "keeping the old" in hub.log())
    assert server_certificate(hub, hub.port, "hub.example") == first
    shutil.copy(tmp_path / "c", tmp_path / "server.pem")
    hub.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server_certificate(hub, hub.port, "hub.example") != first)
    wait_until(lambda: server_certificate(hub, hub.agents_port, "hub.example") != first)
    assert hub.process.pid == pid


def test_certificates_that_cannot_be_used_are_named(make_hub, tmp_path):
    hub = make_hub("--tls-cert", "/nonexistent.pem", "--tls-key", "/nonexistent.key", start=False)
    done = run(*hub.command()[1:], check=False)
    assert done.returncode == 1 and "/nonexistent.pem" in done.stderr


def test_without_tls_only_loopback_is_silent(make_hub):
    hub = make_hub("--listen", f"0.0.0.0:{free_port()}", "--agents", f"0.0.0.0:{free_port()}",
                   "--no-tls", start=False)
    hub.port = int(hub.arguments[1].split(":")[1])
    hub.start()
    assert "not encrypted" in hub.log()


def test_programs_of_the_same_user_find_the_hub(make_hub, tmp_path):
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    hub = make_hub(environment={"XDG_RUNTIME_DIR": str(runtime)})
    path = runtime / "opengeni-hub.json"
    wait_until(path.exists)
    found = json.loads(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert found == json.loads(hub.file("hub.json"))
    assert found["version"] == 1 and found["pid"] == hub.process.pid
    assert found["http_url"] == f"http://127.0.0.1:{hub.port}"
    with open(found["nats_token_file"]) as f:
        NatsClient(int(found["nats_url"].rsplit(":", 1)[1]), token=f.readline().strip())
    with open(found["admin_token_file"]) as f:
        assert hub.request("GET", "/api/machines", token=f.readline().strip())[0] == 200
    hub.stop()
    assert not path.exists()


def test_a_hub_on_all_addresses_is_found_by_one_that_its_certificate_names(make_hub):
    port, agents = free_port(), free_port()
    hub = make_hub("--listen", f"0.0.0.0:{port}", "--agents", f"127.0.0.3:{agents}", start=False)
    hub.spawn()
    wait_until(lambda: os.path.exists(hub.data + "/hub.json"))
    assert json.loads(hub.file("hub.json"))["http_url"] == f"https://127.0.0.1:{port}"
    hub.port = port
    assert https(hub, "/healthz") == "ok\n"
    context = ssl.create_default_context(cafile=os.path.join(hub.data, "tls/ca.pem"))
    with socket.create_connection(("127.0.0.3", agents)) as raw:
        context.wrap_socket(raw, server_hostname="127.0.0.3").close()


def test_the_service_manager_is_told(make_hub, tmp_path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(60)
    hub = make_hub(environment={"NOTIFY_SOCKET": str(tmp_path / "notify"),
                                "WATCHDOG_USEC": "5000000"})
    assert listener.recv(100) == b"READY=1"
    assert listener.recv(100) == b"WATCHDOG=1"
    hub.process.send_signal(signal.SIGTERM)
    while listener.recv(100) != b"STOPPING=1":
        pass
    assert hub.process.wait(60) == 0


def test_a_copy_made_while_serving_is_a_working_hub(hub, tmp_path):
    machine = hub.machine().online()
    copy = tmp_path / "copy"
    run("backup", "--data", hub.data, copy)
    assert {p.stat().st_mode & 0o077 for p in copy.rglob("*")} == {0}
    hub.stop()
    shutil.rmtree(hub.data)
    copy.rename(hub.data)
    hub.start()
    machine.online()
    done = run("backup", "--data", hub.data, tmp_path, check=False)
    assert done.returncode == 1 and "File exists" in done.stderr


def test_the_unit_file_is_accepted(tmp_path):
    from hubrig import ROOT
    unit = os.path.join(ROOT, "packaging/systemd/opengeni-hub.service")
    text = open(unit).read()
    assert "Type=notify" in text and "StateDirectory=opengeni-hub" in text
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    fixed = tmp_path / "opengeni-hub.service"
    fixed.write_text(text.replace("/usr/bin/opengeni-hub", shutil.which("true")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(fixed)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
