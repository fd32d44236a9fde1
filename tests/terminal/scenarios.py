"""What is typed and what must be seen. Each scenario gets a terminal that shows a fresh `$ ` prompt of
busybox's shell in an empty folder, 24 by 80, and `look(name)`, which compares the whole screen with
`screens/SCENARIO-name.txt` as Linux drew it."""
import re

ESCAPE = "\x1b"
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"


def editing(terminal, look):
    """The shell's line editing, history, completion, UTF-8 and a line longer than the screen."""
    terminal.enter("echo one two")
    terminal.wait_line("one two")
    terminal.enter("echo abd" + LEFT + "c\x01" + RIGHT * 5 + "X\x05Y")
    terminal.wait_line("XabcdY")
    terminal.enter(UP + UP + "!")
    terminal.wait_line("one two!")
    terminal.enter("echo wrong\x15echo grüße €")
    terminal.wait_line("grüße €")
    terminal.enter("echo äb" + "\x7f\x7f" + "ok")
    terminal.wait_line("ok")
    terminal.enter("echo " + "0123456789" * 9)
    terminal.wait_text("0123456789\n0123456789")
    terminal.wait_prompt()
    look("lines")
    terminal.enter(": > a-long-file-name; clear")
    terminal.wait_clear()
    terminal.enter("ls a-lo\t")
    terminal.wait_line("a-long-file-name")
    terminal.wait_prompt()
    look("completed")


def start(terminal, command):
    """Starts a command that says when it runs: a key typed before that would go to the shell."""
    mark = terminal.mark()
    terminal.enter(f"clear; sh -c 'echo {mark}; exec {command}'")
    terminal.wait(lambda screen: screen.lines()[0] == mark, "the command started")


def interrupt(terminal, look):
    """Ctrl-C on a line, on a program, on a pipeline; Ctrl-backslash; Ctrl-D as end of input."""
    terminal.wait_prompt()
    terminal.type("never run\x03")
    start(terminal, "sleep 1000")
    terminal.type("\x03")
    terminal.enter("echo status $?")
    terminal.wait_line("status 130")
    terminal.enter("clear; sh -c 'trap \"echo caught; exit 3\" INT; echo armed; "
                   "while :; do sleep 0.1; done'")
    terminal.wait(lambda screen: screen.lines()[0] == "armed", "the trap set")
    terminal.type("\x03")
    terminal.wait(lambda screen: screen.lines()[1].endswith("caught"), "the trap's output")
    mark = terminal.mark()
    terminal.enter(f"clear; (echo {mark}; yes) | (head -n 1; cat > /dev/null)")
    terminal.wait(lambda screen: screen.lines()[0] == mark, "the pipeline started")
    terminal.type("\x03")
    terminal.wait_prompt()
    start(terminal, "cat")
    terminal.type("typed line\n")
    terminal.wait(lambda screen: screen.lines().count("typed line") == 2, "the line twice")
    terminal.type("\x04")
    terminal.enter("echo end $?")
    terminal.wait_line("end 0")
    terminal.wait_prompt()
    del look


def jobs(terminal, look):
    """Ctrl-Z, jobs, bg, fg, background jobs that end, and one that wants to read the terminal."""
    start(terminal, "sleep 1000")
    terminal.type("\x1a")
    terminal.wait_text("Stopped")
    terminal.enter("jobs")
    terminal.wait(lambda screen: len([line for line in screen.lines() if "Stopped" in line]) == 2,
                  "the job twice")
    terminal.enter("bg")
    terminal.wait(lambda screen: any(re.fullmatch(r"\[1\] sh -c .*sleep 1000.?", line)
                                     for line in screen.lines()), "the job named by bg")
    terminal.enter("jobs")
    terminal.wait_text("Running")
    terminal.wait_prompt()
    terminal.enter("clear; fg")
    terminal.wait(lambda screen: screen.lines()[0].startswith("sh -c"), "the job named by fg")
    # fg names the job before that has the terminal: the first Ctrl-C may come too early.
    terminal.type_until("\x03", lambda screen: terminal.at_prompt(), "the prompt behind the job")
    terminal.enter("clear; cat &")
    terminal.enter_until("jobs", lambda screen: "Stopped (tty input)" in screen.text(),
                         "cat stopped for input")
    terminal.enter("clear; fg")
    terminal.wait(lambda screen: screen.lines()[0] == "cat", "cat in the foreground")
    terminal.type("to the cat\n")
    terminal.wait(lambda screen: screen.lines().count("to the cat") == 2, "the line twice")
    terminal.type("\x04")
    terminal.wait_prompt()
    look("end")


def vi(terminal, look):
    """vi: insert, move, delete, undo, search, substitute, Ctrl-Z and fg, write and quit."""
    terminal.enter("seq 1 40 > numbers; clear; vi numbers")
    terminal.wait_text("numbers 1/40")
    look("opened")
    terminal.type("ifirst line\nsecond é€" + ESCAPE)
    terminal.wait_text("second é€1")
    look("inserted")
    terminal.type("G")
    terminal.wait_line("40")
    look("at-end")
    terminal.type("kddp")
    look("swapped")
    terminal.type("u:%s/3/three/\n")
    terminal.wait_text("three0")
    look("substituted")
    terminal.type("gg/17\n")
    look("found")
    terminal.type("\x1a")
    terminal.wait_text("Stopped")
    terminal.enter("echo meanwhile")
    terminal.wait_line("meanwhile")
    terminal.enter("fg")
    terminal.wait_line("17")
    look("resumed")
    terminal.type(":wq\n")
    terminal.enter("clear; head -n 3 numbers; wc numbers")
    terminal.wait_text(" numbers")
    terminal.wait_prompt()
    look("written")


