/* Sessions, process groups, the controlling terminal and what it sends to whom. */
#include "check.h"
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>

static int open_pty(int *out_slave) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    char name[64];
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        ptsname_r(master, name, sizeof name) != 0) {
        return -1;
    }
    *out_slave = open(name, O_RDWR | O_NOCTTY);
    return master;
}

static void test_groups(void) {
    pid_t child = fork();
    if (child == 0) {
        int bad = getpgrp() == getpgid(0) ? 0 : 1;
        bad |= setpgid(0, 0) == 0 && getpgrp() == getpid() ? 0 : 2;
        bad |= getsid(0) != getpid() ? 0 : 4;
        bad |= setsid() == -1 && errno == EPERM ? 0 : 8;
        _exit(bad);
    }
    check_exit("own_group", child_status(child), 0);
    child = fork();
    if (child == 0) {
        pid_t session = setsid();
        int bad = session == getpid() && getpgrp() == session && getsid(0) == session ? 0 : 1;
        bad |= setpgid(0, 0) == -1 && errno == EPERM ? 0 : 2;
        bad |= open("/dev/tty", O_RDWR) == -1 && errno == ENXIO ? 0 : 4;
        _exit(bad);
    }
    check_exit("own_session", child_status(child), 0);
    int ends[2];
    pipe(ends);
    child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        read(ends[0], &byte, 1);
        _exit(0);
    }
    check_ok("parent_sets_childs_group", setpgid(child, child));
    check_equal("getpgid", getpgid(child), child);
    check_errno("negative_group", setpgid(child, -1), EINVAL);
    check_errno("no_such_group", setpgid(child, 0x3ffffffe), EPERM);
    check_errno("no_such_process", setpgid(0x3ffffffe, 0), ESRCH);
    check_errno("getpgid_missing", getpgid(0x3ffffffe), ESRCH);
    check_errno("getsid_missing", getsid(0x3ffffffe), ESRCH);
    check_equal("getsid", getsid(child), getsid(0));
    check_equal("kill_group_0", kill(-child, 0), 0);
    close(ends[1]);
    child_status(child);
    check_errno("after_exec_or_exit", setpgid(child, child), ESRCH);
    close(ends[0]);
}

/* Runs `body(slave)` as the leader of a new session whose controlling terminal is the slave; the
 * parent drives the master. */
static pid_t start_session(int *out_master, void (*body)(int slave)) {
    int slave = -1;
    *out_master = open_pty(&slave);
    pid_t child = fork();
    if (child == 0) {
        close(*out_master);
        setsid();
        if (ioctl(slave, TIOCSCTTY, 0) != 0) {
            _exit(100);
        }
        body(slave);
        _exit(101);
    }
    close(slave);
    return child;
}

static void leader_facts(int slave) {
    int bad = tcgetpgrp(slave) == getpid() ? 0 : 1;
    bad |= tcgetsid(slave) == getpid() ? 0 : 2;
    int tty = open("/dev/tty", O_RDWR);
    bad |= tty >= 0 && tcgetpgrp(tty) == getpid() ? 0 : 4;
    bad |= tcsetpgrp(slave, 0x3ffffffe) == -1 && errno == ESRCH ? 0 : 8;
    bad |= tcsetpgrp(slave, -1) == -1 && errno == EINVAL ? 0 : 16;
    bad |= tcsetpgrp(slave, 1) == -1 && errno == EPERM ? 0 : 32;
    struct stat facts;
    bad |= fstat(tty, &facts) == 0 && S_ISCHR(facts.st_mode) ? 0 : 64;
    _exit(bad);
}

static void test_leader(void) {
    int master = -1;
    pid_t child = start_session(&master, leader_facts);
    check_exit("facts", child_status(child), 0);
    close(master);
    int slave = -1;
    master = open_pty(&slave);
    check_errno("tcgetpgrp_of_foreign_terminal", tcgetpgrp(slave), ENOTTY);
    check_errno("tcsetpgrp_of_foreign_terminal", tcsetpgrp(slave, getpgrp()), ENOTTY);
    close(slave);
    close(master);
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    check_errno("tcgetpgrp_of_file", tcgetpgrp(fd), ENOTTY);
    close(fd);
}

