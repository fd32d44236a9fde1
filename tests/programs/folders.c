/* Folders: making, removing, renaming, listing, and the working folder. */
#include "check.h"

static void test_make_remove(void) {
    check_ok("mkdir", mkdir("d", 0777));
    struct stat facts;
    stat("d", &facts);
    check_equal("umask", facts.st_mode & 07777, 0755);
    check_errno("exists", mkdir("d", 0755), EEXIST);
    check_ok("slash", mkdir("e/", 0755));
    check_errno("missing_parent", mkdir("x/y", 0755), ENOENT);
    write_file("f", "", 0, 0644);
    check_errno("over_file", mkdir("f", 0755), EEXIST);
    check_errno("below_file", mkdir("f/d", 0755), ENOTDIR);
    symlink("nowhere", "l");
    check_errno("over_dangling", mkdir("l", 0755), EEXIST);
    check_errno("root", mkdir("/", 0755), EEXIST);
    check_errno("dot", mkdir(".", 0755), EEXIST);
    check_errno("rmdir_file", rmdir("f"), ENOTDIR);
    check_errno("rmdir_missing", rmdir("none"), ENOENT);
    check_errno("rmdir_dot", rmdir("d/."), EINVAL);
    check_errno("rmdir_dotdot", rmdir("d/.."), ENOTEMPTY);
    write_file("d/inner", "", 0, 0644);
    check_errno("rmdir_full", rmdir("d"), ENOTEMPTY);
    check_errno("unlink_folder", unlink("d"), EISDIR);
    check_errno("unlinkat_without_flag", unlinkat(AT_FDCWD, "d", 0), EISDIR);
    check_errno("unlinkat_flag_on_file", unlinkat(AT_FDCWD, "f", AT_REMOVEDIR), ENOTDIR);
    check_errno("unlinkat_bad_flag", unlinkat(AT_FDCWD, "f", 1), EINVAL);
    check_ok("unlink_inner", unlink("d/inner"));
    check_ok("rmdir", unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
    check_errno("unlink_missing", unlink("d"), ENOENT);
    check_errno("unlink_slash", unlink("f/"), ENOTDIR);
    check_errno("unlink_empty", unlink(""), ENOENT);
    symlink("e", "el");
    check_errno("rmdir_link", rmdir("el"), ENOTDIR);
    check_errno("rmdir_link_slash", rmdir("el/"), ENOTDIR);
    check_errno("rmdir_root", rmdir("/"), EBUSY);
}

static void test_rename(void) {
    write_file("a", "A", 1, 0644);
    write_file("b", "B", 1, 0644);
    mkdir("d", 0755);
    mkdir("d/sub", 0755);
    mkdir("empty", 0755);
    char text[8];
    check_ok("over_file", rename("a", "b"));
    read_file("b", text, sizeof text);
    check_text("content", text, "A");
    check_errno("source_gone", access("a", F_OK), ENOENT);
    check_errno("missing", rename("a", "c"), ENOENT);
    check_errno("file_over_folder", rename("b", "empty"), EISDIR);
    check_errno("folder_over_file", rename("d", "b"), ENOTDIR);
    check_errno("over_full", rename("empty", "d"), ENOTEMPTY);
    check_errno("into_itself", rename("d", "d/sub/x"), EINVAL);
    check_errno("over_ancestor", rename("d/sub", "d"), ENOTEMPTY);
    check_ok("folder_over_empty", rename("d", "empty"));
    check_ok("sub_moved", access("empty/sub", F_OK));
    check_ok("same_name", rename("b", "b"));
    link("b", "b2");
    check_ok("two_links_of_one", rename("b", "b2"));
    check_ok("both_stay", access("b", F_OK) | access("b2", F_OK));
    check_errno("dot", rename("empty/.", "x"), EBUSY);
    check_errno("dotdot", rename("empty/sub/..", "x"), EBUSY);
    check_errno("file_to_slash", rename("b", "new/"), ENOTDIR);
    check_ok("folder_to_slash", rename("empty", "moved/"));
    check_ok("across", rename("b2", "moved/sub/b3"));
    check_errno("noreplace", syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "moved", 1), EEXIST);
    check_ok("noreplace_free", syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "bb", 1));
    check_ok("exchange", syscall(SYS_renameat2, AT_FDCWD, "bb", AT_FDCWD, "moved", 2));
    struct stat facts;
    stat("bb", &facts);
    check("exchanged", S_ISDIR(facts.st_mode));
    check_errno("exchange_missing", syscall(SYS_renameat2, AT_FDCWD, "bb", AT_FDCWD, "zz", 2),
                ENOENT);
    check_errno("flags_contradict", syscall(SYS_renameat2, AT_FDCWD, "bb", AT_FDCWD, "zz", 3),
                EINVAL);
    symlink("moved", "l");
    check_ok("link_itself", rename("l", "l2"));
    lstat("l2", &facts);
    check("still_link", S_ISLNK(facts.st_mode));
    check_ok("dotdot_follows_move", rename("bb/sub", "sub"));
    stat(".", &facts);
    struct stat up;
    stat("sub/..", &up);
    check_equal("parent", up.st_ino, facts.st_ino);
}

