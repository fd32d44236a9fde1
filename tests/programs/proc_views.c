/* /proc: that it tells the truth: the state is changed, and the view changes with it. */
#include "check.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static char text[65536];

/* The number behind `key` in a text of lines, or -1. */
static long field(const char *key) {
    size_t length = strlen(key);
    for (const char *line = text; line != nullptr && *line != '\0';) {
        if (strncmp(line, key, length) == 0) {
            return strtol(line + length, nullptr, 10);
        }
        line = strchr(line, '\n');
        line = line == nullptr ? nullptr : line + 1;
    }
    return -1;
}

/* The `number`-th field (from 3) of /proc/PID/stat, counted behind the name's closing bracket. */
static const char *stat_field(pid_t pid, int number) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (read_file(path, text, sizeof text) <= 0) {
        return "?";
    }
    char *at = strrchr(text, ')');
    for (int i = 2; at != nullptr && i < number; i++) {
        at = strchr(at + 1, ' ');
    }
    if (at == nullptr) {
        return "?";
    }
    at[1 + strcspn(at + 1, " \n")] = '\0';
    return at + 1;
}

static void test_self(void) {
    char path[4096] = {0};
    char want[64];
    (void)snprintf(want, sizeof want, "%d", getpid());
    check_equal("self_link", readlink("/proc/self", path, sizeof path), strlen(want));
    check_bytes("self_is_pid", path, want, strlen(want));
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    check("exe_is_absolute", path[0] == '/');
    struct stat by_link;
    struct stat by_path;
    check_ok("exe_opens", stat("/proc/self/exe", &by_link));
    stat(path, &by_path);
    check_equal("same_file", by_link.st_ino, by_path.st_ino);
    check_errno("exe_is_busy", open("/proc/self/exe", O_WRONLY), ETXTBSY);
    char folder[4096];
    getcwd(folder, sizeof folder);
    length = readlink("/proc/self/cwd", path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    check_text("cwd", path, folder);
    mkdir("d", 0755);
    chdir("d");
    length = readlink("/proc/self/cwd", path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    check("cwd_follows", strcmp(path + strlen(folder), "/d") == 0);
    length = readlink("/proc/self/root", path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    check_text("root", path, "/");
}

static void test_descriptors(void) {
    char path[64];
    char target[4096] = {0};
    int fd = open("f", O_RDWR | O_CREAT | O_APPEND, 0644);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target, sizeof target - 1);
    check("link", length > 2 && strcmp(target + length - 2, "/f") == 0);
    write(fd, "hello", 5);
    int again = check_fd("reopen", open(path, O_RDONLY));
    check_equal("own_position", read(again, target, 5), 5);
    close(again);
    unlink("f");
    length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = '\0';
    check("deleted_mark", strstr(target, "/f (deleted)") != nullptr);
    again = check_fd("reopen_deleted", open(path, O_RDONLY));
    close(again);
    int ends[2];
    pipe(ends);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = '\0';
    check("pipe_name", strncmp(target, "pipe:[", 6) == 0);
    DIR *folder = opendir("/proc/self/fd");
    int seen = 0;
    int count = 0;
    for (struct dirent *entry = readdir(folder); entry != nullptr; entry = readdir(folder)) {
        count += entry->d_name[0] != '.' ? 1 : 0;
        seen += atoi(entry->d_name) == fd && entry->d_name[0] != '.' ? 1 : 0;
    }
    closedir(folder);
    check_equal("listed", seen, 1);
    close(ends[0]);
    close(ends[1]);
    folder = opendir("/proc/self/fd");
    int fewer = 0;
    for (struct dirent *entry = readdir(folder); entry != nullptr; entry = readdir(folder)) {
        fewer += entry->d_name[0] != '.' ? 1 : 0;
    }
    closedir(folder);
    check_equal("two_closed", count - fewer, 2);
    close(fd);
    check_errno("closed", readlink(path, target, sizeof target), ENOENT);
    check_errno("no_such", open("/proc/self/fd/999", O_RDONLY), ENOENT);
}

static void test_status(void) {
    prctl(PR_SET_NAME, "a (name)");
    check("status", read_file("/proc/self/status", text, sizeof text) > 0);
    check("name", strncmp(text, "Name:\ta (name)\n", 15) == 0);
    check_equal("pid", field("Pid:"), getpid());
    check_equal("tgid", field("Tgid:"), getpid());
    check_equal("parent", field("PPid:"), getppid());
    check_equal("uid", field("Uid:"), getuid());
    check_equal("threads", field("Threads:"), 1);
    check("vmsize", field("VmSize:") > 0);
    check("vmrss", field("VmRSS:") > 0);
    read_file("/proc/self/comm", text, sizeof text);
    check_text("comm", text, "a (name)\n");
    check_equal("stat_parent", atoi(stat_field(getpid(), 4)), getppid());
    check_equal("stat_group", atoi(stat_field(getpid(), 5)), getpgrp());
    check_equal("stat_session", atoi(stat_field(getpid(), 6)), getsid(0));
    check_text("stat_state", stat_field(getpid(), 3), "R");
    long before = atol(stat_field(getpid(), 23));
    char *map = mmap(nullptr, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check_equal("virtual_size_grows", atol(stat_field(getpid(), 23)) - before, 16 << 20);
    long resident = atol(stat_field(getpid(), 24));
    memset(map, 1, 16 << 20);
    check("resident_grows", atol(stat_field(getpid(), 24)) - resident >= 3000);
    munmap(map, 16 << 20);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    read_file("/proc/self/status", text, sizeof text);
    char *mask = strstr(text, "SigBlk:\t");
    check("blocked_signals", mask != nullptr && strncmp(mask + 8, "0000000000000200", 16) == 0);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

static void test_maps(void) {
    char line[64];
    char *map = mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)snprintf(line, sizeof line, "%lx-", (unsigned long)map);
    read_file("/proc/self/maps", text, sizeof text);
    mprotect(map, 4096, PROT_READ | PROT_EXEC);
    (void)snprintf(line, sizeof line, "%lx-%lx r-xp 00000000 00:00 0", (unsigned long)map,
                   (unsigned long)map + 4096);
    read_file("/proc/self/maps", text, sizeof text);
    check("protection_shown", strstr(text, line) != nullptr);
    munmap(map, 8192);
    read_file("/proc/self/maps", text, sizeof text);
    check("unmapped_is_gone", strstr(text, line) == nullptr);
    int fd = open("named-file", O_RDWR | O_CREAT, 0644);
    write(fd, "x", 1);
    map = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    read_file("/proc/self/maps", text, sizeof text);
    (void)snprintf(line, sizeof line, "%lx-%lx rw-s", (unsigned long)map,
                   (unsigned long)map + 4096);
    check("shared_file", strstr(text, line) != nullptr && strstr(text, "/named-file\n") != nullptr);
    check("stack", strstr(text, "[stack]\n") != nullptr);
    munmap(map, 4096);
    close(fd);
}

static void test_other_process(void) {
    int ends[2];
    int back[2];
    char path[64];
    pipe(ends);
    pipe(back);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        prctl(PR_SET_NAME, "the-child");
        setpgid(0, 0);
        write(back[1], "x", 1);
        close(ends[1]);
        read(ends[0], &byte, 1);
        _exit(3);
    }
    char byte;
    read(back[0], &byte, 1);
    check_equal("parent", atoi(stat_field(child, 4)), getpid());
    check_equal("group", atoi(stat_field(child, 5)), child);
    (void)snprintf(path, sizeof path, "/proc/%d/comm", child);
    read_file(path, text, sizeof text);
    check_text("comm", text, "the-child\n");
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", child);
    char own[4096];
    char others[4096];
    memset(own, 0, sizeof own);
    memset(others, 0, sizeof others);
    ssize_t length = read_file("/proc/self/cmdline", own, sizeof own);
    check_equal("cmdline_length", read_file(path, others, sizeof others), length);
    check("cmdline",
          length > 0 && memcmp(own, others, (size_t)length) == 0 && own[length - 1] == '\0');
    kill(child, SIGSTOP);
    int status = 0;
    waitpid(child, &status, WUNTRACED);
    check_text("stopped", stat_field(child, 3), "T");
    kill(child, SIGCONT);
    close(ends[1]);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    check_text("zombie", stat_field(child, 3), "Z");
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", child);
    check_equal("zombie_has_no_cmdline", read_file(path, text, sizeof text), 0);
    check_exit("reap", child_status(child), 3);
    (void)snprintf(path, sizeof path, "/proc/%d", child);
    check_errno("gone", access(path, F_OK), ENOENT);
    bool found = false;
    (void)snprintf(path, sizeof path, "%d", getpid());
    DIR *folder = opendir("/proc");
    for (struct dirent *entry = readdir(folder); entry != nullptr; entry = readdir(folder)) {
        found = found || strcmp(entry->d_name, path) == 0;
    }
    closedir(folder);
    check("listed", found);
    close(ends[0]);
    close(back[0]);
    close(back[1]);
}

/* A session on a pseudo-terminal: which terminal, and whose turn it is. */
static int terminal_facts(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    unlockpt(master);
    setsid();
    int bad = strcmp(stat_field(getpid(), 7), "0") == 0 ? 0 : 1;
    bad |= strcmp(stat_field(getpid(), 8), "-1") == 0 ? 0 : 2;
    int slave = open(ptsname(master), O_RDWR);
    struct stat facts;
    fstat(slave, &facts);
    bad |= (dev_t)atol(stat_field(getpid(), 7)) == facts.st_rdev ? 0 : 4;
    bad |= atol(stat_field(getpid(), 8)) == getpid() ? 0 : 8;
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    setpgid(child, child);
    tcsetpgrp(slave, child);
    bad |= atol(stat_field(getpid(), 8)) == child ? 0 : 16;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return bad;
}

static void test_terminal(void) {
    check_exit("terminal_and_its_foreground", in_child(terminal_facts), 0);
}

static void test_environment(void) {
    if (getenv("CHECK_ENVIRONMENT") == nullptr) {
        char self[4096] = {0};
        readlink("/proc/self/exe", self, sizeof self - 1);
        pid_t child = fork();
        if (child == 0) {
            char *arguments[] = {self, "--environment", nullptr};
            char *environment[] = {"CHECK_ENVIRONMENT=1", "B=2", nullptr};
            execve(self, arguments, environment);
            _exit(99);
        }
        check_exit("of_exec", child_status(child), 0);
    }
}

static int environment_helper(void) {
    static const char want[] = "CHECK_ENVIRONMENT=1\0B=2";
    ssize_t length = read_file("/proc/self/environ", text, sizeof text);
    int bad = length == (ssize_t)sizeof want && memcmp(text, want, sizeof want) == 0 ? 0 : 1;
    length = read_file("/proc/self/cmdline", text, sizeof text);
    bad |= length > 15 && strcmp(text + length - 14, "--environment") == 0 ? 0 : 2;
    return bad;
}

static void test_system(void) {
    struct sysinfo info;
    sysinfo(&info);
    check("meminfo", read_file("/proc/meminfo", text, sizeof text) > 0);
    check_equal("memtotal", field("MemTotal:"), (long)(info.totalram * info.mem_unit / 1024));
    check("memfree", field("MemFree:") > 0 && field("MemFree:") <= field("MemTotal:"));
    check("memavailable", field("MemAvailable:") > 0);
    check("uptime", read_file("/proc/uptime", text, sizeof text) > 0 && atof(text) > 0);
    int a = 0;
    int b = 0;
    double load[3];
    read_file("/proc/loadavg", text, sizeof text);
    check_equal("loadavg", sscanf(text, "%lf %lf %lf %d/%d", &load[0], &load[1], &load[2], &a, &b),
                5);
    check("processes_counted", b >= 1 && a <= b);
    check("stat", read_file("/proc/stat", text, sizeof text) > 0 && strncmp(text, "cpu ", 4) == 0);
    bool each = true;
    for (long i = 0; i < sysconf(_SC_NPROCESSORS_ONLN); i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "\ncpu%ld ", i);
        each = each && strstr(text, line) != nullptr;
    }
    check("line_for_each_processor", each);
    check("boot_time", field("btime ") > 0);
    check("cpuinfo", read_file("/proc/cpuinfo", text, sizeof text) > 0 &&
                         strncmp(text, "processor\t: 0\n", 14) == 0);
    check("mounts", read_file("/proc/mounts", text, sizeof text) > 0 &&
                        strstr(text, " /proc proc ") != nullptr);
    check("mountinfo", read_file("/proc/self/mountinfo", text, sizeof text) > 0);
    check("filesystems", read_file("/proc/filesystems", text, sizeof text) > 0 &&
                             strstr(text, "nodev\tproc\n") != nullptr);
    check("version", read_file("/proc/version", text, sizeof text) > 0);
    struct utsname names;
    uname(&names);
    read_file("/proc/sys/kernel/osrelease", text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    check_text("osrelease_is_uname", text, names.release);
    read_file("/proc/sys/kernel/pid_max", text, sizeof text);
    check("pid_max", atol(text) >= 32768);
    check_errno("no_such_process", open("/proc/0x1", O_RDONLY), ENOENT);
    check_errno("cannot_create", open("/proc/new", O_RDWR | O_CREAT, 0644), ENOENT);
    check_errno("cannot_make_folder", mkdir("/proc/new", 0755), ENOENT);
    int fd = open("/proc/meminfo", O_RDONLY);
    char one[8] = {0};
    read(fd, one, 3);
    read(fd, one + 3, 4);
    check_text("continue_where_they_stopped", one, "MemTota");
    close(fd);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--environment") == 0) {
        return environment_helper();
    }
    static const check_case_t cases[] = {
        {"self", test_self},
        {"descriptors", test_descriptors},
        {"status", test_status},
        {"maps", test_maps},
        {"other_process", test_other_process},
        {"terminal", test_terminal},
        {"environment", test_environment},
        {"system", test_system},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
