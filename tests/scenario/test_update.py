"""Updates of an installation that install.sh made, by a person and by a control plane."""
import json
import os
import shutil
import stat
import subprocess
import threading
import time

import pytest

from natsclient import wait_until
from releases import (AFTER, NEXT, SOURCE, TARGET, VERSION, Installation, Signer, archive, installed,  # noqa: F401
                      make_certificate, program, release, serve, this_version)
from rig import BUILD, ControlError, Runtime, connection_document, pb


def test_an_update_is_found_installed_and_used(installed, release):
    release.offer()
    looked = installed.update(release, "--check")
    assert looked.returncode == 0 and NEXT in looked.stdout
    assert installed.version() == VERSION
    before = os.stat(installed.agent).st_mode
    done = installed.update(release)
    assert done.returncode == 0, done.stderr
    assert f"Updated from {VERSION} to {NEXT}" in done.stdout
    assert installed.version() == NEXT
    assert os.stat(installed.agent).st_mode == before
    daemon = subprocess.run([installed.lib / "current/bin/opengeni-agentd", "--version"], capture_output=True,
                            text=True).stdout
    assert daemon == f"opengeni-agentd {NEXT}\n"
    again = installed.update(release)
    assert again.returncode == 0 and again.stdout == f"Up to date: {NEXT}.\n"
    # The one before it stays for what runs; the one before that goes.
    release.offer(AFTER)
    assert installed.update(release).returncode == 0
    names = sorted(name for name in os.listdir(installed.lib) if name[0] != "l")
    assert names == sorted([NEXT, AFTER, "current", "previous", f"trial-{AFTER}"])
    unit = installed.run("service", "install", "--print").stdout
    assert f'"{installed.lib}/current/bin/opengeni-agent"' in unit


def test_updates_trust_what_everything_trusts(installed, release, tmp_path):
    """SSL_CERT_FILE and SSL_CERT_DIR take the place of the system's store, as they do for enrolment."""
    release.offer()
    certificate, context = make_certificate(tmp_path)
    other, _ = make_certificate(tmp_path, "other")
    server, release.url = serve(release.root, context)
    hashed = tmp_path / "hashed"
    hashed.mkdir()
    name = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", certificate], capture_output=True, text=True,
                          check=True).stdout.strip()
    shutil.copy(certificate, hashed / f"{name}.0")
    for trusted in ({}, {"SSL_CERT_FILE": str(other)}):
        refused = installed.update(release, "--check", **trusted)
        assert refused.returncode == 1 and "certificate" in refused.stderr, refused.stderr
    for trusted in ({"SSL_CERT_FILE": str(certificate)}, {"SSL_CERT_DIR": str(hashed)}):
        found = installed.update(release, "--check", **trusted)
        assert found.returncode == 0 and NEXT in found.stdout, found.stderr
    # A private CA comes beside it.
    found = installed.update(release, "--check", "--ca-file", str(certificate), SSL_CERT_FILE=str(other))
    assert found.returncode == 0, found.stderr
    unusable = installed.update(release, "--check", "--ca-file", str(tmp_path / "none.pem"))
    assert unusable.returncode == 1 and "none.pem" in unusable.stderr, unusable.stderr
    done = installed.update(release, SSL_CERT_FILE=str(certificate))
    assert done.returncode == 0, done.stderr
    assert installed.version() == NEXT
    server.shutdown()


def test_over_https_with_a_private_ca(installed, release, tmp_path):
    release.offer()
    certificate, context = make_certificate(tmp_path)
    server, url = serve(release.root, context)
    plain = release.url
    release.url = url
    refused = installed.update(release)
    assert refused.returncode == 1 and "certificate" in refused.stderr
    done = installed.update(release, "--ca-file", str(certificate))
    assert done.returncode == 0, done.stderr
    assert installed.version() == NEXT
    server.shutdown()
    # Once more, with a server that leads away from https.
    release.offer(AFTER)
    server, release.url = serve(release.root, context, redirect=plain)
    before = installed.content()
    led_away = installed.update(release, "--ca-file", str(certificate))
    assert led_away.returncode == 1 and installed.content() == before
    server.shutdown()


