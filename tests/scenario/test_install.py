"""install.sh fetches a release: over https, signed by a key that a person knows, or not at all."""
import base64
import json
import os
import shutil
import subprocess

import pytest

from releases import AFTER, KEY_ID, NEXT, SOURCE, Installation, Release, Signer, archive, make_certificate, serve

SCRIPT = os.path.join(SOURCE, "packaging/install.sh")
# The public half of the key whose secret one is 00 01 .. 1f.
KEY = "RWQBAgMEBQYHCAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
OTHER_KEY = "RWSaqgF1EVFuci7hXvDJO7cBh2xf2k0XKhCpvl23aWKG+nMAGfZ6D2Pn"


class Place(Release):
    """A place of releases, over https with a CA of its own."""

    def __init__(self, directory):
        super().__init__(directory)
        self.certificate, context = make_certificate(directory)
        self.server, self.url = serve(self.root, context)
        self.plain, self.plain_url = serve(self.root)

    def fixed(self, version):
        """Where a version lies that is asked for by its number."""
        directory = self.root / "agent" / f"v{version}"
        directory.mkdir(exist_ok=True)
        return directory / f"opengeni-agent-{version}-{os.uname().machine}-linux.tar.gz"

    def close(self):
        for server in (self.server, self.plain):
            server.shutdown()
            server.server_close()


@pytest.fixture(scope="module")
def offered(tmp_path_factory):
    """The next version, signed and offered once for all tests."""
    made = Place(tmp_path_factory.mktemp("place"))
    made.offer()
    yield made
    made.close()


