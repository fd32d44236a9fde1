/* Users and groups: who may read, write, search, own, signal and become whom. */
#include "check.h"
#include <grp.h>
#include <sys/auxv.h>

enum { USER = 12345, OTHER = 12346, GROUP = 23456 };

static int as_user(int (*body)(void)) {
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(0, nullptr) != 0 || setgid(GROUP) != 0 || setuid(USER) != 0) {
            _exit(200);
        }
        _exit(body());
    }
    return child_status(child);
}

static int user_calls(void) {
    uid_t r;
    uid_t e;
    uid_t s;
    int bad = getuid() == USER && geteuid() == USER && getgid() == GROUP ? 0 : 1;
    bad |= getresuid(&r, &e, &s) == 0 && r == USER && e == USER && s == USER ? 0 : 2;
    bad |= setuid(0) == -1 && errno == EPERM ? 0 : 4;
    bad |= setgid(0) == -1 && errno == EPERM ? 0 : 8;
    bad |= setgroups(0, nullptr) == -1 && errno == EPERM ? 0 : 16;
    bad |= chroot("/") == -1 && errno == EPERM ? 0 : 32;
    bad |= getgroups(0, nullptr) == 0 ? 0 : 64;
    bad |= kill(1, 0) == -1 && errno == EPERM ? 0 : 128;
    return bad;
}

static int saved_ids(void) {
    int bad = setresuid(USER, OTHER, 0) == 0 ? 0 : 1;
    bad |= seteuid(0) == 0 && geteuid() == 0 ? 0 : 2;
    bad |= setresuid((uid_t)-1, OTHER, USER) == 0 ? 0 : 4;
    bad |= seteuid(0) == -1 && errno == EPERM ? 0 : 8;
    bad |= setreuid(OTHER, USER) == 0 ? 0 : 16;
    return bad;
}

static int groups(void) {
    gid_t list[3] = {5, 6, 7};
    gid_t back[8];
    int bad = setgroups(3, list) == 0 ? 0 : 1;
    bad |= getgroups(8, back) == 3 && back[0] == 5 && back[2] == 7 ? 0 : 2;
    bad |= getgroups(2, back) == -1 && errno == EINVAL ? 0 : 4;
    return bad;
}

static void test_identity(void) {
    check_exit("user", as_user(user_calls), 0);
    check_exit("saved", in_child(saved_ids), 0);
    check_exit("groups", in_child(groups), 0);
    check_equal("own_kept", getuid(), 0);
}

static int refused_files(void) {
    int bad = open("private", O_RDONLY) == -1 && errno == EACCES ? 0 : 1;
    bad |= open("public", O_WRONLY) == -1 && errno == EACCES ? 0 : 2;
    bad |= open("closed/f", O_RDONLY) == -1 && errno == EACCES ? 0 : 4;
    bad |= chmod("public", 0777) == -1 && errno == EPERM ? 0 : 8;
    bad |= chown("public", USER, (gid_t)-1) == -1 && errno == EPERM ? 0 : 16;
    bad |= unlink("public") == -1 && errno == EACCES ? 0 : 32;
    bad |= mkdir("new", 0755) == -1 && errno == EACCES ? 0 : 64;
    bad |= rename("public", "x") == -1 && errno == EACCES ? 0 : 128;
    return bad;
}

static int allowed_files(void) {
    int bad = open("public", O_RDONLY) >= 0 ? 0 : 1;
    bad |= open("group", O_WRONLY) >= 0 ? 0 : 2;
    bad |= open("mine", O_RDWR) >= 0 ? 0 : 4;
    bad |= chmod("mine", 0600) == 0 ? 0 : 8;
    bad |= open("unlisted/f", O_RDONLY) >= 0 ? 0 : 16;
    bad |= open("unlisted", O_RDONLY) == -1 && errno == EACCES ? 0 : 32;
    bad |= access("private", R_OK) == -1 && errno == EACCES ? 0 : 64;
    bad |= open("owner-without", O_RDONLY) == -1 && errno == EACCES ? 0 : 128;
    return bad;
}

static int sticky_folder(void) {
    int bad = open("sticky/own", O_RDWR | O_CREAT, 0644) >= 0 ? 0 : 1;
    bad |= unlink("sticky/root's") == -1 && errno == EPERM ? 0 : 2;
    bad |= rename("sticky/root's", "sticky/x") == -1 && errno == EPERM ? 0 : 4;
    bad |= unlink("sticky/own") == 0 ? 0 : 8;
    struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 5}};
    bad |= utimensat(AT_FDCWD, "public", times, 0) == -1 && errno == EPERM ? 0 : 16;
    bad |= utimensat(AT_FDCWD, "public", nullptr, 0) == -1 && errno == EACCES ? 0 : 32;
    bad |= utimensat(AT_FDCWD, "mine", times, 0) == 0 ? 0 : 64;
    return bad;
}

