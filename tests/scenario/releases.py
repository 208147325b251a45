"""Releases to install and to update to: real signatures, a real server, real programs.

The next version is this one with another number in it. Keys: the build in test/updating trusts the
key whose secret half is 00 01 .. 1f; releases are signed here as minisign would sign them.
"""
import base64
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import tarfile
import threading

import pytest

from rig import BUILD

SOURCE = os.path.join(os.path.dirname(__file__), "../..")
SEED, KEY_ID = bytes(range(32)), bytes(range(1, 9))
PROGRAMS = ["opengeni-agent", "opengeni-agentd", "opengeni-agent-desktop"]


def program(name):
    return os.path.join(BUILD, "test/updating" if name == "opengeni-agent" else "bin", name)


VERSION = subprocess.run([program("opengeni-agent"), "--version"], capture_output=True, text=True,
                         check=True).stdout.split()[1]
NEXT = VERSION[:-1] + str((int(VERSION[-1]) + 1) % 10)
AFTER = VERSION[:-1] + str((int(VERSION[-1]) + 2) % 10)
TARGET = os.uname().machine + "-unknown-linux-gnu"


class Signer:
    def __init__(self, directory, seed=SEED):
        self.key = directory / f"key-{seed[0]}"
        # PKCS #8 of an Ed25519 key, RFC 8410.
        der = bytes.fromhex("302e020100300506032b657004220420") + seed
        self.key.write_text("-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(der).decode() +
                            "\n-----END PRIVATE KEY-----\n")

    def raw(self, data):
        message = self.key.with_suffix(".data")
        message.write_bytes(data)
        return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", message],
                              capture_output=True, check=True).stdout

    def sign(self, path, comment="timestamp:1700000000\thashed"):
        signature = self.raw(hashlib.blake2b(path.read_bytes()).digest())
        over_all = self.raw(signature + comment.encode())
        path.with_name(path.name + ".minisig").write_text("\n".join([
            "untrusted comment: signature", base64.b64encode(b"ED" + KEY_ID + signature).decode(),
            "trusted comment: " + comment, base64.b64encode(over_all).decode(), ""]))


def archive(path, version, replace=None):
    """A release as ./dev package makes one; replace: other texts for some of its programs."""
    stage = path.parent / f"stage-{version}"
    files = stage / "name" / "files" / "bin"
    files.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        with open(program(name), "rb") as file:
            # Not the versions of symbols: LIBPROTOBUF_C_1.0.0.
            data = re.sub(rb"(?<![_0-9.])" + re.escape(VERSION.encode()), version.encode(), file.read())
        if name in (replace or {}):
            data = replace[name].encode()
        (files / name).write_bytes(data)
        (files / name).chmod(0o755)
    shutil.copy(os.path.join(SOURCE, "packaging/install.sh"), stage / "name")
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(stage / "name", "name")
    return stage / "name"


class Release:
    """A directory that a server serves."""

    def __init__(self, directory):
        self.root = directory / "release"
        self.channel = self.root / "agent" / "stable"
        self.channel.mkdir(parents=True)
        self.signer = Signer(directory)
        self.asset = self.channel / "agent.tar.gz"

    def offer(self, version=NEXT, replace=None, **more):
        archive(self.asset, version, replace)
        self.signer.sign(self.asset)
        self.publish(version, **more)

    def publish(self, version=NEXT, target=TARGET, **more):
        data = self.asset.read_bytes() if self.asset.exists() else b""
        manifest = {"channel": "stable", "version": version, "min_supported": "0.0.1",
                    "artifacts": [{"target": target, "url": "agent/stable/agent.tar.gz", "size": len(data),
                                   "sha256": hashlib.sha256(data).hexdigest(),
                                   "minisig_url": "agent/stable/agent.tar.gz.minisig"}], **more}
        (self.channel / "manifest.json").write_text(json.dumps(manifest))
        self.signer.sign(self.channel / "manifest.json")


class Handler(http.server.SimpleHTTPRequestHandler):
    redirect = None

    def do_GET(self):
        if self.redirect and self.path.endswith(".tar.gz"):
            self.send_response(302)
            self.send_header("Location", self.redirect + self.path)
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_):
        pass


def serve(root, context=None, redirect=None):
    handler = type("Here", (Handler,), {"redirect": redirect})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=root))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scheme = "https" if context else "http"
    return server, f"{scheme}://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def release(tmp_path):
    made = Release(tmp_path)
    server, made.url = serve(made.root)
    yield made
    server.shutdown()
    server.server_close()


class Installation:
    def __init__(self, directory):
        self.home = directory / "home"
        self.home.mkdir()
        self.config = self.home / "config"
        self.environment = {"HOME": str(self.home), "PATH": os.environ["PATH"],
                            "OPENGENI_CONFIG_DIR": str(self.config), "OPENGENI_NO_SERVICE": "1",
                            **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
        self.lib = self.home / ".local/lib/opengeni-agent"
        self.agent = self.home / ".local/bin/opengeni-agent"

    def install(self, tree, *words, **more):
        return subprocess.run([tree / "install.sh", *words], env={**self.environment, **more},
                              capture_output=True, text=True, timeout=120)

    def run(self, *words, **more):
        return subprocess.run([self.agent, *words], env={**self.environment, **more},
                              capture_output=True, text=True, timeout=120)

    def update(self, release, *words, **more):
        return self.run("update", "--base-url", release.url, *words, **more)

    def version(self):
        return self.run("--version").stdout.split()[1]

    def content(self):
        """All files with their digests, and where links lead."""
        found = {}
        for base, dirs, files in os.walk(self.home / ".local"):
            for name in dirs + files:
                path = os.path.join(base, name)
                if os.path.islink(path):
                    found[path] = os.readlink(path)
                elif os.path.isfile(path):
                    with open(path, "rb") as file:
                        found[path] = (os.stat(path).st_mode, hashlib.sha256(file.read()).hexdigest())
        return found


@pytest.fixture(scope="module")
def this_version(tmp_path_factory):
    place = tmp_path_factory.mktemp("this")
    return archive(place / "this.tar.gz", VERSION)


@pytest.fixture
def installed(tmp_path, this_version):
    place = Installation(tmp_path)
    done = place.install(this_version)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.version() == VERSION
    return place


def make_certificate(directory, name="certificate"):
    """Its path, and a server's context with it."""
    key, certificate = directory / f"{name}.key", directory / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", key, "-out", certificate,
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