def spoil_signature(release):
    Signer(release.root.parent, bytes(range(1, 33))).sign(release.asset)


def spoil_manifest(release):
    path = release.channel / "manifest.json"
    path.write_text(path.read_text().replace(NEXT, AFTER))


def swap_artifact(release):
    release.asset.write_bytes(release.asset.read_bytes() + b"x")
    release.signer.sign(release.asset)


def grow_artifact(release):
    """More than the manifest announces: an endless one would never be read to its end."""
    with open(release.asset, "ab") as file:
        file.write(bytes(1 << 20))


def same_size_other_bytes(release):
    data = bytearray(release.asset.read_bytes())
    data[-5] ^= 1
    release.asset.write_bytes(data)
    release.signer.sign(release.asset)


@pytest.mark.parametrize("spoil, said", [
    (spoil_signature, "signature does not fit"),
    (spoil_manifest, "signature does not fit"),
    (swap_artifact, "larger than it may be"),
    (grow_artifact, "larger than it may be"),
    (same_size_other_bytes, "not the one that the manifest names"),
    (lambda r: r.asset.with_name("agent.tar.gz.minisig").write_bytes(b"x" * (10 << 20)), "larger than it may be"),
    (lambda r: r.asset.with_name("agent.tar.gz.minisig").unlink(), "404"),
    (lambda r: r.publish(target="riscv64-unknown-linux-gnu"), "not offered for"),
    (lambda r: r.publish(channel="beta"), "another channel"),
    (lambda r: r.publish("newest"), "no version"),
    (lambda r: (r.channel / "manifest.json").write_bytes(b" " * (1 << 20)), "larger than it may be"),
])
def test_what_is_not_right_changes_nothing(installed, release, spoil, said):
    release.offer()
    spoil(release)
    before = installed.content()
    done = installed.update(release)
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert installed.content() == before


def test_older_versions_and_later_turns_are_left_alone(installed, release):
    release.offer(rollout_percent=0)
    assert "turn comes later" in installed.update(release).stdout
    release.publish(NEXT, min_supported=AFTER)
    assert "Up to date" in installed.update(release).stdout
    release.publish(VERSION)
    assert "Up to date" in installed.update(release).stdout
    release.publish("0.1.17", force=True)
    assert "Up to date" in installed.update(release).stdout
    assert installed.version() == VERSION


@pytest.mark.parametrize("replace, said", [
    ({"opengeni-agent": "#!/bin/sh\necho opengeni-agent 9.9.9\n"}, "is not of version"),
    ({"opengeni-agent": "#!/bin/sh\nkill -SEGV $$\n"}, "does not start"),
    ({"opengeni-agentd": "#!/bin/sh\nexit 1\n"}, "opengeni-agentd does not start"),
    ({"opengeni-agent": f"#!/bin/sh\n[ $1 = --version ] && echo opengeni-agent {NEXT}\n"}, "self-check"),
])
def test_a_version_that_does_not_work_here_is_not_installed(installed, release, replace, said):
    release.offer(replace=replace)
    before = installed.content()
    done = installed.update(release)
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert installed.content() == before


def test_a_version_that_fails_only_at_its_place_is_rolled_back(installed, release):
    """And all the while the program can be started."""
    script = f"""#!/bin/sh
case $0 in */current/*) exit 1 ;; esac
[ $1 = self-check ] || echo opengeni-agent {NEXT}
"""
    release.offer(replace={"opengeni-agent": script})
    before = {k: v for k, v in installed.content().items() if not k.endswith("/previous")}
    missing, over = [], threading.Event()

    def watch():
        while not over.is_set():
            if not os.access(installed.agent, os.X_OK):
                missing.append(time.time())
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    done = installed.update(release)
    over.set()
    watcher.join()
    assert done.returncode == 1 and "still in place" in done.stderr, done.stderr
    assert not missing
    assert {k: v for k, v in installed.content().items() if not k.endswith("/previous")} == before
    assert installed.version() == VERSION


