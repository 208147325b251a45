"""The unit's command line, run as a service manager would: what it hears, and when."""
import os
import re
import shlex
import signal
import socket
import subprocess

import pytest

from rig import BUILD


class Manager:
    """A service manager's ear: sd_notify(3)."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard = []

    def wait_for(self, state, timeout=20):
        self.socket.settimeout(timeout)
        while not any(state in message.split("\n") for message in self.heard):
            self.heard.append(self.socket.recv(4096).decode())


@pytest.fixture
def manager(tmp_path):
    ear = Manager(tmp_path)
    yield ear
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
    assert process.wait(15) == 0


def test_the_watchdog_is_fed_while_another_agent_serves(server, make_agent, manager, start_unit):
    agent = make_agent(server)
    agent.wait_for_log("online|serving|started")
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
    assert process.wait(15) == 0
