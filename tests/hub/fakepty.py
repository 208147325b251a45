"""A machine with terminals, played over a real hub: NATS requests, a relay channel, a real pty."""

import errno
import fcntl
import os
import pty
import signal
import struct
import termios
import threading
import time

from hubrig import PATIENCE, Machine, pb, wait_until
from test_relay import End


class Terminal:
    """One shell, on the relay as long as it runs."""

    def __init__(self, machine, request):
        self.machine = machine
        self.id = "ch-" + os.urandom(16).hex()
        self.request = request
        self.seq, self.seen, self.tail, self.typed = 0, set(), [], []
        self.exit_code = None
        self.lock = threading.Lock()
        self.stopping = False
        self.asked_after = threading.Event()  # a viewer knows of it
        self.end = End(machine.hub, machine.credentials, machine.credentials["relayToken"], 1,
                       channel=self.id)
        assert self.end.ack.accepted
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = request.term or "xterm"
            os.environ["PS1"] = "$ "
            os.environ.update(request.env)
            command = list(request.command) or ["/bin/sh"]
            if request.cwd:
                os.chdir(request.cwd)
            os.execvp(command[0], command)
        self.resize(request.cols or 80, request.rows or 24)
        threading.Thread(target=self._output, daemon=True).start()
        threading.Thread(target=self._input, daemon=True).start()

    def resize(self, cols, rows):
        old = struct.unpack("HHHH", fcntl.ioctl(self.fd, termios.TIOCGWINSZ, b"\0" * 8))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows or old[0], cols or old[1], 0, 0))

    def frame(self, data, seq=None):
        with self.lock:
            message = b"\x03" + pb.StreamFrame(channel_id=self.id, seq=self.seq if seq is None else seq,
                                               data=data, produced_at_ms=1).SerializeToString()
            if seq is None:
                self.seq += 1
            self.tail = (self.tail + [message])[-200:]
            try:
                self.end.socket.send(message)
            except OSError:
                pass  # in the tail

    def _output(self):
        while True:
            try:
                data = os.read(self.fd, 32768)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                data = b""
            if not data:
                break
            self.frame(data)
        status = os.waitpid(self.pid, 0)[1]
        self.exit_code = os.waitstatus_to_exitcode(status)
        self.stopping = True
        self.machine.ended[self.id] = max(self.exit_code, 0) if self.exit_code >= 0 else 1
        self.machine.terminals.pop(self.id, None)
        self.asked_after.wait(60)  # else the first viewer may come too late for the output
        try:
            self.end.socket.send(b"\x04" + pb.StreamClose(
                channel_id=self.id, reason=2, message="pty exited").SerializeToString())
        except OSError:
            pass

    def _input(self):
        while not self.stopping:
            try:
                message = self.end.socket.receive(timeout=600)
            except (EOFError, OSError):
                if not self.stopping:
                    self._reconnect()
                continue
            self.asked_after.set()
            if message[0] != 3:
                continue
            frame = pb.StreamFrame.FromString(message[1:])
            identity = (frame.seq, frame.produced_at_ms, frame.data)
            if identity in self.seen:
                continue
            self.seen.add(identity)
            self.typed.append(frame)
            os.write(self.fd, frame.data)

    def _reconnect(self):
        while not self.stopping:
            try:
                end = End(self.machine.hub, self.machine.credentials,
                          self.machine.credentials["relayToken"], 1, channel=self.id)
            except Exception:  # away
                time.sleep(0.05)
                continue
            with self.lock:
                for message in self.tail:
                    end.socket.send(message)
                self.end = end
            return

    def hang_up(self):
        try:
            os.kill(self.pid, signal.SIGHUP)
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


class PtyMachine(Machine):
    """Serves pty requests; ended: exit codes by id."""

    def __init__(self, hub, tell_codes=True):
        super().__init__(hub, hub.enrol())
        time.sleep(0.01)  # what has connected in the millisecond of an enrolment counts as older
        self.terminals, self.ended, self.scopes = {}, {}, {}
        self.opened = {}  # all there ever were
        self.tell_codes = tell_codes
        self.requests = []
        self.stopped = False
        self.connect()
        self.serve(self.answer)
        self.announce()
        threading.Thread(target=self._beat, daemon=True).start()
        wait_until(lambda: hub.state(self.id) == "online", what="the machine to be online")

    def _beat(self):
        while not self.stopped:
            try:
                self.heartbeat()
            except OSError:
                return
            time.sleep(0.5)

    def only(self):
        return wait_until(lambda: next(iter(self.terminals.values()), None), what="a terminal")

    def answer(self, request):
        response = self._answer(request)
        self.requests.append(request)  # is seen once it is done
        return response

    def _answer(self, request):
        response = pb.ControlResponse()
        kind = request.WhichOneof("op")
        body = getattr(request, kind)
        if kind == "pty_open":
            terminal = self.terminals.get(self.scopes.get(body.scope_id))
            if not terminal:
                terminal = Terminal(self, body)
                self.terminals[terminal.id] = self.opened[terminal.id] = terminal
                if terminal.stopping:  # it was quick
                    self.terminals.pop(terminal.id, None)
                if body.scope_id:
                    self.scopes[body.scope_id] = terminal.id
            answer = response.pty_open
            answer.pty_id = answer.channel.channel_id = terminal.id
            answer.channel.workspace_id, answer.channel.agent_id = self.workspace, self.id
            answer.channel.kind, answer.channel.port = 1, 7681
            return response
        if body.pty_id in self.opened:
            self.opened[body.pty_id].asked_after.set()
        terminal = self.terminals.get(body.pty_id)
        if not terminal:
            response.error.code, response.error.message = 3, "not found: no open pty: " + body.pty_id
            if self.tell_codes and body.pty_id in self.ended:
                response.error.detail["exit_code"] = str(self.ended[body.pty_id])
        elif kind == "pty_resize":
            terminal.resize(body.cols, body.rows)
            response.pty_resize.SetInParent()
        elif kind == "pty_write":
            os.write(terminal.fd, body.data)
            response.pty_write.bytes_written = len(body.data)
        elif kind == "pty_close":
            response.pty_close.exit_code = -1
            terminal.hang_up()
        return response

    def deaf(self):
        """Nobody listens to requests any more; terminals go on."""
        self.nats.unsubscribe(self.listening)
        self.nats.flush()

    def hearing(self):
        self.serve(self.answer)

    def gone(self):
        self.stopped = True
        self.nats.close()


class Screen:
    """opengeni-ctl in a terminal of its own, as a person has it."""

    def __init__(self, command, environment, cols=100, rows=30):
        self.text = b""
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)
        self.resize(cols, rows)
        self.usual = None
        threading.Thread(target=self._read, daemon=True).start()

    def resize(self, cols, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def _read(self):
        while True:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.text += data

    def type(self, text):
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def sees(self, text, timeout=PATIENCE, count=1):
        wanted = text.encode() if isinstance(text, str) else text
        try:
            wait_until(lambda: self.text.count(wanted) >= count, timeout)
        except AssertionError:
            raise AssertionError(f"{wanted!r} is not in {self.text[-2000:]!r}") from None

    def flags(self):
        return termios.tcgetattr(self.fd)[3]

    def is_raw(self):
        return not self.flags() & termios.ICANON

    def wait(self, timeout=PATIENCE):
        if self.status is None:
            wait_until(self._ended, timeout, what=f"the end of ctl; it shows {self.text[-1000:]!r}")
        return self.status

    def _ended(self):
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.status = os.waitstatus_to_exitcode(status)
        return pid

    def signal(self, number):
        os.kill(self.pid, number)

    def clean_up(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
