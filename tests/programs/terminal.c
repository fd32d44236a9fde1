/* Pseudo-terminals and termios: line editing, special characters, raw reads, output, window size.
 */
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

static int master;
static int slave;

static void open_both(void) {
    char name[64];
    master = posix_openpt(O_RDWR | O_NOCTTY);
    grantpt(master);
    unlockpt(master);
    ptsname_r(master, name, sizeof name);
    slave = open(name, O_RDWR | O_NOCTTY);
    if (slave < 0) {
        check_ok("open_pty", slave);
    }
}

static void close_both(void) {
    close(slave);
    close(master);
}

/* What the program reads when these keys are typed: one read's answer. */
static void check_line(const char *name, const char *keys, const char *want) {
    char line[600] = {0};
    write(master, keys, strlen(keys));
    ssize_t length = read(slave, line, sizeof line - 1);
    line[length < 0 ? 0 : length] = '\0';
    check_text(name, line, want);
}

/* Everything that the other side of the master has been sent, once it is all there: ends at `end`.
 */
static void check_output(const char *name, const char *want) {
    char got[600] = {0};
    size_t length = 0;
    while (length < strlen(want)) {
        ssize_t count = read(master, &got[length], sizeof got - 1 - length);
        if (count <= 0) {
            break;
        }
        length += (size_t)count;
    }
    got[length] = '\0';
    check_text(name, got, want);
}

/* What is typed arrives a little later on Linux: waits until it can be read. */
static void wait_readable(void) {
    struct pollfd ready = {.fd = slave, .events = POLLIN};
    (void)poll(&ready, 1, 60000);
}

static void change(tcflag_t input, tcflag_t output, tcflag_t local, bool on) {
    struct termios settings;
    tcgetattr(slave, &settings);
    if (on) {
        settings.c_iflag |= input;
        settings.c_oflag |= output;
        settings.c_lflag |= local;
    } else {
        settings.c_iflag &= ~input;
        settings.c_oflag &= ~output;
        settings.c_lflag &= ~local;
    }
    tcsetattr(slave, TCSANOW, &settings);
}

