import pytest

from fakeserver import FakeServer
from rig import Agent, NatsServer, Runtime
from screen import screens


@pytest.fixture
def make_server(tmp_path):
    made = []

    def make(**options):
        made.append(NatsServer(tmp_path, **options))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def fake():
    """Makes servers that do what a test says, and no more."""
    made = []

    def make(**options):
        made.append(FakeServer(**options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def make_agent(tmp_path):
    made = []

    def make(*arguments, **options):
        made.append(Agent(tmp_path, *arguments, **options))
        return made[-1]

    yield make
    for agent in made:
        agent.clean_up()


@pytest.fixture
def online(server, make_agent):
    """A served machine: (agent, runtime)."""
    runtime = Runtime(server)
    agent = make_agent(server)
    runtime.wait_online()
    return agent, runtime


@pytest.fixture
def make_screen():
    with screens() as make:
        yield make


@pytest.fixture
def screen(make_screen):
    return make_screen()


@pytest.fixture
def serve(server, make_agent):
    """serve(screen, consent): (agent, runtime) for that screen and no other."""

    def start(screen, consent=True, **more):
        runtime = Runtime(server)
        agent = make_agent(server, settings=f"display = {screen.display}",
                           consented_screen_control=consent, **more)
        runtime.wait_online()
        return agent, runtime

    return start


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """On a failure, show the end of every agent's log."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for name in ("tmp_path",):
            directory = item.funcargs.get(name)
            if directory:
                for log in sorted(directory.glob("home-*/agent.log")):
                    report.sections.append((str(log), log.read_text(errors="replace")[-6000:]))
