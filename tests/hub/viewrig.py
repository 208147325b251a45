"""A real agent with a real X server, and viewers of it at the hub's relay."""

import glob
import random
import time

import pytest

from hubrig import PATIENCE, pb
from rfbclient import Rfb
from screen import decode_png, screens
from terminalrig import Machine, Viewer

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def make_screen():
    with screens(size="320x240") as make:
        yield make


@pytest.fixture
def screen(make_screen):
    return make_screen()


@pytest.fixture
def serve(hub, tmp_path):
    made = []

    def start(screen, consent=True, settings=""):
        made.append(Machine(hub, tmp_path, settings=f"display = {screen.display}{settings}",
                            consent=consent))
        return made[-1]

    yield start
    for machine in made:
        machine.stop()


class Watcher(Viewer):
    """Sees pictures."""

    def picture(self, timeout=PATIENCE):
        """The next one; None when the other end has said goodbye."""
        frame = self.frame(timeout)
        if frame is None:
            return None
        assert bytes(frame[1][:8]) == PNG
        return bytes(frame[1])

    def until(self, sees, timeout=PATIENCE, **options):
        """The first picture whose rows satisfy sees(rows)."""
        end = time.monotonic() + timeout
        while True:
            rows = decode_png(self.picture(max(0.1, end - time.monotonic())), **options)[2]
            if sees(rows):
                return rows

    def sees(self, colour, timeout=PATIENCE):
        return self.until(lambda rows: "#%02x%02x%02x" % rows[5][5] == colour, timeout, only_rows=6)

    def count(self, seconds):
        """How many pictures come in that time."""
        count, end = 0, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.picture(left)
                count += 1
            except TimeoutError:
                break
        return count

    def send(self, **event):
        self.socket.send(b"\x05" + pb.DesktopInput(channel_id=self.channel.channel_id,
                                                   **event).SerializeToString())

    def leave(self):
        """The way a program goes: it says so."""
        self.socket.send(b"\x04" + pb.StreamClose(channel_id=self.channel.channel_id, reason=1,
                                                  message="viewer left").SerializeToString())

    def point(self, x, y, action="CLICK", button="LEFT"):
        self.send(pointer=pb.PointerEvent(
            x=x, y=y, action=pb.PointerAction.Value("POINTER_ACTION_" + action),
            button=pb.PointerButton.Value("POINTER_BUTTON_" + button)))

    def key(self, name, is_text=False):
        self.send(key=pb.KeyEvent(key=name, is_text=is_text,
                                  action=pb.KeyAction.Value("KEY_ACTION_PRESS")))


def ensure(machine, fenced=True):
    return machine.runtime.call("desktop_ensure", fenced=fenced)


def watch(machine, reply=None, **options):
    return Watcher(machine.hub, (reply or ensure(machine)).channel, **options)


def paint(screen, colour):
    screen.run("xsetroot", "-solid", colour)


def rfb(viewer, **options):
    """RFB over the channel of a viewer; what was shown before it is passed over."""
    def receive(timeout):
        while True:
            frame = viewer.frame(timeout)
            if frame is None:
                return b""
            data = bytes(frame[1])
            receive.begun = receive.begun or data[:4] == b"RFB "
            if receive.begun:
                return data

    receive.begun = False
    return Rfb(viewer.type, receive, greet=True, **options)


def noise(screen, seed, directory):
    width, height = map(int, screen.size.split("x"))
    path = directory / f"noise-{seed}.xbm"
    data = random.Random(seed).randbytes(((width + 7) // 8) * height)
    path.write_text(f"#define n_width {width}\n#define n_height {height}\n"
                    "static char n_bits[] = {\n" + ",".join(f"0x{b:02x}" for b in data) + "};\n")
    return str(path)


def rss(machine):
    """Of the daemon and its children, in KiB."""
    pid = str(machine.agent.process.pid)
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def helper(machine):
    """The pid of the agent's desktop process, or None."""
    for path in glob.glob(f"/proc/{machine.agent.process.pid}/task/*/children"):
        try:  # threads come and go
            with open(path) as f:
                children = f.read().split()
            for pid in children:
                with open(f"/proc/{pid}/comm") as f:
                    if f.read().startswith("opengeni-agent-"):
                        return int(pid)
        except OSError:
            pass
    return None
