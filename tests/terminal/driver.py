"""Types into a terminal and looks at its screen, on Linux or on the system under test.

A `Transport` moves bytes; a `Terminal` joins one with the screen model. Every wait is for something to
be seen, with a bound; nothing sleeps."""
import abc
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

from screen import Screen

BOUND_SECONDS = float(os.environ.get("TERMINAL_BOUND_SECONDS", "60"))


class Transport(abc.ABC):
    """Bytes to and from a terminal line."""

    @abc.abstractmethod
    def write(self, data):
        """Sends what is typed."""

    @abc.abstractmethod
    def read(self, timeout_seconds):
        """What has arrived, waiting for the first byte so long; b'' for nothing, None at the end."""

    def resize(self, rows, columns):
        """Tells the line its window's size, where the line can carry that: True if it could."""
        del rows, columns
        return False

    @abc.abstractmethod
    def close(self):
        """Ends what is on the other side."""


class Pty(Transport):
    """A command on a pty of this host; the system's own console too, when the command boots it."""

    def __init__(self, argv, rows=24, columns=80, environment=None, folder=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                if folder is not None:
                    os.chdir(folder)
                os.execvpe(argv[0], argv, environment if environment is not None else os.environ)
            finally:
                os._exit(127)

    def write(self, data):
        while data:
            data = data[os.write(self.fd, data):]

    def read(self, timeout_seconds):
        ready, _, _ = select.select([self.fd], [], [], timeout_seconds)
        if not ready:
            return b""
        try:
            return os.read(self.fd, 65536) or None
        except OSError:
            return None

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        return True

    def close(self):
        for pid in self._session():
            os.kill(pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)

    def _session(self):
        """The processes of the command's session that still run: background jobs too."""
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.pid and fields[0] != "Z":
                yield int(name)


class Failed(Exception):
    """What was waited for was not seen."""


class Terminal:
    """A screen in front of a transport."""

    def __init__(self, transport, rows=24, columns=80):
        self.transport = transport
        self.screen = Screen(rows, columns)
        self.ended = False
        self.marks = 0
        # busybox's shell asks where the cursor is at each prompt, and loses what is typed right
        # behind the answer: so no question is answered (it does without).

    def _take(self, timeout_seconds):
        """Takes in what has arrived; False when nothing did."""
        data = self.transport.read(timeout_seconds)
        if data is None:
            self.ended = True
            return False
        self.screen.feed(data)
        return bool(data)

    def wait(self, seen, what, bound_seconds=BOUND_SECONDS):
        """Takes in output until `seen(screen)`."""
        end = time.monotonic() + bound_seconds
        while not seen(self.screen):
            left = end - time.monotonic()
            if left <= 0 or self.ended:
                why = "the other side ended" if self.ended else "out of time"
                raise Failed(f"{why}, waiting for {what}; the screen is\n{self.screen.text()}")
            self._take(min(left, 1))

    def type(self, text):
        """Types, as one write; a newline is the Enter key."""
        self.transport.write(text.replace("\n", "\r").encode())

    def wait_text(self, text):
        """Waits until the screen shows this somewhere."""
        self.wait(lambda screen: text in screen.text(), repr(text))

    def wait_line(self, text):
        """Waits until some row is exactly this."""
        self.wait(lambda screen: text in screen.lines(), f"the line {text!r}")

    def wait_prompt(self, prompt="$ "):
        """Waits until the cursor stands behind a prompt and nothing else is on its row."""
        self.wait(lambda screen: screen.lines()[screen.row] == prompt.rstrip() and
                  screen.column == len(prompt), f"the prompt {prompt!r}")

    def wait_screen(self, want):
        """Waits until the whole screen, with its cursor, is this text."""
        self.wait(lambda screen: screen.text() == want, "the screen\n" + want)

    def mark(self):
        """A word that no screen has shown yet: for commands to print when they run."""
        self.marks += 1
        return f"started-{self.marks}"

    def type_until(self, text, seen, what):
        """Types the same again and again, until it shows what is awaited."""
        for _ in range(30):
            self.type(text)
            try:
                self.wait(seen, what, 2)
                return
            except Failed:
                pass
        raise Failed(f"not seen: {what}; the screen is\n{self.screen.text()}")

    def settle(self, quiet_seconds=1.0):
        """For recording only: takes in output until none comes for so long."""
        while self._take(quiet_seconds):
            pass

    def resize(self, rows, columns):
        """Changes the size of the window; the model's, and the line's where it can carry that."""
        self.screen.resize(rows, columns)
        return self.transport.resize(rows, columns)

    def close(self):
        self.transport.close()