static void test_open_replaced(void) {
    write_file("old", "old", 3, 0644);
    write_file("new", "new", 3, 0644);
    int fd = open("old", O_RDONLY);
    check_ok("rename", rename("new", "old"));
    char text[4] = {0};
    check_equal("read", read(fd, text, 3), 3);
    check_text("keeps_old_file", text, "old");
    close(fd);
}

static void test_working_folder(void) {
    char before[4096];
    char path[4096];
    check("getcwd", getcwd(before, sizeof before) != nullptr);
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    symlink("d/e", "l");
    check_ok("chdir", chdir("l"));
    char want[4200];
    (void)snprintf(want, sizeof want, "%s/d/e", before);
    check_text("path", getcwd(path, sizeof path), want);
    check_equal("length", syscall(SYS_getcwd, path, sizeof path), strlen(want) + 1);
    check_errno("erange", syscall(SYS_getcwd, path, strlen(want)), ERANGE);
    check_ok("up", chdir(".."));
    check_ok("rename_underfoot", rename("../d", "../renamed"));
    (void)snprintf(want, sizeof want, "%s/renamed", before);
    check_text("follows_rename", getcwd(path, sizeof path), want);
    int fd = open("e", O_RDONLY | O_DIRECTORY);
    check_ok("fchdir", fchdir(fd));
    close(fd);
    check_ok("remove_underfoot", rmdir("../e"));
    check_errno("removed", syscall(SYS_getcwd, path, sizeof path), ENOENT);
    check_errno("create_in_removed", open("x", O_RDWR | O_CREAT, 0644), ENOENT);
    check_errno("mkdir_in_removed", mkdir("x", 0755), ENOENT);
    check_ok("dot_still_opens", close(open(".", O_RDONLY)));
    check_ok("back", chdir(before));
    write_file("f", "", 0, 0644);
    check_errno("chdir_file", chdir("f"), ENOTDIR);
    check_errno("chdir_missing", chdir("none"), ENOENT);
    fd = open("f", O_RDONLY);
    check_errno("fchdir_file", fchdir(fd), ENOTDIR);
    close(fd);
    check_errno("fchdir_bad", fchdir(999), EBADF);
    pid_t child = fork();
    if (child == 0) {
        _exit(chdir("/") == 0 ? 0 : 1);
    }
    child_status(child);
    check_text("child_moves_alone", getcwd(path, sizeof path), before);
}

static void test_list(void) {
    enum { FILES = 500 };
    char name[32];
    mkdir("d", 0755);
    for (int i = 0; i < FILES; i++) {
        (void)snprintf(name, sizeof name, "d/file-%03d", i);
        write_file(name, "", 0, 0644);
    }
    mkdir("d/folder", 0755);
    symlink("x", "d/link");
    mkfifo("d/fifo", 0644);
    static bool seen[FILES];
    int dots = 0;
    int others = 0;
    bool types = true;
    bool twice = false;
    DIR *folder = opendir("d");
    check("opendir", folder != nullptr);
    for (struct dirent *entry = readdir(folder); entry != nullptr; entry = readdir(folder)) {
        int number = 0;
        if (sscanf(entry->d_name, "file-%d", &number) == 1 && number < FILES) {
            twice = twice || seen[number];
            seen[number] = true;
            types = types && (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN);
        } else if (entry->d_name[0] == '.') {
            dots++;
        } else {
            others++;
        }
    }
    int count = 0;
    for (int i = 0; i < FILES; i++) {
        count += seen[i] ? 1 : 0;
    }
    check_equal("all_seen", count, FILES);
    check("none_twice", !twice);
    check_equal("dot_and_dotdot", dots, 2);
    check_equal("others", others, 3);
    check("types", types);
    rewinddir(folder);
    long place = 0;
    char at_place[256] = "";
    for (int i = 0; i < 100; i++) {
        place = telldir(folder);
        struct dirent *entry = readdir(folder);
        (void)snprintf(at_place, sizeof at_place, "%s", entry->d_name);
    }
    seekdir(folder, place);
    struct dirent *again = readdir(folder);
    check_text("seekdir", again != nullptr ? again->d_name : "(end)", at_place);
    rewinddir(folder);
    int removed = 0;
    for (struct dirent *entry = readdir(folder); entry != nullptr; entry = readdir(folder)) {
        if (entry->d_name[0] == 'f' && unlinkat(dirfd(folder), entry->d_name, 0) == 0) {
            removed++;
        }
    }
    check_equal("removing_while_listing_meets_all", removed, FILES + 1);
    closedir(folder);
    check_ok("emptied", rmdir("d/folder") | unlink("d/link") | rmdir("d"));
}