def test_a_daemon_that_does_not_come_up_makes_room_for_the_one_before(installed, release):
    """Its --version and self-check are fine: only the start shows it."""
    script = f"#!/bin/sh\n[ $# = 1 ] && echo opengeni-agentd {NEXT} && exit\nexit 1\n"
    release.offer(replace={"opengeni-agentd": script})
    assert installed.update(release).returncode == 0
    assert installed.version() == NEXT
    for _ in range(3):
        assert installed.run("run", "--wait").returncode == 1
    log = open(installed.home / "log", "wb")
    process = subprocess.Popen([installed.agent, "run", "--wait"], env=installed.environment, stdout=log,
                               stderr=log, stdin=subprocess.DEVNULL)
    until = time.time() + 30
    while not (installed.config / "status.json").exists() and time.time() < until:
        time.sleep(0.05)
    status = json.loads((installed.config / "status.json").read_text())
    assert status["version"] == VERSION and status["pid"] == process.pid
    process.terminate()
    assert process.wait(60) == 0
    assert "did not come up 3 times" in (installed.home / "log").read_text()
    assert installed.version() == VERSION
    assert not [name for name in os.listdir(installed.lib) if name.startswith("trial-")]


def test_a_version_that_came_up_has_passed(installed, release):
    release.offer()
    assert installed.update(release).returncode == 0
    process = subprocess.Popen([installed.agent, "run", "--wait"], env=installed.environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.time() + 30
    while not (installed.config / "status.json").exists() and time.time() < until:
        time.sleep(0.05)
    process.terminate()
    assert process.wait(60) == 0
    assert not [name for name in os.listdir(installed.lib) if name.startswith("trial-")]


def test_the_manifest_that_the_project_makes_offers_its_tarball(installed, release):
    directory = release.root / "agent" / f"v{NEXT}"
    directory.mkdir()
    release.asset = directory / f"opengeni-agent-{NEXT}-{os.uname().machine}-linux.tar.gz"
    archive(release.asset, NEXT)
    release.signer.sign(release.asset)
    made = subprocess.run([os.path.join(SOURCE, "packaging/manifest"), "stable", release.asset], capture_output=True,
                          text=True, check=True).stdout
    assert json.loads(made)["artifacts"][0]["target"] == TARGET
    (release.channel / "manifest.json").write_text(made)
    release.signer.sign(release.channel / "manifest.json")
    done = installed.update(release)
    assert done.returncode == 0, done.stderr
    assert installed.version() == NEXT
    refused = subprocess.run([os.path.join(SOURCE, "packaging/manifest"), "stable", "x.tar.gz"], capture_output=True)
    assert refused.returncode == 2


def test_two_updates_at_once_do_not_meet(installed, release):
    release.offer()
    both = [subprocess.Popen([installed.agent, "update", "--base-url", release.url], env=installed.environment,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=120) for process in both]
    assert sum("Updated from" in out for out, _ in said) == 1, said
    assert installed.version() == NEXT


@pytest.mark.parametrize("mask", [0o002, 0o077])
def test_everybody_may_use_it_and_its_owner_alone_change_it(tmp_path, this_version, release, mask):
    """Whatever the umask: with 002, usual on many systems, updates would be refused."""
    place = Installation(tmp_path)
    release.offer()
    for words in ([this_version / "install.sh"], [place.agent, "update", "--base-url", release.url]):
        done = subprocess.run(words, env=place.environment, capture_output=True, text=True, timeout=120, umask=mask)
        assert done.returncode == 0, done.stderr
        for base, dirs, files in os.walk(place.home / ".local"):
            for name in dirs + files:
                mode = os.stat(os.path.join(base, name)).st_mode
                assert mode & 0o022 == 0 and mode & 0o044 == 0o044, (base, name, oct(mode))
                assert not stat.S_ISDIR(mode) or mode & 0o011 == 0o011, (base, name, oct(mode))
    assert place.version() == NEXT


def test_who_is_not_to_update_says_so(installed, release, this_version):
    release.offer()
    off = installed.update(release, OPENGENI_NO_UPDATE="1")
    assert off.returncode == 0 and "switched off" in off.stdout
    packaged = subprocess.run([os.path.join(BUILD, "bin/opengeni-agent"), "update", "--base-url", release.url],
                              env=installed.environment, capture_output=True, text=True)
    assert packaged.returncode == 0 and "package manager" in packaged.stdout
    elsewhere = subprocess.run([program("opengeni-agent"), "update", "--base-url", release.url],
                               env=installed.environment, capture_output=True, text=True)
    assert elsewhere.returncode == 1 and "not installed by install.sh" in elsewhere.stderr
    nowhere = installed.run("update")
    assert nowhere.returncode == 1 and "--base-url" in nowhere.stderr
    os.chmod(installed.lib, 0o777)
    loose = installed.update(release)
    assert loose.returncode == 1 and "other users may write" in loose.stderr, loose.stderr
    assert stat.S_IMODE(os.stat(installed.lib).st_mode) == 0o777
    assert installed.version() == VERSION


def test_plain_http_from_elsewhere_is_for_those_who_name_it(installed, release):
    """A signed manifest may name any place; only https, or this machine, is good enough."""
    release.offer()
    manifest = json.loads((release.channel / "manifest.json").read_text())
    manifest["artifacts"][0]["url"] = "file://" + str(release.asset)
    (release.channel / "manifest.json").write_text(json.dumps(manifest))
    release.signer.sign(release.channel / "manifest.json")
    done = installed.update(release)
    assert done.returncode == 1 and "only https" in done.stderr, done.stderr
    release.url = "file://" + str(release.root)
    assert installed.update(release).returncode == 0


def test_install_sh_keeps_what_is_newer_and_replaces_in_one_step(installed, release, this_version):
    release.offer()
    assert installed.update(release).returncode == 0
    kept = installed.install(this_version)
    assert kept.returncode == 0 and "it stays" in kept.stdout and installed.version() == NEXT
    back = installed.install(this_version, OPENGENI_ALLOW_DOWNGRADE="1")
    assert back.returncode == 0 and installed.version() == VERSION
    for _ in range(2):
        assert installed.install(this_version).returncode == 0
        assert installed.version() == VERSION
    assert installed.install(this_version, "--uninstall").returncode == 0
    assert installed.content() == {}


def test_uninstall_forgets_what_is_its_own_and_nothing_else(installed, tmp_path):
    config, other = installed.config, tmp_path / "other"
    (config / "connections").mkdir(parents=True, mode=0o700)
    config.chmod(0o700)
    other.mkdir()
    (other / "passwd").write_text("theirs")
    for name in ["keep.txt", "agent.ini", "agent.lock", "status.json", "machine-identity.host", "connections/a.json",
                 "connections/.a.1.2.tmp"]:
        (config / name).write_text("")
    (config / "machine-identity.ed25519").write_bytes(bytes(range(32)))
    (config / "spool").symlink_to(other)
    (config / "browserd").mkdir()
    (config / "browserd" / "link").symlink_to(other)
    kept = installed.run("uninstall")
    assert kept.returncode == 0, kept.stderr
    assert (config / "machine-identity.ed25519").exists()
    done = installed.run("uninstall", "--purge")
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(config)) == ["keep.txt", "spool"]
    assert (other / "passwd").read_text() == "theirs"
    (config / "spool").unlink()
    (config / "keep.txt").unlink()
    assert installed.run("uninstall", "--purge").returncode == 0
    assert not config.exists()
    assert "nothing to forget" in installed.run("uninstall", "--purge").stdout


