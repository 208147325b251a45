"""opengeni-agent connect against a hub that fails on purpose: --fault."""

import os
import re
import signal
import subprocess

import pytest

from hubrig import HUB, run, wait_until
from test_connect import AGENT, Home, url_of
from test_device import Connecting, workspace


class Interrupted:
    """connect, waiting for an answer that does not come."""

    def __init__(self, hub, home, *arguments, stdin=None):
        self.process = subprocess.Popen([AGENT, "--api-url", url_of(hub), "connect", *arguments], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=home.environment)
        self.process.stdin.write(stdin or "")
        self.process.stdin.close()
        self.process.stdin = None

    def end(self, number):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


def wait_for_fault(hub, name, times=1):
    wait_until(lambda: len(re.findall(f"fault={name}\\b", hub.log())) >= times, what=f"the fault {name}")


def nothing_left(home):
    assert home.connections() == []
    for directory, _, names in os.walk(home.config):
        assert not [n for n in names if n.endswith(".tmp")], directory


def test_an_exchange_that_fails_stores_nothing_and_the_token_stays_good(make_hub, tmp_path):
    hub = make_hub("--fault", "exchange=429,reset,garbage,empty,500,400,hang", "--fault", "exchange=hang")
    home, token = Home(tmp_path), hub.token()

    def connect():
        return home.agent("--api-url", url_of(hub), "connect", "--token", "-", stdin=token + "\n")

    for expected in ("reset", "", "", "500", "400"):  # the 429 was asked again
        done = connect()
        assert done.returncode == 1 and done.stderr.startswith("opengeni-agent: "), done.stderr
        assert expected in done.stderr and token not in done.stdout + done.stderr
        nothing_left(home)
    for number, code, times in ((signal.SIGINT, 130, 1), (signal.SIGTERM, -signal.SIGTERM, 2)):
        waiting = Interrupted(hub, home, "--token", "-", stdin=token + "\n")
        wait_for_fault(hub, "hang", times)
        assert waiting.end(number)[0] == code
        nothing_left(home)
    assert connect().returncode == 0
    assert len(home.connections()) == 1


def test_an_exchange_that_hangs_ends_by_itself(make_hub, tmp_path):
    hub = make_hub("--fault", "exchange=hang")
    home = Home(tmp_path)
    done = home.agent("--api-url", url_of(hub), "connect", "--token", "-", stdin=hub.token() + "\n")
    assert done.returncode == 1 and "no answer" in done.stderr
    nothing_left(home)


def test_a_start_that_fails_says_why_and_shows_no_code(make_hub, tmp_path):
    hub = make_hub("--fault", "device-start=429,500,404,reset,garbage,empty,denied,hang")
    home = Home(tmp_path)
    arguments = ["connect", "--workspace-id", workspace(hub)]
    for expected in ("429", "500", "made on purpose", "reset", "", "", "deviceCode"):
        done = home.agent("--api-url", url_of(hub), *arguments)
        assert done.returncode == 1 and expected in done.stderr, done.stderr
        assert done.stdout == ""
        nothing_left(home)
    waiting = Interrupted(hub, home, *arguments[1:])
    wait_for_fault(hub, "hang")
    code, out, err = waiting.end(signal.SIGINT)
    assert code == 130 and "not connected" in err and out == ""
    waiting = Connecting(hub, home)
    run("approve", "--data", hub.data, waiting.code)
    assert waiting.end()[0] == 0


def test_outages_do_not_end_the_wait_for_a_person(make_hub, tmp_path):
    hub = make_hub("--fault", "device-poll=503,reset,slow_down")
    home = Home(tmp_path)
    waiting = Connecting(hub, home)
    run("approve", "--data", hub.data, waiting.code)
    code, out, err = waiting.end()
    assert code == 0, err
    assert out.count(waiting.code) == 2  # once by itself and once in the address
    assert len(re.findall("fault=", hub.log())) == 3
    assert len(home.connections()) == 1


def test_answers_that_end_the_wait(make_hub, tmp_path):
    said = {"denied": "denied", "expired": "expired", "disabled": "operator", "garbage": "JSON", "empty": "",
            "403": "403"}
    hub = make_hub("--fault", "device-poll=" + ",".join(said))
    homes = []
    for i in range(len(said)):
        (tmp_path / str(i)).mkdir()
        homes.append(Home(tmp_path / str(i)))
    waiting = [Connecting(hub, home) for home in homes]  # who gets which answer does not matter
    ends = [w.end() for w in waiting]
    assert [code for code, _, _ in ends] == [1] * len(said), ends
    for home in homes:
        nothing_left(home)
    for text in said.values():
        assert any(text in err for _, _, err in ends), (text, ends)
    assert len({err for _, _, err in ends}) >= len(said) - 1  # two of them are no JSON


def test_ctrl_c_while_a_poll_hangs(make_hub, tmp_path):
    hub = make_hub("--fault", "device-poll=hang:*")
    home = Home(tmp_path)
    waiting = Connecting(hub, home)
    run("approve", "--data", hub.data, waiting.code)
    wait_for_fault(hub, "hang")
    waiting.process.send_signal(signal.SIGINT)
    code, _, err = waiting.end()
    assert code == 130 and "interrupted" in err
    nothing_left(home)


@pytest.mark.parametrize("fault", ["exchange", "exchange=", "poll=429", "exchange=200", "exchange=429:0",
                                   "exchange=429:x", "exchange=429,", "exchange=" + "reset," * 32 + "reset",
                                   "relay-pair=0", "relay-pair=121", "relay-pair=1s", "relay-pair="])
def test_a_fault_that_makes_no_sense_is_refused(fault, tmp_path):
    done = run("serve", "--data", tmp_path / "hub", "--fault", fault, check=False)
    assert done.returncode != 0 and "--fault" in done.stderr
    assert HUB and not (tmp_path / "hub").exists()