@pytest.fixture
def place(tmp_path, offered):
    """A copy of it that a test may spoil."""
    made = Place(tmp_path)
    shutil.copytree(offered.root, made.root, dirs_exist_ok=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """tools(NAME...): a PATH on which all programs are found but these."""
    made = {}

    def without(*names):
        if names not in made:
            made[names] = directory = tmp_path_factory.mktemp("tools")
            for source in ("/usr/bin", "/bin"):
                for name in os.listdir(source):
                    if name not in names and not os.path.lexists(directory / name):
                        os.symlink(os.path.join(source, name), directory / name)
        return str(made[names])

    return without


class Person(Installation):
    def __init__(self, directory, offered):
        super().__init__(directory)
        self.environment.update(OPENGENI_UPDATE_KEY=KEY, OPENGENI_CA_FILE=str(offered.certificate))

    def script(self, *words, stdin=None, shell="sh", **more):
        """install.sh from a file, or as "curl ... | sh" runs it."""
        command = [shell, "-s", "--", *words] if stdin else [shell, SCRIPT, *words]
        return subprocess.run(command, input=stdin, env={**self.environment, **more}, cwd=self.home,
                              capture_output=True, text=True, timeout=120)

    def has_nothing(self):
        left = [f for _, _, files in os.walk(self.home / ".local") for f in files]
        return not os.path.exists(self.agent) and not left


@pytest.fixture
def person(tmp_path, offered):
    return Person(tmp_path, offered)


def test_a_release_is_fetched_verified_and_installed(person, offered):
    done = person.script("--from", offered.url + "/")
    assert done.returncode == 0, done.stderr
    assert person.version() == NEXT and f"Installed opengeni-agent {NEXT}" in done.stdout
    assert os.listdir(person.lib.parent) == ["opengeni-agent"]  # nothing of the way is left
    assert person.script("--uninstall").returncode == 0 and person.has_nothing()


@pytest.mark.parametrize("missing", [("minisign",), ("curl", "minisign"), ("curl",)])
def test_what_is_at_hand_will_do(person, offered, tools, missing):
    """minisign or OpenSSL, curl or wget; read from a pipe, in a directory with something of that name."""
    (person.home / "files/bin").mkdir(parents=True)
    (person.home / "files/bin/opengeni-agent").write_text("#!/bin/sh\necho opengeni-agent 9.9.9\n")
    with open(SCRIPT) as script:
        done = person.script(stdin=script.read(), PATH=tools(*missing), OPENGENI_INSTALL_BASE_URL=offered.url)
    assert done.returncode == 0, done.stderr
    assert person.version() == NEXT


def test_without_a_way_to_verify_nothing_is_fetched(person, offered, tools):
    done = person.script("--from", offered.url, PATH=tools("minisign", "openssl"))
    assert done.returncode == 6 and "install minisign" in done.stderr and person.has_nothing()
    done = person.script("--from", offered.url, PATH=tools("curl", "wget"))
    assert done.returncode == 3 and "neither curl nor wget" in done.stderr and person.has_nothing()


def swap_archive(place):
    """Signed by the key, too, but not the one that the list names."""
    archive(place.asset, AFTER)
    place.signer.sign(place.asset)


def legacy(place):
    """A signature of the whole file instead of its digest."""
    signature = place.signer.raw(place.asset.read_bytes())
    comment = "timestamp:1700000000"
    over_all = place.signer.raw(signature + comment.encode())
    place.asset.with_name("agent.tar.gz.minisig").write_text("\n".join([
        "untrusted comment: x", base64.b64encode(b"Ed" + KEY_ID + signature).decode(),
        "trusted comment: " + comment, base64.b64encode(over_all).decode(), ""]))


def edit_signature(line, change):
    def spoil(place):
        path = place.asset.with_name("agent.tar.gz.minisig")
        lines = path.read_text().split("\n")
        lines[line] = change(lines[line])
        path.write_text("\n".join(lines))

    return spoil


def flip_archive(place):
    data = bytearray(place.asset.read_bytes())
    data[len(data) // 2] ^= 1
    place.asset.write_bytes(data)


def change_manifest(resigned=True, **changes):
    def spoil(place):
        path = place.channel / "manifest.json"
        manifest = json.loads(path.read_text())
        artifact = {k[9:]: changes.pop(k) for k in list(changes) if k.startswith("artifact_")}
        manifest.update(changes)
        manifest["artifacts"][0].update(artifact)
        path.write_text(json.dumps(manifest))
        if resigned:
            place.signer.sign(path)

    return spoil


SPOILT = [
    (flip_archive, 5, "not signed by the key"),
    (lambda p: Signer(p.root.parent, bytes(range(1, 33))).sign(p.asset), 5, "not signed by the key"),
    (legacy, 5, "not signed as it has to be"),
    (edit_signature(1, lambda line: "RUQC" + line[4:]), 5, "not signed by the key"),  # another key's id
    (edit_signature(1, lambda line: line[:-8]), 5, "not signed by the key"),
    (edit_signature(2, lambda line: line + "x"), 5, "not signed by the key"),
    (edit_signature(2, lambda line: "comment: x"), 5, "not signed by the key"),
    (edit_signature(3, lambda line: "A" + line[1:]), 5, "not signed by the key"),
    (lambda p: p.asset.with_name("agent.tar.gz.minisig").unlink(), 3, "404"),
    (lambda p: p.asset.with_name("agent.tar.gz.minisig").write_bytes(b"x" * 100_000), 3, "cannot be fetched"),
    (change_manifest(resigned=False, version=AFTER), 5, "the list of releases is not signed"),
    (change_manifest(channel="beta"), 5, "another channel"),
    (change_manifest(version=AFTER), 5, f"the release is version {NEXT}, not {AFTER}"),
    (change_manifest(artifact_sha256="0" * 64), 4, "not the one that the list names"),
    (change_manifest(artifact_size=44), 4, "not the size"),
    (change_manifest(artifact_target="riscv64-unknown-linux-gnu"), 7, "not offered for"),
    (change_manifest(artifact_url="http://releases.invalid/a.tar.gz"), 2, "only https"),
    (change_manifest(artifact_url="file:///etc/passwd"), 2, "only https"),
    (change_manifest(artifact_url="https://x@127.0.0.1/a$(touch here)"), 2, "no usable address"),
    (swap_archive, 4, "not the one that the list names"),
]


@pytest.mark.parametrize("spoil, status, said", SPOILT)
def test_what_is_not_right_is_not_unpacked(person, place, tools, spoil, status, said):
    spoil(place)
    for path in (os.environ["PATH"], tools("minisign")):
        done = person.script("--from", place.url, PATH=path, OPENGENI_CA_FILE=str(place.certificate))
        assert done.returncode == status and said in done.stderr, (done.returncode, done.stderr)
        assert person.has_nothing() and os.listdir(person.home / ".local/lib") == []
        assert not os.path.exists(person.home / "here")


def test_another_key_is_no_key(person, offered, tools):
    for path in (os.environ["PATH"], tools("minisign")):
        done = person.script("--from", offered.url, "--key", OTHER_KEY, PATH=path)
        assert done.returncode == 5 and OTHER_KEY in done.stderr and person.has_nothing()
    for key, said in (("", "say which key"), ("ssh-ed25519 AAAA", "no public key")):
        done = person.script("--from", offered.url, OPENGENI_UPDATE_KEY=key)
        assert done.returncode == 2 and said in done.stderr and person.has_nothing()


def test_only_https_is_good_enough_but_on_this_machine(person, offered):
    for base in ("http://releases.invalid", "http://127.0.0.1.evil.invalid", "http://localhost@evil.invalid",
                 "ftp://127.0.0.1", "file:///tmp", "releases.invalid", "https://a b", "https://"):
        done = person.script("--from", base)
        assert done.returncode == 2 and person.has_nothing(), (base, done.stderr)
    done = person.script("--from", offered.url, OPENGENI_CA_FILE="/etc/ssl/certs/ca-certificates.crt")
    assert done.returncode == 3 and "certificate" in done.stderr and person.has_nothing()
    done = person.script("--from", offered.plain_url)
    assert done.returncode == 0 and person.version() == NEXT, done.stderr


@pytest.mark.parametrize("missing", [(), ("curl",)])
def test_nothing_leads_away_from_https(person, place, tools, missing):
    certificate, context = make_certificate(place.root.parent, "redirecting")
    server, url = serve(place.root, context, redirect=place.plain_url)
    done = person.script("--from", url, PATH=tools(*missing), OPENGENI_CA_FILE=str(certificate))
    assert done.returncode == 3 and person.has_nothing(), done.stderr
    server.shutdown()
    server.server_close()


def test_a_settings_file_of_curl_switches_nothing_off(person, offered):
    (person.home / ".curlrc").write_text("insecure\n")
    done = person.script("--from", offered.url, OPENGENI_CA_FILE="/etc/ssl/certs/ca-certificates.crt")
    assert done.returncode == 3 and person.has_nothing()


def test_a_version_can_be_asked_for(person, place):
    shutil.copy(place.asset, place.fixed(NEXT))
    place.signer.sign(place.fixed(NEXT))
    more = {"OPENGENI_CA_FILE": str(place.certificate)}
    for version in ("v1", "../x", "1.0.0/../../x", "1.0.0 x"):
        done = person.script("--from", place.url, OPENGENI_AGENT_VERSION=version, **more)
        assert done.returncode == 2 and "something like" in done.stderr
    done = person.script("--from", place.url, OPENGENI_AGENT_VERSION=AFTER, **more)
    assert done.returncode == 3 and "404" in done.stderr
    # The server cannot pass another signed version off as it.
    for suffix in ("", ".minisig"):
        shutil.copy(f"{place.fixed(NEXT)}{suffix}", f"{place.fixed(AFTER)}{suffix}")
    done = person.script("--from", place.url, OPENGENI_AGENT_VERSION=AFTER, **more)
    assert done.returncode == 5 and f"version {NEXT}, not {AFTER}" in done.stderr and person.has_nothing()
    done = person.script("--from", place.url, OPENGENI_AGENT_VERSION=NEXT, **more)
    assert done.returncode == 0 and person.version() == NEXT


def test_the_token_is_in_nobodys_arguments(person, offered, tools, tmp_path):
    """What install.sh starts is seen by every user of the machine."""
    seen = tmp_path / "seen"
    shims = tmp_path / "shims"
    shims.mkdir()
    for name in ("curl", "tar", "minisign"):
        (shims / name).write_text(f'#!/bin/sh\necho "$0 $*" >>{seen}\nexec /usr/bin/{name} "$@"\n')
        (shims / name).chmod(0o755)
    done = person.script("--from", offered.url, PATH=f"{shims}:{os.environ['PATH']}",
                         OPENGENI_ENROLL_TOKEN="oget_hushhush", OPENGENI_API_URL="http://127.0.0.1:1")
    assert person.version() == NEXT  # that the token is of no use is another matter
    assert done.returncode == 1 and "no answer from http://127.0.0.1:1" in done.stderr, done.stderr
    assert "curl" in seen.read_text() and "hushhush" not in seen.read_text() + done.stdout + done.stderr


def test_what_is_there_stays_until_the_new_one_is_in_place(person, offered, place):
    assert person.script("--from", offered.url).returncode == 0
    before = person.content()
    flip_archive(place)
    assert person.script("--from", place.url, OPENGENI_CA_FILE=str(place.certificate)).returncode == 5
    assert person.content() == before
    place.offer(AFTER)
    done = person.script("--from", place.url, OPENGENI_CA_FILE=str(place.certificate))
    assert done.returncode == 0 and person.version() == AFTER, done.stderr
    older = person.script("--from", offered.url)
    assert older.returncode == 0 and "it stays" in older.stdout and person.version() == AFTER


def test_two_at_once_do_not_meet(person, offered):
    both = [subprocess.Popen(["sh", SCRIPT, "--from", offered.url], env=person.environment, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [(process.communicate(timeout=120), process.returncode) for process in both]
    assert any(status == 0 for _, status in said), said
    for (_, err), status in said:
        assert status == 0 or "another installation or update is at work" in err, said
    assert person.version() == NEXT
    assert os.listdir(person.lib.parent) == ["opengeni-agent"] and not (person.lib / ".install").exists()


def test_words_that_mean_nothing_are_told(person):
    for words, said in ((["--bogus"], "what is '--bogus'?"), (["--from"], "wants a value"), (["--from", ""], "wants"),
                        ([], "say where releases are")):
        done = person.script(*words)
        assert done.returncode == 2 and said in done.stderr
    done = person.script("--help")
    assert done.returncode == 0 and "--from URL" in done.stdout and person.has_nothing()