# Updates that a control plane asks for.

class Managed:
    """An installation whose daemon serves a control plane."""

    def __init__(self, installed, release, server):
        self.installed, self.runtime = installed, Runtime(server)
        legacy = installed.config
        legacy.mkdir(mode=0o700)
        (legacy / "credentials.json").write_text(json.dumps(connection_document(server.port)))
        (legacy / "agent.ini").write_text("display = none\n")
        for name in ("credentials.json", "agent.ini"):
            (legacy / name).chmod(0o600)
        self.log = installed.home / "agent.log"
        self.environment = {**installed.environment, "OPENGENI_INSTALL_BASE_URL": release.url, "OPENGENI_LOG": "debug"}
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.installed.agent, "run"], env=self.environment,
                                            cwd=self.installed.home,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.runtime.wait_online()
        self.sha256 = self.runtime.hellos[-1][2].binary_sha256
        return self

    def ask(self, operation="0a1b2c3d-1111-4111-8111-111111111111", **changed):
        return self.runtime.call("agent_update_apply", **{
            "operation_id": operation, "target_version": NEXT, "channel": "stable",
            "expected_current_version": VERSION, "expected_current_sha256": self.sha256,
            "release_base_url": "https://releases.invalid", **changed})

    def refused(self, **changed):
        with pytest.raises(ControlError) as failure:
            self.ask(**changed)
        return failure.value.code, failure.value.detail.get("failure_code"), failure.value.retryable

    def stages(self):
        """Told on both addresses: once each."""
        told = [e.agent_update_progress for _, s, e in list(self.runtime.events)
                if e.WhichOneof("event") == "agent_update_progress" and ".connection." in s]
        return [(pb.AgentUpdateStage.Name(p.stage).replace("AGENT_UPDATE_STAGE_", ""), p) for p in told]

    def wait_for_stage(self, name):
        return wait_until(lambda: [p for stage, p in self.stages() if stage == name], 60, what=f"{name}: {self.log}")[0]

    def status(self):
        return json.loads(self.installed.run("status", "--json").stdout)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


