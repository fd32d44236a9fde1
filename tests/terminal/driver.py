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
TIOCGPTN = 0x80045430  # Linux: the number of a pty; os.ptsname() is too new for Debian 12 and 13


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

    def busy(self):
        """Whether something on the other side still runs, or has not read what was typed."""
        return False

    @abc.abstractmethod
    def close(self):
        """Ends what is on the other side."""


def plain_surroundings():
    """Gives a new process what a login has, whatever started this one: a shell's background job, for
    one, ignores SIGINT, and so would all that it starts."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)


class Pty(Transport):
    """A command on a pty of this host; the system's own console too, when the command boots it."""

    def __init__(self, argv, rows=24, columns=80, environment=None, folder=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                plain_surroundings()
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

    def busy(self):
        """A process that a loaded machine keeps waiting is ready to run, and counts as running."""
        number, = struct.unpack("i", fcntl.ioctl(self.fd, TIOCGPTN, bytes(4)))
        slave = os.open(f"/dev/pts/{number}", os.O_RDONLY | os.O_NOCTTY)
        try:
            unread, = struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, bytes(4)))
        finally:
            os.close(slave)
        return unread != 0 or any(state in "RD" for _, state in self._session())

    def close(self):
        for pid, _ in self._session():
            os.kill(pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)

    def _session(self):
        """The processes of the command's session that still run, with their states: background jobs too."""
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.pid and fields[0] != "Z":
                yield int(name), fields[0]


class Failed(Exception):
    """What was waited for was not seen."""


class Terminal:
    """A screen in front of a transport."""

    def __init__(self, transport, rows=24, columns=80, alone=True):
        self.transport = transport
        self.alone = alone  # no processes of others are seen there
        self.screen = Screen(rows, columns)
        self.ended = False
        self.marks = 0
        self.steps_at_key = -1  # the screen's steps when something was typed last
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
        self.steps_at_key = self.screen.steps
        self.transport.write(text.replace("\n", "\r").encode())

    def wait_text(self, text):
        """Waits until the screen shows this somewhere."""
        self.wait(lambda screen: text in screen.text(), repr(text))

    def wait_line(self, text):
        """Waits until some row is exactly this."""
        self.wait(lambda screen: text in screen.lines(), f"the line {text!r}")

    def at_prompt(self, prompt="$ "):
        """The cursor stands behind a prompt that came after the last key, and nothing else is on its
        row. Only then does the shell edit lines: what is typed before, the line echoes as it is."""
        screen = self.screen
        return screen.steps > self.steps_at_key and screen.column == len(prompt) and \
            screen.lines()[screen.row] == prompt.rstrip()

    def wait_prompt(self):
        """Waits for the prompt behind the last command."""
        self.wait(lambda screen: self.at_prompt(), "a prompt")

    def wait_clear(self):
        """Waits for a prompt at the top of an empty screen."""
        self.wait(lambda screen: self.at_prompt() and screen.row == 0 and not any(screen.lines()[1:]),
                  "a prompt on a clear screen")

    def enter(self, command):
        """Types a command at the prompt, once that is there."""
        self.wait_prompt()
        self.type(command + "\n")

    def wait_screen(self, want):
        """Waits until the whole screen, with its cursor, is this text."""
        self.wait(lambda screen: screen.text() == want, "the screen\n" + want)

    def mark(self):
        """A word that no screen has shown yet: for commands to print when they run."""
        self.marks += 1
        return f"started-{self.marks}"

    def type_until(self, text, seen, what):
        """Types the same again and again, until it shows what is awaited."""
        self._again(lambda: self.type(text), seen, what)

    def enter_until(self, command, seen, what):
        """Gives the same command again and again, until the screen shows what is awaited."""
        self._again(lambda: self.enter(command), seen, what)
        self.wait_prompt()

    def _again(self, action, seen, what):
        for _ in range(30):
            action()
            try:
                self.wait(seen, what, 2)
                return
            except Failed:
                pass
        raise Failed(f"not seen: {what}; the screen is\n{self.screen.text()}")

    def settle(self, quiet_seconds=1.0):
        """For recording only: takes in output until none comes for so long while nothing runs."""
        since = time.monotonic()
        while time.monotonic() - since < quiet_seconds:
            if self._take(0.05) or self.transport.busy():
                since = time.monotonic()
            if self.ended:
                return

    def resize(self, rows, columns):
        """Changes the size of the window; the model's, and the line's where it can carry that."""
        self.screen.resize(rows, columns)
        return self.transport.resize(rows, columns)

    def close(self):
        self.transport.close()