def resize(terminal, look):
    """The window's size changes while vi and the shell run: both draw to the new size.

    The size is set by `stty` in a background job that waits for a file which vi writes, and says so in
    the window's title: so it works over a line that cannot carry a size, and no time is guessed."""
    terminal.enter("seq 1 40 > n")
    terminal.enter("(trap '' TTOU; until test -e go; do sleep 0.1; done; stty rows 12 cols 40; "
                   "printf '\\033]0;resized\\007') &")
    terminal.enter("clear; vi n")
    terminal.wait_text("n 1/40")
    terminal.type(":w go\n")
    terminal.wait(lambda screen: screen.title == "0;resized", "the window resized")
    terminal.screen.resize(12, 40)
    terminal.type_until("\x0c", lambda screen: screen.lines()[10] == "11" and
                        screen.lines()[11].startswith("- n"), "vi drawn to 12 rows")
    terminal.type("G")
    look("vi-12x40")
    terminal.type(":q!\n")
    # The job may end only now: what the shell says of it is above the prompt that clear removes.
    terminal.enter("wait")
    terminal.enter("clear; stty size; echo " + "abcdefghij" * 5)
    terminal.wait_line("12 40")
    terminal.wait_text("abcdefghij\nabcdefghij")
    terminal.wait_prompt()
    look("shell-12x40")


def window(terminal, look):
    """The same through the line itself, where it can carry a size: SIGWINCH reaches the program."""
    if not terminal.resize(10, 50):
        return "skipped: this line cannot carry a window size"
    terminal.enter("stty size")
    terminal.wait_line("10 50")
    terminal.enter("sh -c 'trap \"stty size; seen=1\" WINCH; echo ready; "
                   "until test $seen; do sleep 0.1; done'")
    terminal.wait_line("ready")
    terminal.resize(20, 60)
    terminal.wait_line("20 60")
    terminal.wait_prompt()
    terminal.resize(24, 80)
    terminal.enter("clear; seq 1 9 > n; vi n")
    terminal.wait_text("n 1/9")
    terminal.resize(6, 30)
    # vi may look for the change only at the next key: Ctrl-L draws anew.
    terminal.type_until("\x0c", lambda screen: screen.lines()[5].startswith("- n 1/9") and
                        screen.lines()[:5] == list("12345"), "vi drawn to 6 rows")
    look("vi-6x30")
    terminal.type(":q\n")
    terminal.wait(lambda screen: screen.lines()[screen.row] == "$", "the prompt")
    return None


def top(terminal, look):
    """top: its head and table by their form, a process of ours in it, refreshed, ended by q."""
    if not terminal.alone:
        return "skipped: this host allows no process namespace, and its own processes may fill the table"
    terminal.enter("sleep 1234 & clear")
    terminal.wait_clear()
    terminal.enter("top -d 1")
    head = [r"Mem: \d+K used, \d+K free, \d+K shrd, \d+K buff, \d+K cached",
            r"CPU: +[\d.]+% usr +[\d.]+% sys +[\d.]+% nic +[\d.]+% idle +[\d.]+% io +[\d.]+% irq"
            r" +[\d.]+% sirq", r"Load average: [\d.]+ [\d.]+ [\d.]+ \d+/\d+ \d+",
            r" +PID +PPID USER +STAT +VSZ %VSZ( CPU)? %CPU COMMAND"]

    def drawn(screen):
        lines = screen.lines()
        return all(re.fullmatch(form, line) for form, line in zip(head, lines)) and \
            all(re.match(r" *\d+ +\d+ \S+ +[RSDTZI]", line) for line in lines[4:20] if line)

    terminal.wait(drawn, "top's form")
    terminal.type("N")
    terminal.wait(lambda screen: drawn(screen) and "sleep 1234" in screen.text(),
                  "our own process in the table")
    terminal.type("q")
    terminal.enter("kill %1; clear")
    terminal.wait_prompt()
    del look
    return None


def pager(terminal, look):
    """less: forward, back, search, the end, and quitting leaves the prompt."""
    terminal.enter("seq 1 200 | sed 's/^/line /' > long; clear; less long")
    terminal.wait_line("line 23")
    look("start")
    terminal.type(" ")
    terminal.wait_line("line 46")
    look("second-page")
    terminal.type("/line 123\n")
    terminal.wait_line("line 145")
    look("found")
    terminal.type("G")
    terminal.wait_line("line 200")
    look("end")
    terminal.type("q")
    terminal.wait(lambda screen: screen.lines()[screen.row].startswith("$"), "the prompt")


ALL = {scenario.__name__: scenario
       for scenario in (editing, interrupt, jobs, vi, resize, window, top, pager)}