@pytest.fixture
def managed(installed, release, server):
    made = Managed(installed, release, server)
    yield made
    made.stop()


def test_a_control_plane_updates_the_agent(managed, release):
    release.offer(rollout_percent=0)  # whoever asks for it need not wait for a turn
    managed.start()
    before = len(managed.runtime.hellos)
    answer = managed.ask()
    assert answer.accepted and answer.current_version == VERSION and answer.target_version == NEXT
    assert answer.current_sha256 == managed.sha256
    restarting = managed.wait_for_stage("RESTARTING")
    assert [stage for stage, _ in managed.stages()] == ["ACCEPTED", "WAITING_FOR_IDLE", "DOWNLOADING", "VERIFYING",
                                                        "APPLYING", "RESTARTING"]
    managed.runtime.wait_online(after=before + 1)
    wait_until(lambda: managed.runtime.hellos[-1][2].agent_version == NEXT, what="the new version's hello")
    hello = managed.runtime.hellos[-1][2]
    assert hello.binary_sha256 == restarting.expected_binary_sha256 == hello.completed_update_binary_sha256
    assert hello.completed_update_target_version == NEXT
    assert hello.completed_update_operation_id == restarting.operation_id
    assert {goodbye.reason for _, goodbye in managed.runtime.goodbyes()} == {2}
    assert managed.process.poll() is None  # the same process, not a new one
    assert managed.runtime.call("exec", command=["/bin/sh", "-c", "echo here"]).stdout == b"here\n"
    assert managed.status()["update"] == {"state": "trial", "version": None, "last_error": None}
    assert "is being tried out" in managed.installed.run("status").stdout
    receipt = managed.installed.config / "completed-update.json"
    assert stat.S_IMODE(receipt.stat().st_mode) == 0o600
    assert os.path.exists(managed.installed.lib / f"trial-{NEXT}")
    managed.stop()
    assert not os.path.exists(managed.installed.lib / f"trial-{NEXT}")
    receipt.write_text("nonsense")
    count = len(managed.runtime.hellos)
    managed.start()
    wait_until(lambda: len(managed.runtime.hellos) > count, what="a hello")
    assert managed.runtime.hellos[-1][2].completed_update_operation_id == ""