static void test_getdents(void) {
    mkdir("d", 0755);
    write_file("d/a-name", "", 0, 0644);
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    char buffer[1024];
    check_errno("too_small", syscall(SYS_getdents64, fd, buffer, 4), EINVAL);
    long length = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    check("reads", length > 0 && length % 8 == 0);
    check_equal("then_end", syscall(SYS_getdents64, fd, buffer, sizeof buffer), 0);
    check_equal("rewind", lseek(fd, 0, SEEK_SET), 0);
    check_equal("again", syscall(SYS_getdents64, fd, buffer, sizeof buffer), length);
    lseek(fd, 0, SEEK_SET);
    uint16_t size = 0;
    length = syscall(SYS_getdents, fd, buffer, sizeof buffer);
    bool seen = false;
    for (long at = 0; at < length; at += size) {
        memcpy(&size, &buffer[at + 16], sizeof size);
        seen = seen || (strcmp(&buffer[at + 18], "a-name") == 0 && buffer[at + size - 1] == DT_REG);
    }
    check("older_form", seen && length % 8 == 0);
    lseek(fd, 0, SEEK_SET);
    check_errno("older_too_small", syscall(SYS_getdents, fd, buffer, 4), EINVAL);
    check_ok("remove", unlink("d/a-name") | rmdir("d"));
    lseek(fd, 0, SEEK_SET);
    check_errno("removed_folder", syscall(SYS_getdents64, fd, buffer, sizeof buffer), ENOENT);
    close(fd);
    write_file("f", "", 0, 0644);
    fd = open("f", O_RDONLY);
    check_errno("file", syscall(SYS_getdents64, fd, buffer, sizeof buffer), ENOTDIR);
    close(fd);
    check_errno("bad_fd", syscall(SYS_getdents64, 999, buffer, sizeof buffer), EBADF);
}

static void test_at_calls(void) {
    mkdir("d", 0755);
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    check_ok("mkdirat", mkdirat(fd, "sub", 0755));
    int file = check_fd("openat", openat(fd, "f", O_RDWR | O_CREAT, 0644));
    close(file);
    check_ok("symlinkat", symlinkat("f", fd, "l"));
    check_ok("linkat", linkat(fd, "f", fd, "g", 0));
    check_ok("renameat", renameat(fd, "g", AT_FDCWD, "g"));
    check_ok("moved_out", access("g", F_OK));
    check_ok("faccessat", faccessat(fd, "sub", X_OK, 0));
    check_ok("mkfifoat", mkfifoat(fd, "p", 0644));
    check_errno("file_fd", mkdirat(file = open("g", O_RDONLY), "x", 0755), ENOTDIR);
    close(file);
    check_errno("bad_fd", unlinkat(999, "x", 0), EBADF);
    rename("d", "moved");
    check_ok("fd_follows_rename", faccessat(fd, "f", F_OK, 0));
    struct stat facts;
    struct stat up;
    check_ok("dotdot_of_fd", fstatat(fd, "..", &up, 0));
    stat(".", &facts);
    check_equal("parent", up.st_ino, facts.st_ino);
    close(fd);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"make_remove", test_make_remove},
        {"rename", test_rename},
        {"open_replaced", test_open_replaced},
        {"working_folder", test_working_folder},
        {"list", test_list},
        {"getdents", test_getdents},
        {"at_calls", test_at_calls},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
