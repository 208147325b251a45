"""Runs private_discovery.py in namespaces of its own: no X server, session or process of others."""

import os
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))

# Loopback up, and empty directories where X servers and sessions are looked for.
SETUP = r"""
import fcntl, os, socket, struct, subprocess, sys
flags = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING (netdevice(7))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, flags)  # SIOCSIFFLAGS
for path, mode in (("/tmp", 0o1777), ("/run", 0o755)):
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
    os.chmod(path, mode)
os.makedirs("/tmp/.X11-unix")
os.chmod("/tmp/.X11-unix", 0o1777)
os.makedirs("/run/systemd/sessions")
os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                          "-p", "no:xdist", *sys.argv[1:]])
"""


def test_displays_are_found(tmp_path):
    apart = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "--net",
             "--pid", "--fork", "--kill-child", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces here")
    keep = {k: v for k, v in os.environ.items()
            if not k.startswith("PYTEST") and k not in ("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY")}
    done = subprocess.run([*apart, sys.executable, "-c", SETUP,
                           os.path.join(HERE, "private_discovery.py")], cwd=HERE, env=keep,
                          capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, (done.stdout + done.stderr)[-12000:]
