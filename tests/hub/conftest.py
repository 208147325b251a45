import os

import pytest

from hubrig import Hub, new_nats_server


@pytest.fixture(scope="session", autouse=True)
def nats_server_program():
    os.environ["OG_NATS_SERVER"] = new_nats_server()


@pytest.fixture
def make_hub(tmp_path):
    made = []

    def make(*arguments, **options):
        directory = tmp_path / f"hub-{len(made)}"
        directory.mkdir()
        made.append(Hub(directory, *arguments, **options))
        return made[-1]

    yield make
    for hub in made:
        hub.kill()


@pytest.fixture
def hub(make_hub):
    return make_hub()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """On a failure, show the end of every hub's log."""
    outcome = yield
    report = outcome.get_result()
    directory = item.funcargs.get("tmp_path")
    if report.when == "call" and report.failed and directory:
        for log in sorted(directory.glob("hub-*/hub.log")):
            report.sections.append((str(log), log.read_text(errors="replace")[-6000:]))
