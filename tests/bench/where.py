"""What a dated section of docs/benchmarks.md says of where it was made."""

import datetime
import os
import platform
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def revision():
    return subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"],
                          capture_output=True, text=True).stdout.strip()


def processors():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    return f"{model.group(1) if model else platform.machine()} x {os.cpu_count()}"


def machine():
    return f"{processors()}, Linux {platform.release()}"


def build_type(build):
    with open(os.path.join(build, "CMakeCache.txt")) as f:
        return re.search(r"CMAKE_BUILD_TYPE:\w+=(\w*)", f.read()).group(1)


def heading(what):
    return f"{datetime.date.today()}, {revision()}, {what}"
