/* open, openat, creat and what their flags mean; how paths are resolved and refused. */
#include "check.h"

static void test_create(void) {
    int fd = check_fd("creates", open("a", O_RDWR | O_CREAT, 0666));
    struct stat facts;
    check_ok("fstat", fstat(fd, &facts));
    check_equal("umask_applied", facts.st_mode & 07777, 0644);
    check("regular", S_ISREG(facts.st_mode));
    check_equal("empty", facts.st_size, 0);
    check_equal("one_link", facts.st_nlink, 1);
    close(fd);
    check_errno("excl_exists", open("a", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
    check_ok("symlink", symlink("nowhere", "dangling"));
    check_errno("excl_dangling", open("dangling", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
    check_errno("dangling_read", open("dangling", O_RDONLY), ENOENT);
    fd = check_fd("creat_through_symlink", open("dangling", O_WRONLY | O_CREAT, 0600));
    close(fd);
    check_ok("target_made", access("nowhere", F_OK));
    check_equal("umask_was", umask(027), 022);
    close(open("masked", O_RDWR | O_CREAT, 0777));
    stat("masked", &facts);
    check_equal("masked", facts.st_mode & 07777, 0750);
    mode_t old = umask(0);
    fd = check_fd("mode_zero", open("none", O_RDWR | O_CREAT, 0));
    check_equal("usable_despite_mode", write(fd, "x", 1), 1);
    close(fd);
    fd = open("sticky", O_RDWR | O_CREAT, 06755);
    fstat(fd, &facts);
    check_equal("special_bits_kept", facts.st_mode & 07777, 06755);
    close(fd);
    check_equal("umask_answers_old", umask(old), 0);
    check_equal("umask_set_again", umask(022), 027);
    fd = check_fd("creat", creat("a", 0600));
    char byte;
    check_errno("creat_is_write_only", read(fd, &byte, 1), EBADF);
    close(fd);
}

static void test_access_mode(void) {
    write_file("f", "hello", 5, 0644);
    char buffer[8] = {0};
    int fd = check_fd("read_only", open("f", O_RDONLY));
    check_errno("write_refused", write(fd, "x", 1), EBADF);
    check_errno("truncate_refused", ftruncate(fd, 0), EINVAL);
    check_equal("reads", read(fd, buffer, sizeof buffer), 5);
    close(fd);
    fd = check_fd("write_only", open("f", O_WRONLY));
    check_errno("read_refused", read(fd, buffer, 1), EBADF);
    close(fd);
    fd = check_fd("append", open("f", O_RDWR | O_APPEND));
    check_equal("append_starts_at_zero", lseek(fd, 0, SEEK_CUR), 0);
    check_equal("append_writes_at_end", write(fd, "!", 1), 1);
    check_equal("append_moves", lseek(fd, 0, SEEK_CUR), 6);
    check_equal("append_pwrite_ignores_offset", pwrite(fd, "?", 1, 0), 1);
    check_equal("read_back", pread(fd, buffer, sizeof buffer, 0), 7);
    check_bytes("content", buffer, "hello!?", 7);
    close(fd);
    fd = check_fd("trunc", open("f", O_WRONLY | O_TRUNC));
    struct stat facts;
    fstat(fd, &facts);
    check_equal("trunc_empties", facts.st_size, 0);
    close(fd);
    fd = open("f", O_RDONLY | O_CLOEXEC);
    check_equal("cloexec_set", fcntl(fd, F_GETFD), FD_CLOEXEC);
    check_equal("getfl_without_cloexec", fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close(fd);
    fd = open("f", O_RDWR);
    check_equal("cloexec_clear", fcntl(fd, F_GETFD), 0);
    check_equal("getfl_access_mode", fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    close(fd);
}

static void test_refused(void) {
    write_file("file", "x", 1, 0644);
    mkdir("dir", 0755);
    symlink("file", "link");
    symlink("loop", "loop");
    symlink("dir", "dirlink");
    check_errno("missing", open("missing", O_RDONLY), ENOENT);
    check_errno("missing_parent", open("missing/x", O_RDWR | O_CREAT, 0644), ENOENT);
    check_errno("file_as_folder", open("file/x", O_RDONLY), ENOTDIR);
    check_errno("file_slash", open("file/", O_RDONLY), ENOTDIR);
    check_errno("file_dot", open("file/.", O_RDONLY), ENOTDIR);
    check_errno("file_dotdot", open("file/..", O_RDONLY), ENOTDIR);
    check_errno("empty_path", open("", O_RDONLY), ENOENT);
    check_errno("folder_write", open("dir", O_WRONLY), EISDIR);
    check_errno("folder_rdwr", open("dir", O_RDWR), EISDIR);
    check_errno("folder_creat", open("dir", O_RDONLY | O_CREAT, 0644), EISDIR);
    check_errno("creat_slash", open("new/", O_RDWR | O_CREAT, 0644), EISDIR);
    check_errno("directory_flag_on_file", open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
    check_errno("nofollow_link", open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    check_errno("nofollow_directory", open("dirlink", O_RDONLY | O_NOFOLLOW | O_DIRECTORY),
                ENOTDIR);
    check_errno("loop", open("loop", O_RDONLY), ELOOP);
    check_errno("loop_inside", open("loop/x", O_RDONLY), ELOOP);
    char name[300];
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    check_errno("name_256", open(name, O_RDWR | O_CREAT, 0644), ENAMETOOLONG);
    name[255] = '\0';
    int fd = check_fd("name_255", open(name, O_RDWR | O_CREAT, 0644));
    close(fd);
    char path[5000];
    for (size_t i = 0; i < sizeof path; i += 2) {
        memcpy(&path[i], "./", 2);
    }
    path[4096] = '\0';
    check_errno("path_4096", open(path, O_RDONLY), ENAMETOOLONG);
    path[4095] = '\0';
    fd = check_fd("path_4095", open(path, O_RDONLY));
    close(fd);
    fd = check_fd("nofollow_inner_link_is_followed", open("dirlink/.", O_RDONLY | O_NOFOLLOW));
    close(fd);
    check_errno("bad_directory_fd", openat(999, "file", O_RDONLY), EBADF);
    fd = open("file", O_RDONLY);
    check_errno("file_as_directory_fd", openat(fd, "x", O_RDONLY), ENOTDIR);
    int absolute = check_fd("absolute_ignores_fd", openat(fd, "/", O_RDONLY));
    close(absolute);
    close(fd);
}

static void test_links(void) {
    char name[16];
    char target[16];
    write_file("s0", "end", 3, 0644);
    for (int i = 1; i <= 41; i++) {
        (void)snprintf(name, sizeof name, "s%d", i);
        (void)snprintf(target, sizeof target, "s%d", i - 1);
        if (symlink(target, name) != 0) {
            check("made", false);
        }
    }
    int fd = check_fd("forty_links", open("s40", O_RDONLY));
    close(fd);
    check_errno("forty_one_links", open("s41", O_RDONLY), ELOOP);
    mkdir("d", 0755);
    write_file("d/f", "in d", 4, 0644);
    symlink("d/../d/./f", "winding");
    fd = check_fd("winding", open("winding", O_RDONLY));
    close(fd);
    symlink("d", "dl");
    fd = check_fd("through_link", open("dl//f", O_RDONLY));
    close(fd);
    fd = check_fd("dotdot_of_link_is_target's", open("dl/../s0", O_RDONLY));
    close(fd);
    char cwd[4096];
    if (getcwd(cwd, sizeof cwd - 8) != nullptr) {
        char absolute[4200];
        (void)snprintf(absolute, sizeof absolute, "%s/d/f", cwd);
        symlink(absolute, "abs");
        fd = check_fd("absolute_link", open("abs", O_RDONLY));
        close(fd);
    }
    fd = check_fd("root_dotdot", open("/../../..", O_RDONLY | O_DIRECTORY));
    close(fd);
    check_errno("empty_link_target", symlink("", "empty"), ENOENT);
}

static void test_path_descriptor(void) {
    write_file("f", "data", 4, 0644);
    symlink("f", "l");
    char byte;
    int fd = check_fd("o_path", open("f", O_PATH));
    check_errno("read", read(fd, &byte, 1), EBADF);
    check_errno("write", write(fd, "x", 1), EBADF);
    check_errno("lseek", lseek(fd, 0, SEEK_SET), EBADF);
    check_errno("fchmod", syscall(SYS_fchmod, fd, 0600), EBADF);
    struct stat facts;
    check_ok("fstat", fstat(fd, &facts));
    check_equal("size", facts.st_size, 4);
    check_equal("getfl", fcntl(fd, F_GETFL), O_PATH);
    close(fd);
    fd = check_fd("link_itself", open("l", O_PATH | O_NOFOLLOW));
    fstat(fd, &facts);
    check("is_link", S_ISLNK(facts.st_mode));
    char text[8] = {0};
    check_equal("readlinkat_empty", readlinkat(fd, "", text, sizeof text), 1);
    close(fd);
    mkdir("d", 0755);
    fd = check_fd("folder", open("d", O_PATH | O_DIRECTORY));
    int inner = check_fd("openat", openat(fd, "x", O_RDWR | O_CREAT, 0644));
    close(inner);
    check_ok("fchdir", fchdir(fd));
    check_ok("there", access("x", F_OK));
    chdir("..");
    close(fd);
}

static void test_unlinked(void) {
    int fd = check_fd("open", open("f", O_RDWR | O_CREAT, 0644));
    check_ok("unlink", unlink("f"));
    check_equal("still_writable", write(fd, "gone", 4), 4);
    char buffer[4];
    check_equal("still_readable", pread(fd, buffer, 4, 0), 4);
    struct stat facts;
    fstat(fd, &facts);
    check_equal("no_links", facts.st_nlink, 0);
    check_errno("no_name", open("f", O_RDONLY), ENOENT);
    int other = check_fd("same_name_again", open("f", O_RDWR | O_CREAT | O_EXCL, 0644));
    struct stat others;
    fstat(other, &others);
    check("another_inode", others.st_ino != facts.st_ino);
    close(other);
    close(fd);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"create", test_create},
        {"access_mode", test_access_mode},
        {"refused", test_refused},
        {"links", test_links},
        {"path_descriptor", test_path_descriptor},
        {"unlinked", test_unlinked},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
