"""Two hundred connections in one process: at rest they cost next to nothing."""
import json
import os
import time

from natsclient import wait_until
from rig import connection_document

LINKS = 200
SANITIZED = any(name in os.environ for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"))
# Longer by hand: OG_IDLE_SECONDS=600
IDLE_S = float(os.environ.get("OG_IDLE_SECONDS", "0"))


def sample(agent):
    """(heartbeats of all links, wake-ups of all threads, resident KiB)."""
    told = json.loads(agent.command("status", "--json").stdout)
    wakes = 0
    tasks = f"/proc/{agent.process.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/status") as file:
            wakes += next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    with open(f"/proc/{agent.process.pid}/status") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return [c["heartbeats_sent"] for c in told["connections"]], wakes, resident


def test_two_hundred_connections_at_rest(server, make_agent):
    agent = make_agent(start=False, environment={"OPENGENI_LOG": "info"})
    os.makedirs(os.path.join(agent.config, "connections"), mode=0o700)
    for i in range(LINKS):
        agent.write_credentials(connection_document(server.port, agent_id=f"aaaaaaaa-aaaa-4aaa-8aaa-{i:012d}",
                                                    workspace_id=f"22222222-2222-4222-8222-{i:012d}"))
        assert agent.command("connections").returncode == 0  # which takes it over
    assert len(agent.documents()) == LINKS
    agent.start()

    def beaten(times):
        beats, _, _ = sample(agent)
        return len(beats) == LINKS and min(beats) >= times

    wait_until(lambda: beaten(1), 120, what="a heartbeat of every link")
    before = sample(agent)
    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started >= IDLE_S and beaten(min(before[0]) + 2), IDLE_S + 120,
               what="more heartbeats of every link")
    after = sample(agent)
    beats, wakes = sum(after[0]) - sum(before[0]), after[1] - before[1]
    told = f"{beats} heartbeats, {wakes} wake-ups, {after[2] - before[2]} KiB more of {after[2]} KiB"
    print(told, f"in {time.monotonic() - started:.0f} s, {agent.threads()} threads")
    # A beat is a timer, a write and the server's answer, on two threads; nothing polls between beats.
    assert wakes < 12 * beats, told
    if not SANITIZED:  # which keep what was freed
        assert after[2] - before[2] < 1024, told
    assert agent.stop() == 0