/* A background process reads, is stopped by SIGTTIN, is brought to the foreground and reads on. */
static void background_reader(int slave) {
    signal(SIGTTOU, SIG_IGN);
    pid_t job = fork();
    if (job == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        char line[32];
        _exit(read(slave, line, sizeof line) == 6 && memcmp(line, "hello\n", 6) == 0 ? 0 : 1);
    }
    setpgid(job, job);
    int status = 0;
    waitpid(job, &status, WUNTRACED);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTIN) {
        _exit(50);
    }
    tcsetpgrp(slave, job);
    kill(-job, SIGCONT);
    waitpid(job, &status, WUNTRACED);
    tcsetpgrp(slave, getpgrp());
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 51);
}

static void background_writer(int slave) {
    struct termios settings;
    signal(SIGTTOU, SIG_IGN);
    tcgetattr(slave, &settings);
    settings.c_lflag |= TOSTOP;
    tcsetattr(slave, TCSANOW, &settings);
    pid_t job = fork();
    if (job == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        _exit(write(slave, "x", 1) == 1 ? 0 : 1);
    }
    setpgid(job, job);
    int status = 0;
    waitpid(job, &status, WUNTRACED);
    bool stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU;
    tcsetpgrp(slave, job);
    kill(-job, SIGCONT);
    waitpid(job, &status, 0);
    _exit(stopped && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1);
}

static void background_ignoring(int slave) {
    pid_t job = fork();
    if (job == 0) {
        setpgid(0, 0);
        signal(SIGTTIN, SIG_IGN);
        char byte;
        int bad = read(slave, &byte, 1) == -1 && errno == EIO ? 0 : 1;
        bad |= write(slave, "x", 1) == 1 ? 0 : 2;
        signal(SIGTTOU, SIG_IGN);
        bad |= tcsetpgrp(slave, getpgrp()) == 0 ? 0 : 4;
        _exit(bad);
    }
    setpgid(job, job);
    int status = child_status(job);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 51);
}

static void background_settings(int slave) {
    pid_t job = fork();
    if (job == 0) {
        setpgid(0, 0);
        struct termios settings;
        tcgetattr(slave, &settings);
        _exit(tcsetattr(slave, TCSANOW, &settings) == 0 ? 0 : 1);
    }
    setpgid(job, job);
    int status = 0;
    waitpid(job, &status, WUNTRACED);
    bool stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU;
    kill(job, SIGKILL);
    kill(job, SIGCONT);
    waitpid(job, &status, 0);
    _exit(stopped ? 0 : 1);
}

static void test_background(void) {
    int master = -1;
    pid_t child = start_session(&master, background_reader);
    write(master, "hello\n", 6);
    check_exit("read_stops_then_reads", child_status(child), 0);
    close(master);
    child = start_session(&master, background_writer);
    check_exit("tostop", child_status(child), 0);
    close(master);
    child = start_session(&master, background_ignoring);
    check_exit("ignoring_gets_eio", child_status(child), 0);
    close(master);
    child = start_session(&master, background_settings);
    check_exit("tcsetattr_stops", child_status(child), 0);
    close(master);
}

static void wait_for_signal(int slave) {
    write(slave, "ready\n", 6);
    for (;;) {
        pause();
    }
}

static void stop_and_report(int slave) {
    signal(SIGTTOU, SIG_IGN);
    pid_t job = fork();
    if (job == 0) {
        setpgid(0, 0);
        tcsetpgrp(slave, getpid());
        wait_for_signal(slave);
    }
    int status = 0;
    waitpid(job, &status, WUNTRACED);
    bool stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP;
    kill(job, SIGKILL);
    kill(job, SIGCONT);
    waitpid(job, &status, 0);
    _exit(stopped ? 0 : 1);
}

static void read_ready(int master) {
    char byte = 0;
    while (byte != '\n' && read(master, &byte, 1) == 1) {
    }
}

static void test_keys(void) {
    int master = -1;
    pid_t child = start_session(&master, wait_for_signal);
    read_ready(master);
    write(master, "\x03", 1);
    check_killed("control_c", child_status(child), SIGINT);
    close(master);
    child = start_session(&master, wait_for_signal);
    read_ready(master);
    write(master, "\x1c", 1);
    check_killed("control_backslash", child_status(child), SIGQUIT);
    close(master);
    child = start_session(&master, stop_and_report);
    read_ready(master);
    write(master, "\x1a", 1);
    check_exit("control_z", child_status(child), 0);
    close(master);
    child = start_session(&master, wait_for_signal);
    read_ready(master);
    close(master);
    check_killed("hang_up", child_status(child), SIGHUP);
}

