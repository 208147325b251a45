"""A real X server for a scenario, a program that writes down the input it gets, and PNGs decoded."""

import contextlib
import os
import random
import re
import signal
import struct
import subprocess
import time
import zlib

from natsclient import PATIENCE, freeze, wait_until
from rig import own_share


class Screen:
    """An Xvfb. number: of the display; None chooses one."""

    def __init__(self, size="800x600", depth=24, number=None, options=()):
        self.size, self.depth, self.options = size, depth, list(options)
        self.number, self.process = number, None
        self.children = []
        self.start()

    def start(self):
        if self.number is not None:
            return self._try()
        # By chance, not the lowest that is free: while this one is down, no other test gets its number.
        while True:
            self.number = random.SystemRandom().randrange(*own_share(100, 10000))
            try:
                return self._try()
            except ValueError:
                self.process.wait()  # somebody has that number

    def _try(self):
        read, write = os.pipe()
        self.process = subprocess.Popen(
            ["Xvfb", self.display, "-displayfd", str(write), "-screen", "0", f"{self.size}x{self.depth}",
             "-nolisten", "tcp", "-noreset", *self.options],
            pass_fds=(write,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as f:
            self.number = int(f.readline())

    @property
    def display(self):
        return f":{self.number}"

    def environment(self):
        return {**os.environ, "DISPLAY": self.display, "XAUTHORITY": "/nonexistent"}

    def run(self, *command):
        return subprocess.run(command, env=self.environment(), check=True, capture_output=True,
                              text=True, timeout=PATIENCE).stdout

    def spawn(self, *command, **options):
        self.children.append(subprocess.Popen(command, env=self.environment(),
                                              stdin=subprocess.DEVNULL, **options))
        return self.children[-1]

    def pointer(self):
        found = re.findall(r"[XY]=(-?\d+)", self.run("xdotool", "getmouselocation", "--shell"))
        return int(found[0]), int(found[1])

    def noise(self, directory):
        """Fills it with what no compression makes smaller than a bit a pixel."""
        width, height = map(int, self.size.split("x"))
        bits = random.Random(1).randbytes((width + 7) // 8 * height)
        path = os.path.join(str(directory), "noise.xbm")
        with open(path, "w") as f:
            f.write(f"#define n_width {width}\n#define n_height {height}\nstatic char n_bits[] = {{\n")
            f.write(",\n".join(f"0x{byte:02x}" for byte in bits) + "};\n")
        self.run("xsetroot", "-bitmap", path)

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        freeze(self.process)

    def kill(self):
        for child in self.children:
            child.kill()
            child.wait()
        self.children = []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        for path in (f"/tmp/.X11-unix/X{self.number}", f"/tmp/.X{self.number}-lock"):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass


def xauthority(cookie, number=""):
    """A file of cookies with one for this machine, Xau(3): family "wild" matches any host."""
    fields = [b"", str(number).encode(), b"MIT-MAGIC-COOKIE-1", cookie]
    return struct.pack(">H", 0xffff) + b"".join(struct.pack(">H", len(f)) + f for f in fields)


@contextlib.contextmanager
def screens(**defaults):
    """make(**options): a screen with these options; all are gone in the end."""
    made = []

    def make(**options):
        made.append(Screen(**{**defaults, **options}))
        return made[-1]

    try:
        yield make
    finally:
        for screen in made:
            screen.kill()


class Receiver:
    """xev(1) in a window over the whole screen."""

    def __init__(self, screen, directory):
        self.path = os.path.join(str(directory), f"xev-{time.monotonic_ns()}")
        width, height = screen.size.split("x")
        with open(self.path, "wb") as out:
            screen.spawn("xev", "-geometry", f"{width}x{height}+0+0", "-event", "button",
                         "-event", "keyboard", stdout=out, stderr=subprocess.DEVNULL)
        found = wait_until(lambda: self._window(screen), what="the window of xev")
        screen.run("xdotool", "windowfocus", "--sync", found)

    @staticmethod
    def _window(screen):
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "Event Tester"],
                               env=screen.environment(), capture_output=True, text=True,
                               timeout=PATIENCE).stdout.split()
        return found and found[0]

    def buttons(self):
        """(+1 or -1, button, x, y) of presses and releases."""
        with open(self.path, errors="replace") as f:
            text = f.read()
        return [(1 if kind == "Press" else -1, int(button), int(x), int(y))
                for kind, x, y, button in
                re.findall(r"Button(Press|Release) event.*?root:\((-?\d+),(-?\d+)\).*?button (\d+)",
                           text, re.S)]

    def keys(self):
        """"+Control_L", "-c" and the like."""
        with open(self.path, errors="replace") as f:
            text = f.read()
        return [("+" if kind == "Press" else "-") + name for kind, name in
                re.findall(r"Key(Press|Release) event.*?keysym 0x[0-9a-f]+, (\w+)\)", text, re.S)]


def decode_png(data, only_rows=1 << 20):
    """(width, height, rows of (r, g, b)); of the kinds that a screenshot may have."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, palette = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            assert interlace == 0 and (colour == 2 and depth == 8 or colour == 3)
        elif kind == b"PLTE":
            palette = [tuple(body[i:i + 3]) for i in range(0, size, 3)]
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    assert kind == b"IEND"
    raw = zlib.decompress(packed)
    step = 3 if colour == 2 else 1
    row_bytes = width * 3 if colour == 2 else (width * depth + 7) // 8
    assert len(raw) == (row_bytes + 1) * height
    rows, above = [], bytearray(row_bytes)
    for y in range(min(height, only_rows)):
        start = y * (row_bytes + 1)
        line = _unfilter(raw[start], bytearray(raw[start + 1:start + 1 + row_bytes]), above, step)
        above = line
        if colour == 2:
            rows.append([tuple(line[i:i + 3]) for i in range(0, row_bytes, 3)])
        else:
            rows.append([palette[line[x * depth // 8] >> (8 - depth - x * depth % 8) &
                                 (1 << depth) - 1] for x in range(width)])
    return width, height, rows


def _unfilter(kind, line, above, step):
    for i in range(len(line)):
        left = line[i - step] if i >= step else 0
        up, corner = above[i], above[i - step] if i >= step else 0
        if kind == 1:
            line[i] = line[i] + left & 255
        elif kind == 2:
            line[i] = line[i] + up & 255
        elif kind == 3:
            line[i] = line[i] + (left + up) // 2 & 255
        elif kind == 4:
            guess = left + up - corner
            near = min((left, up, corner), key=lambda value: abs(guess - value))
            line[i] = line[i] + near & 255
    return line