static void test_open(void) {
    int ptmx = check_fd("ptmx", open("/dev/ptmx", O_RDWR | O_NOCTTY));
    unsigned number = 0;
    check_ok("tiocgptn", syscall(SYS_ioctl, ptmx, TIOCGPTN, &number));
    char name[64];
    (void)snprintf(name, sizeof name, "/dev/pts/%u", number);
    check_errno("locked", open(name, O_RDWR | O_NOCTTY), EIO);
    int unlock = 0;
    check_ok("tiocsptlck", ioctl(ptmx, TIOCSPTLCK, &unlock));
    int other = check_fd("slave", open(name, O_RDWR | O_NOCTTY));
    struct stat facts;
    fstat(other, &facts);
    check("slave_is_device",
          S_ISCHR(facts.st_mode) && major(facts.st_rdev) == 136 && minor(facts.st_rdev) == number);
    fstat(ptmx, &facts);
    check("master_device", S_ISCHR(facts.st_mode) && facts.st_rdev == makedev(5, 2));
    check("isatty", isatty(other) == 1 && isatty(ptmx) == 1);
    int peer = check_fd("tiocgptpeer", ioctl(ptmx, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    close(peer);
    char link[64] = {0};
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", other);
    readlink(path, link, sizeof link - 1);
    check_text("name_in_proc", link, name);
    check_errno("lseek", lseek(other, 0, SEEK_SET), ESPIPE);
    close(other);
    close(ptmx);
    check_errno("gone_with_master", open(name, O_RDWR | O_NOCTTY), ENOENT);
}

static void test_canonical(void) {
    open_both();
    change(0, 0, ECHO, false);
    check_line("line", "hello\n", "hello\n");
    check_line("carriage_return_is_newline", "cr\r", "cr\n");
    check_line("erase", "helpp\x7flo\n", "helplo\n");
    check_line("erase_at_start", "\x7f\x7fok\n", "ok\n");
    check_line("kill", "wrong\x15right\n", "right\n");
    check_line("word_erase", "one two\x17three\n", "one three\n");
    check_line("literal_next", "a\x16\x03z\n", "a\x03z\n");
    check_line("end_of_file_flushes", "part\x04", "part");
    write(master, "\x04", 1);
    char buffer[64];
    check_equal("end_of_file", read(slave, buffer, sizeof buffer), 0);
    write(master, "one\ntwo\n", 8);
    check_equal("one_line_a_read", read(slave, buffer, sizeof buffer), 4);
    check_equal("next_line", read(slave, buffer, sizeof buffer), 4);
    write(master, "abcdef\n", 7);
    check_equal("part_of_line", read(slave, buffer, 4), 4);
    check_equal("rest_of_line", read(slave, buffer, sizeof buffer), 3);
    write(master, "no newline", 10);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    check_errno("incomplete_line_is_not_read", read(slave, buffer, sizeof buffer), EAGAIN);
    int waiting = -1;
    ioctl(slave, FIONREAD, &waiting);
    check_equal("fionread_incomplete", waiting, 0);
    write(master, "\n", 1);
    wait_readable();
    ioctl(slave, FIONREAD, &waiting);
    check_equal("fionread_line", waiting, 11);
    struct pollfd ready = {.fd = slave, .events = POLLIN};
    check_equal("poll", poll(&ready, 1, 0), 1);
    check_ok("flush_input", tcflush(slave, TCIFLUSH));
    check_errno("flushed", read(slave, buffer, sizeof buffer), EAGAIN);
    fcntl(slave, F_SETFL, 0);
    change(IUTF8, 0, 0, true);
    check_line("erase_of_utf8", "\xc3\xa9\xe2\x82\xac\x7f!\n", "\xc3\xa9!\n");
    struct termios settings;
    tcgetattr(slave, &settings);
    settings.c_cc[VEOL] = ';';
    tcsetattr(slave, TCSANOW, &settings);
    check_line("other_end_of_line", "a;", "a;");
    static char longest[5001];
    memset(longest, 'x', 5000);
    longest[4999] = '\n';
    write(master, longest, 5000);
    static char back[6000];
    check_equal("line_is_cut_at_4096", read(slave, back, sizeof back), 4096);
    check_equal("cut_line_ends", back[4095], '\n');
    close_both();
}

static void test_echo(void) {
    open_both();
    write(master, "ab\n", 3);
    check_output("echo", "ab\r\n");
    char line[8];
    check_equal("the_line", read(slave, line, sizeof line), 3);
    write(master, "a\x7f", 2);
    check_output("erase_is_rubbed_out", "a\b \b");
    write(master, "\x01", 1);
    check_output("control_as_caret", "^A");
    write(master, "\x15", 1);
    check_output("kill_rubs_out_all", "\b \b\b \b");
    change(0, 0, ECHO, false);
    write(master, "x\n", 2);
    write(slave, "out\n", 4);
    check_output("output_newline_and_no_echo", "out\r\n");
    check_equal("the_unechoed_line", read(slave, line, sizeof line), 2);
    change(0, 0, ECHONL, true);
    write(master, "x\n", 2);
    check_output("echonl", "\r\n");
    change(0, OPOST, 0, false);
    write(slave, "raw\n", 4);
    check_output("no_opost", "raw\n");
    close_both();
}

static void test_raw(void) {
    open_both();
    struct termios settings;
    tcgetattr(slave, &settings);
    cfmakeraw(&settings);
    check_ok("set", tcsetattr(slave, TCSANOW, &settings));
    check_line("all_pass", "\x03\x04\r\x7f\x1a", "\x03\x04\r\x7f\x1a");
    char buffer[64];
    write(master, "abc", 3);
    check_equal("min_1", read(slave, buffer, sizeof buffer), 3);
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 0;
    tcsetattr(slave, TCSANOW, &settings);
    check_equal("min_0_time_0", read(slave, buffer, sizeof buffer), 0);
    settings.c_cc[VTIME] = 1;
    tcsetattr(slave, TCSANOW, &settings);
    check_equal("time_runs_out", read(slave, buffer, sizeof buffer), 0);
    settings.c_cc[VMIN] = 5;
    settings.c_cc[VTIME] = 0;
    tcsetattr(slave, TCSANOW, &settings);
    write(master, "123", 3);
    struct pollfd ready = {.fd = slave, .events = POLLIN};
    check_equal("poll_below_min", poll(&ready, 1, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        write(master, "45", 2);
        _exit(0);
    }
    check_equal("min_5", read(slave, buffer, sizeof buffer), 5);
    child_status(child);
    settings.c_cc[VMIN] = 1;
    settings.c_lflag |= ICANON;
    tcsetattr(slave, TCSANOW, &settings);
    check_line("back_to_lines", "line\n", "line\n");
    close_both();
}

static void test_settings(void) {
    open_both();
    struct termios settings;
    struct termios back;
    check_ok("tcgetattr", tcgetattr(slave, &settings));
    check_equal("default_input", settings.c_iflag, ICRNL | IXON);
    check_equal("default_output", settings.c_oflag, OPOST | ONLCR);
    check_equal("default_local", settings.c_lflag,
                ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
    check_equal("default_control", settings.c_cflag & (CSIZE | CREAD), CS8 | CREAD);
    check("default_keys", settings.c_cc[VINTR] == 3 && settings.c_cc[VEOF] == 4 &&
                              settings.c_cc[VERASE] == 0x7f && settings.c_cc[VSUSP] == 26 &&
                              settings.c_cc[VMIN] == 1 && settings.c_cc[VTIME] == 0);
    settings.c_cc[VINTR] = 7;
    settings.c_iflag |= IUTF8;
    settings.c_lflag &= ~(tcflag_t)ECHO;
    check_ok("tcsadrain", tcsetattr(slave, TCSADRAIN, &settings));
    tcgetattr(slave, &back);
    check("kept", back.c_cc[VINTR] == 7 && back.c_iflag == settings.c_iflag &&
                      back.c_lflag == settings.c_lflag);
    tcgetattr(master, &back);
    check_equal("master_sees_the_same", back.c_cc[VINTR], 7);
    write(master, "stale\n", 6);
    wait_readable();
    check_ok("tcsaflush", tcsetattr(slave, TCSAFLUSH, &settings));
    fcntl(slave, F_SETFL, O_NONBLOCK);
    char byte;
    check_errno("input_flushed", read(slave, &byte, 1), EAGAIN);
    check_ok("tcdrain", tcdrain(slave));
    check_errno("bad_queue", tcflush(slave, 99), EINVAL);
    check_ok("tcsendbreak", tcsendbreak(slave, 0));
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    check_errno("file", tcgetattr(fd, &back), ENOTTY);
    close(fd);
    close_both();
}

static volatile sig_atomic_t resized;

static void on_resize(int signal_number) {
    (void)signal_number;
    resized = resized + 1;
}

static void test_window(void) {
    open_both();
    struct winsize size = {.ws_row = 99};
    check_ok("tiocgwinsz", ioctl(slave, TIOCGWINSZ, &size));
    check("starts_at_zero", size.ws_row == 0 && size.ws_col == 0);
    size = (struct winsize){.ws_row = 24, .ws_col = 80, .ws_xpixel = 640, .ws_ypixel = 480};
    check_ok("tiocswinsz", ioctl(master, TIOCSWINSZ, &size));
    struct winsize back;
    ioctl(slave, TIOCGWINSZ, &back);
    check("seen_by_slave", memcmp(&size, &back, sizeof size) == 0);
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        handle(SIGWINCH, on_resize, 0);
        write(ends[1], "x", 1);
        while (resized == 0) {
            usleep(500);
        }
        ioctl(0 + slave, TIOCGWINSZ, &back);
        _exit(back.ws_row == 50 && resized == 1 ? 0 : 1);
    }
    char byte;
    read(ends[0], &byte, 1);
    ioctl(master, TIOCSWINSZ, &size);
    size.ws_row = 50;
    ioctl(master, TIOCSWINSZ, &size);
    check_exit("sigwinch_on_change_only", child_status(child), 0);
    close(ends[0]);
    close(ends[1]);
    close_both();
}

static void test_hang_up(void) {
    open_both();
    write(slave, "last words", 10);
    close(slave);
    char buffer[64];
    check_equal("written_before", read(master, buffer, sizeof buffer), 10);
    check_errno("slave_closed", read(master, buffer, sizeof buffer), EIO);
    struct pollfd ready = {.fd = master, .events = POLLIN};
    poll(&ready, 1, 0);
    check_equal("pollhup", ready.revents & POLLHUP, POLLHUP);
    close(master);
    open_both();
    close(master);
    check_equal("master_closed_read", read(slave, buffer, sizeof buffer), 0);
    check_errno("master_closed_write", write(slave, "x", 1), EIO);
    ready.fd = slave;
    poll(&ready, 1, 0);
    check_equal("slave_pollhup", ready.revents & POLLHUP, POLLHUP);
    close(slave);
}

/* Writes single bytes until a write answers that; false when it never does. */
static bool write_until(ssize_t wanted) {
    char drain[64];
    for (int i = 0; i < 20000; i++) {
        if (write(slave, "x", 1) == wanted) {
            return wanted == 1 || errno == EAGAIN;
        }
        (void)read(master, drain, sizeof drain);
        (void)usleep(1000);
    }
    return false;
}

static void test_flow(void) {
    open_both();
    change(0, OPOST, ECHO, false);
    fcntl(master, F_SETFL, O_NONBLOCK);
    write(master, "\x13", 1);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    check("stopped_by_control_s", write_until(-1));
    write(master, "\x11", 1);
    check("started_by_control_q", write_until(1));
    check_ok("tcooff", tcflow(slave, TCOOFF));
    check_errno("off", write(slave, "x", 1), EAGAIN);
    check_ok("tcoon", tcflow(slave, TCOON));
    check_equal("on", write(slave, "x", 1), 1);
    close_both();
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"open", test_open},       {"canonical", test_canonical}, {"echo", test_echo},
        {"raw", test_raw},         {"settings", test_settings},   {"window", test_window},
        {"hang_up", test_hang_up}, {"flow", test_flow},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