def test_an_update_waits_for_what_runs_and_nothing_new_begins(managed, release):
    release.offer()
    managed.start()
    results = []
    runs = threading.Thread(target=lambda: results.append(managed.runtime.call(
        "exec", command=["/bin/sh", "-c", "echo begun >started; while [ ! -e go ]; do sleep 0.1; done; echo done"],
        timeout=60)))
    runs.start()
    wait_until(lambda: (managed.installed.home / "started").exists(), what="the command")
    assert managed.ask().accepted
    managed.wait_for_stage("WAITING_FOR_IDLE")
    with pytest.raises(ControlError) as failure:
        managed.runtime.call("exec", command=["/bin/true"])
    assert failure.value.code == "DRAINING" and failure.value.retryable
    assert failure.value.detail["reason"] == "agent_update" and failure.value.detail["op"] == "exec"
    assert managed.runtime.ping().nonce == 7
    assert managed.ask().accepted  # the same once more
    assert managed.refused(operation="ffffffff-1111-4111-8111-111111111111") == (
        "DRAINING", "update_already_in_progress", True)
    assert managed.status()["update"] == {"state": "waiting_for_idle", "version": NEXT, "last_error": None}
    assert f"{NEXT} waits until what runs has ended" in managed.installed.run("status").stdout
    with open(managed.installed.config / "status.json") as file:
        assert json.load(file)["update"]["state"] == "waiting_for_idle"
    wait_until(lambda: managed.runtime.heartbeats()[-1][1].draining, what="a heartbeat that tells")
    assert not managed.runtime.heartbeats()[0][1].draining
    assert [stage for stage, _ in managed.stages()] == ["ACCEPTED", "WAITING_FOR_IDLE"]
    (managed.installed.home / "go").write_text("")
    managed.wait_for_stage("RESTARTING")
    runs.join()
    assert results[0].stdout == b"done\n"


def test_a_start_beside_a_running_agent_counts_for_nothing(managed, release):
    """It ends at once, but not because the new version would not come up."""
    release.offer()
    managed.start()
    assert managed.installed.update(release).returncode == 0
    for _ in range(4):
        done = managed.installed.run("run")
        assert done.returncode == 0 and "already running" in done.stderr, done.stderr
    assert managed.installed.version() == NEXT


def works(runtime):
    try:
        return runtime.call("exec", command=["/bin/true"]).exit_code == 0
    except ControlError as error:
        assert error.code == "DRAINING", error
        return False


def test_an_update_that_fails_leaves_the_agent_at_work(managed, release):
    release.offer(replace={"opengeni-agentd": "#!/bin/sh\nexit 1\n"})
    managed.start()
    assert managed.ask().accepted
    failed = managed.wait_for_stage("FAILED")
    assert failed.error_code == "startup_preflight_failed_rolled_back"
    assert failed.rolled_back and not failed.retryable
    assert managed.status()["update"] == {"state": "failed", "version": NEXT,
                                          "last_error": "startup_preflight_failed_rolled_back"}
    assert f"{NEXT} failed: startup_preflight" in managed.installed.run("status").stdout
    wait_until(lambda: works(managed.runtime), what="work again")
    release.offer()
    spoil_signature(release)
    assert managed.ask("ffffffff-1111-4111-8111-111111111111").accepted
    wait_until(lambda: len([s for s, _ in managed.stages() if s == "FAILED"]) == 2, 60, what="the second failure")
    failed = managed.stages()[-1][1]
    assert failed.error_code == "artifact_verification_failed" and failed.retryable and not failed.rolled_back
    assert managed.ask("eeeeeeee-1111-4111-8111-111111111111", target_version=AFTER).accepted
    wait_until(lambda: len([s for s, _ in managed.stages() if s == "FAILED"]) == 3, 60, what="the third failure")
    assert managed.stages()[-1][1].error_code == "target_manifest_mismatch"
    assert managed.installed.version() == VERSION


def test_a_request_that_does_not_fit_is_refused(managed, release):
    managed.start()
    assert managed.status()["update"] == {"state": "idle", "version": None, "last_error": None}
    for changed in ({"operation": "x"}, {"target_version": "v1.0.1"}, {"channel": "nightly"},
                    {"release_base_url": "file:///x"}, {"expected_current_version": "9.9.9"},
                    {"expected_current_sha256": "0" * 64}):
        assert managed.refused(**changed) == ("PROTOCOL", "update_precondition_failed", False), changed


def test_a_packaged_agent_is_not_updated_by_a_control_plane(online):
    agent, runtime = online
    assert json.loads(agent.command("status", "--json").stdout)["update"]["state"] == "off"
    with pytest.raises(ControlError) as failure:
        runtime.call("agent_update_apply", operation_id="0a1b2c3d-1111-4111-8111-111111111111", target_version=NEXT,
                     channel="stable", expected_current_version=VERSION, release_base_url="https://x")
    assert failure.value.code == "UNSUPPORTED" and not failure.value.retryable
    assert failure.value.detail["failure_code"] == "update_managed_by_package"