static int special_bits(void) {
    int fd = open("mine", O_RDWR);
    int bad = chmod("mine", 06755) == 0 ? 0 : 1;
    struct stat facts;
    stat("mine", &facts);
    bad |= (facts.st_mode & 04000) != 0 ? 0 : 2;
    write(fd, "x", 1);
    fstat(fd, &facts);
    bad |= (facts.st_mode & 06000) == 0 ? 0 : 4;
    chown("mine", (uid_t)-1, GROUP);
    bad |= chmod("foreign-group", 02755) == 0 ? 0 : 8;
    stat("foreign-group", &facts);
    bad |= (facts.st_mode & 02000) == 0 ? 0 : 16;
    return bad;
}

static void make(const char *path, uid_t uid, gid_t gid, mode_t mode) {
    write_file(path, "x", 1, mode);
    chown(path, uid, gid);
    chmod(path, mode);
}

static void test_files(void) {
    chmod(".", 0755);
    make("private", 0, 0, 0600);
    make("public", 0, 0, 0644);
    make("group", 0, GROUP, 0664);
    make("mine", USER, GROUP, 0600);
    make("owner-without", USER, GROUP, 0077);
    make("foreign-group", USER, 999, 0755);
    mkdir("closed", 0700);
    make("closed/f", USER, GROUP, 0666);
    mkdir("unlisted", 0755);
    make("unlisted/f", 0, 0, 0644);
    chmod("unlisted", 0711);
    mkdir("sticky", 0777);
    chmod("sticky", 01777);
    make("sticky/root's", 0, 0, 0666);
    check_exit("refused", as_user(refused_files), 0);
    check_exit("allowed", as_user(allowed_files), 0);
    check_exit("sticky_and_times", as_user(sticky_folder), 0);
    check_exit("special_bits", as_user(special_bits), 0);
    int fd = check_fd("root_may_read_all", open("owner-without", O_RDWR));
    close(fd);
    check_errno("root_may_not_execute_without_bit", access("private", X_OK), EACCES);
}

static char helper[4096];

static int run_set_id(void) {
    char *arguments[] = {helper, "--ids", nullptr};
    char *none[] = {nullptr};
    execve(helper, arguments, none);
    return 201;
}

static int ids(void) {
    uid_t r;
    uid_t e;
    uid_t s;
    getresuid(&r, &e, &s);
    int bad = r == USER && e == OTHER && s == OTHER ? 0 : 1;
    bad |= getegid() == GROUP + 1 ? 0 : 2;
    bad |= getauxval(AT_SECURE) == 1 ? 0 : 4;
    return bad;
}

static void test_set_id_program(void) {
    char self[4096] = {0};
    readlink("/proc/self/exe", self, sizeof self - 1);
    int from = open(self, O_RDONLY);
    int to = open("set-id", O_WRONLY | O_CREAT, 0755);
    static char block[65536];
    ssize_t got;
    while ((got = read(from, block, sizeof block)) > 0) {
        write(to, block, (size_t)got);
    }
    close(from);
    close(to);
    getcwd(helper, sizeof helper - 8);
    strcat(helper, "/set-id");
    chown("set-id", OTHER, GROUP + 1);
    chmod("set-id", 06755);
    check_exit("takes_the_owners_ids", as_user(run_set_id), 0);
    chmod("set-id", 0755);
    check_exit("not_without_the_bits", as_user(run_set_id), 7);
}

static int locked_in(void) {
    int bad = chroot("cage") == 0 && chdir("/") == 0 ? 0 : 1;
    bad |= access("/inside", F_OK) == 0 ? 0 : 2;
    bad |= access("/../../inside", F_OK) == 0 ? 0 : 4;
    char path[64];
    bad |= getcwd(path, sizeof path) != nullptr && strcmp(path, "/") == 0 ? 0 : 8;
    bad |= access("/proc", F_OK) == -1 && errno == ENOENT ? 0 : 16;
    bad |= access("/link", F_OK) == 0 ? 0 : 32;
    return bad;
}

static void test_chroot(void) {
    mkdir("cage", 0755);
    write_file("cage/inside", "", 0, 0644);
    symlink("/inside", "cage/link");
    check_exit("locked_in", in_child(locked_in), 0);
    check_errno("missing", chroot("none"), ENOENT);
    check_errno("file", chroot("cage/inside"), ENOTDIR);
}

static pid_t victim;

static int signal_foreign(void) {
    int bad = kill(victim, SIGTERM) == -1 && errno == EPERM ? 0 : 1;
    bad |= kill(victim, 0) == -1 && errno == EPERM ? 0 : 2;
    pid_t own = fork();
    if (own == 0) {
        for (;;) {
            pause();
        }
    }
    bad |= kill(own, SIGTERM) == 0 ? 0 : 4;
    waitpid(own, nullptr, 0);
    return bad;
}

static void test_signals(void) {
    victim = fork();
    if (victim == 0) {
        for (;;) {
            pause();
        }
    }
    check_exit("of_another_user", as_user(signal_foreign), 0);
    check_ok("root_may", kill(victim, SIGKILL));
    child_status(victim);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--ids") == 0) {
        return ids();
    }
    static const check_case_t cases[] = {
        {"identity", test_identity},
        {"files", test_files},
        {"set_id_program", test_set_id_program},
        {"chroot", test_chroot},
        {"signals", test_signals},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