static volatile sig_atomic_t hung_up;

static void on_hang_up(int signal_number) {
    hung_up = hung_up + (signal_number == SIGHUP ? 1 : 0);
}

static int hang_up_report = -1;

/* The leader ends: its foreground group gets SIGHUP, and nobody's controlling terminal it is any
 * more; an open descriptor of a pty still works. */
static void leader_ends(int slave) {
    int ends[2];
    pipe(ends);
    pid_t job = fork();
    if (job == 0) {
        handle(SIGHUP, on_hang_up, 0);
        write(ends[1], "x", 1);
        while (hung_up == 0) {
            sched_yield();
        }
        int verdict = tcgetpgrp(slave) == -1 && errno == ENOTTY ? 1 : 2;
        verdict |= write(slave, "x", 1) == 1 ? 4 : 8;
        verdict |= open("/dev/tty", O_RDWR) == -1 && errno == ENXIO ? 16 : 32;
        write(hang_up_report, &verdict, sizeof verdict);
        _exit(0);
    }
    char byte;
    read(ends[0], &byte, 1);
    _exit(0);
}

static void test_leader_exit(void) {
    int ends[2];
    pipe(ends);
    hang_up_report = ends[1];
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int master = -1;
    pid_t child = start_session(&master, leader_ends);
    check_exit("leader", child_status(child), 0);
    int verdict = 0;
    read(ends[0], &verdict, sizeof verdict);
    check_equal("terminal_is_nobodys", verdict, 1 | 4 | 16);
    wait(nullptr);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    close(master);
    close(ends[0]);
    close(ends[1]);
}

static int orphaned_reader(void) {
    int slave = -1;
    int master = open_pty(&slave);
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    int ends[2];
    pipe(ends);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t between = fork();
    if (between == 0) {
        pid_t job = fork();
        if (job == 0) {
            setpgid(0, 0);
            pid_t parent = getppid();
            kill(parent, SIGKILL);
            while (getppid() == parent) {
                sched_yield();
            }
            /* Its parent is now the session's leader, of another group: so it is not orphaned. */
            char byte;
            _exit(read(slave, &byte, 1) == -1 && errno == EIO ? 0 : 1);
        }
        for (;;) {
            pause();
        }
    }
    int status = 0;
    waitpid(between, &status, 0);
    pid_t job = waitpid(-1, &status, WUNTRACED);
    bool stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN;
    kill(job, SIGKILL);
    waitpid(job, &status, 0);
    /* Closing the master would hang this leader up. */
    (void)master;
    return stopped ? 0 : 1;
}

static int orphan_is_not_stopped(void) {
    setsid();
    raise(SIGTSTP);
    raise(SIGTTIN);
    raise(SIGTTOU);
    return 5;
}

/* A group that becomes orphaned while a member is stopped gets SIGHUP and SIGCONT. */
static int newly_orphaned(void) {
    int ends[2];
    pipe(ends);
    setsid();
    pid_t middle = fork();
    if (middle == 0) {
        setpgid(0, 0);
        pid_t job = fork();
        if (job == 0) {
            handle(SIGHUP, on_hang_up, 0);
            raise(SIGSTOP);
            char answer = hung_up == 1 ? 'h' : 'n';
            write(ends[1], &answer, 1);
            _exit(0);
        }
        int status = 0;
        waitpid(job, &status, WUNTRACED);
        _exit(0);
    }
    close(ends[1]);
    child_status(middle);
    char answer = 0;
    read(ends[0], &answer, 1);
    return answer == 'h' ? 0 : 1;
}

static void test_orphaned_groups(void) {
    check_exit("stopped_orphans_are_hung_up", in_child(newly_orphaned), 0);
    check_exit("adopted_by_leader_stops", in_child(orphaned_reader), 0);
    check_exit("orphan_ignores_stop_signals", in_child(orphan_is_not_stopped), 5);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"groups", test_groups},           {"leader", test_leader},
        {"background", test_background},   {"keys", test_keys},
        {"leader_exit", test_leader_exit}, {"orphaned_groups", test_orphaned_groups},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
