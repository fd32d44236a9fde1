/* What files say of themselves: stat and its family, modes, owners, times, links, statfs. */
#include "check.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>

/* The kernel's struct statx as far as it is looked at; older musl has none. */
enum { STATX_BASIC = 0x7ff, STATX_SYNC_BOTH = 0x6000 };
typedef struct statx_answer {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, unused;
    uint64_t inode, size, blocks, attributes_mask, times[8];
    uint32_t special_major, special_minor, device_major, device_minor;
    uint64_t more[14];
} statx_answer_t;
static_assert(sizeof(statx_answer_t) == 256);

static int compare(struct timespec a, struct timespec b) {
    if (a.tv_sec != b.tv_sec) {
        return a.tv_sec < b.tv_sec ? -1 : 1;
    }
    return a.tv_nsec == b.tv_nsec ? 0 : (a.tv_nsec < b.tv_nsec ? -1 : 1);
}

static void test_stat(void) {
    write_file("f", "12345", 5, 0640);
    symlink("f", "l");
    mkdir("d", 0750);
    struct stat file;
    struct stat link;
    check_ok("stat", stat("f", &file));
    check_equal("mode", file.st_mode, S_IFREG | 0640);
    check_equal("size", file.st_size, 5);
    check_equal("uid", file.st_uid, geteuid());
    check_equal("links", file.st_nlink, 1);
    check("blksize", file.st_blksize >= 512);
    check("inode", file.st_ino != 0);
    check_ok("stat_link", stat("l", &link));
    check("follows", link.st_ino == file.st_ino && link.st_dev == file.st_dev);
    check_ok("lstat", lstat("l", &link));
    check_equal("link_mode", link.st_mode, S_IFLNK | 0777);
    check_equal("link_size", link.st_size, 1);
    check_ok("fstatat", fstatat(AT_FDCWD, "l", &link, AT_SYMLINK_NOFOLLOW));
    check("fstatat_nofollow", S_ISLNK(link.st_mode));
    check_errno("fstatat_bad_flag", syscall(SYS_newfstatat, AT_FDCWD, "f", &link, 0x40000000),
                EINVAL);
    int fd = open("f", O_RDONLY);
    check_ok("empty_path", syscall(SYS_newfstatat, fd, "", &link, AT_EMPTY_PATH));
    check_equal("empty_path_same", link.st_ino, file.st_ino);
    check_errno("empty_without_flag", fstatat(fd, "", &link, 0), ENOENT);
    close(fd);
    check_ok("folder", stat("d", &link));
    check_equal("folder_mode", link.st_mode, S_IFDIR | 0750);
    check_equal("folder_links", link.st_nlink, 2);
    mkdir("d/sub", 0755);
    stat("d", &link);
    check_equal("folder_links_with_child", link.st_nlink, 3);
    check_errno("missing", stat("none", &file), ENOENT);
    check_errno("bad_fd", fstat(-1, &file), EBADF);
    check_errno("through_file", stat("f/x", &file), ENOTDIR);
    statx_answer_t more;
    check_ok("statx", syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_BASIC, &more));
    check("statx_mask", (more.mask & STATX_BASIC) == STATX_BASIC);
    check_equal("statx_size", more.size, 5);
    check_equal("statx_mode", more.mode, S_IFREG | 0640);
    check_equal("statx_inode", more.inode, file.st_ino);
    check("statx_device", makedev(more.device_major, more.device_minor) == file.st_dev);
    check_errno("statx_flags", syscall(SYS_statx, AT_FDCWD, "f", STATX_SYNC_BOTH, 0, &more),
                EINVAL);
}

static void test_modes(void) {
    write_file("f", "", 0, 0644);
    symlink("f", "l");
    struct stat facts;
    check_ok("chmod", chmod("f", 0400));
    check_ok("chmod_follows", chmod("l", 04711));
    stat("f", &facts);
    check_equal("bits", facts.st_mode & 07777, 04711);
    int fd = open("f", O_RDONLY);
    check_ok("fchmod", fchmod(fd, 0600));
    fstat(fd, &facts);
    check_equal("fchmod_bits", facts.st_mode & 07777, 0600);
    close(fd);
    check_ok("fchmodat", fchmodat(AT_FDCWD, "f", 0644, 0));
    check_errno("chmod_missing", chmod("none", 0600), ENOENT);
    check_errno("fchmod_bad_fd", fchmod(999, 0600), EBADF);
    check_ok("access_r", access("f", R_OK));
    check_errno("access_missing", access("none", F_OK), ENOENT);
    check_errno("access_mode", access("f", 8), EINVAL);
    check_ok("access_folder_x", access(".", X_OK));
    check_errno("access_not_executable", access("f", X_OK), EACCES);
    check_ok("faccessat_eaccess", faccessat(AT_FDCWD, "f", R_OK | W_OK, AT_EACCESS));
    mkdir("d", 0755);
    chmod("d", 01777);
    stat("d", &facts);
    check_equal("sticky_folder", facts.st_mode & 07777, 01777);
    check_equal("mkfifo", mkfifo("p", 0620), 0);
    stat("p", &facts);
    check_equal("fifo_mode", facts.st_mode, S_IFIFO | 0600);
    check_ok("mknod_regular", mknod("r", S_IFREG | 0640, 0));
    check_errno("mknod_exists", mknod("r", S_IFREG | 0640, 0), EEXIST);
    check_errno("mknod_folder", mknod("k", S_IFDIR | 0640, 0), EPERM);
    check_errno("mknod_strange", mknod("k", S_IFLNK | 0640, 0), EINVAL);
    check_errno("mkfifo_exists", mkfifo("p", 0600), EEXIST);
}

static void test_owners(void) {
    write_file("f", "", 0, 06755);
    symlink("f", "l");
    struct stat facts;
    if (geteuid() != 0) {
        check_errno("chown_refused", chown("f", 0, 0), EPERM);
        return;
    }
    check_ok("chown", chown("f", 12, 34));
    stat("f", &facts);
    check("ids", facts.st_uid == 12 && facts.st_gid == 34);
    check_equal("special_bits_cleared", facts.st_mode & 07777, 0755);
    check_ok("chown_keeps_minus_one", chown("f", (uid_t)-1, 56));
    stat("f", &facts);
    check("kept", facts.st_uid == 12 && facts.st_gid == 56);
    check_ok("chown_follows", chown("l", 7, 7));
    stat("f", &facts);
    check_equal("followed", facts.st_uid, 7);
    check_ok("lchown", lchown("l", 8, 9));
    lstat("l", &facts);
    check_equal("link_owner", facts.st_uid, 8);
    stat("f", &facts);
    check_equal("target_kept", facts.st_uid, 7);
    check_ok("fchownat", fchownat(AT_FDCWD, "l", 10, 11, AT_SYMLINK_NOFOLLOW));
    int fd = open("f", O_RDONLY);
    check_ok("fchown", fchown(fd, 0, 0));
    close(fd);
    mkdir("shared", 0755);
    chown("shared", 0, 77);
    chmod("shared", 02775);
    write_file("shared/f", "", 0, 0644);
    stat("shared/f", &facts);
    check_equal("group_inherited_from_setgid_folder", facts.st_gid, 77);
    mkdir("shared/d", 0755);
    stat("shared/d", &facts);
    check_equal("folder_inherits_setgid", facts.st_mode & 07777, 02755);
}

static void test_times(void) {
    write_file("f", "x", 1, 0644);
    struct stat before;
    struct stat after;
    struct timespec set[2] = {{.tv_sec = 1000000000, .tv_nsec = 123456789},
                              {.tv_sec = 1100000000, .tv_nsec = 987654321}};
    stat("f", &before);
    check_ok("utimensat", utimensat(AT_FDCWD, "f", set, 0));
    stat("f", &after);
    check("access_time_exact", compare(after.st_atim, set[0]) == 0);
    check("change_time_exact", compare(after.st_mtim, set[1]) == 0);
    check("status_time_forward", compare(after.st_ctim, before.st_ctim) >= 0);
    set[0].tv_nsec = UTIME_OMIT;
    set[1] = (struct timespec){.tv_sec = 5, .tv_nsec = 6};
    check_ok("omit", utimensat(AT_FDCWD, "f", set, 0));
    stat("f", &after);
    check("omitted_kept", after.st_atim.tv_sec == 1000000000 && after.st_atim.tv_nsec == 123456789);
    check("other_set", after.st_mtim.tv_sec == 5 && after.st_mtim.tv_nsec == 6);
    set[1].tv_nsec = 1000000000;
    check_errno("bad_nanoseconds", utimensat(AT_FDCWD, "f", set, 0), EINVAL);
    check_ok("now", utimensat(AT_FDCWD, "f", nullptr, 0));
    stat("f", &after);
    check("now_is_not_old", compare(after.st_mtim, before.st_mtim) >= 0);
    check_errno("missing", utimensat(AT_FDCWD, "none", nullptr, 0), ENOENT);
    set[0] = set[1] = (struct timespec){.tv_sec = 9};
    symlink("f", "l");
    check_ok("link", utimensat(AT_FDCWD, "l", set, AT_SYMLINK_NOFOLLOW));
    stat("f", &after);
    check("target_kept", after.st_mtim.tv_sec != 9);
    int fd = open("f", O_RDWR);
    check_ok("futimens", futimens(fd, set));
    check_equal("write", write(fd, "y", 1), 1);
    fstat(fd, &after);
    check("write_updates", after.st_mtim.tv_sec > 9);
    futimens(fd, set);
    check_ok("truncate", ftruncate(fd, 0));
    fstat(fd, &after);
    check("truncate_updates", after.st_mtim.tv_sec > 9);
    close(fd);
    mkdir("d", 0755);
    utimensat(AT_FDCWD, "d", set, 0);
    write_file("d/new", "", 0, 0644);
    stat("d", &after);
    check("create_updates_folder", after.st_mtim.tv_sec > 9);
    utimensat(AT_FDCWD, "d", set, 0);
    unlink("d/new");
    stat("d", &after);
    check("unlink_updates_folder", after.st_mtim.tv_sec > 9);
}

static void test_hard_links(void) {
    write_file("f", "x", 1, 0644);
    mkdir("d", 0755);
    symlink("f", "l");
    struct stat facts;
    struct stat other;
    check_ok("link", link("f", "g"));
    stat("f", &facts);
    stat("g", &other);
    check("same_inode", facts.st_ino == other.st_ino && facts.st_nlink == 2);
    check_errno("exists", link("f", "g"), EEXIST);
    check_errno("missing", link("none", "h"), ENOENT);
    check_errno("folder", link("d", "h"), EPERM);
    check_errno("into_missing", link("f", "no/h"), ENOENT);
    check_errno("through_file", link("f", "g/h"), ENOTDIR);
    check_ok("of_symlink", link("l", "m"));
    lstat("m", &other);
    check("symlink_itself", S_ISLNK(other.st_mode) && other.st_nlink == 2);
    check_ok("follow", linkat(AT_FDCWD, "l", AT_FDCWD, "n", AT_SYMLINK_FOLLOW));
    stat("n", &other);
    check_equal("followed", other.st_ino, facts.st_ino);
    check_errno("bad_flag", linkat(AT_FDCWD, "f", AT_FDCWD, "o", 0x1), EINVAL);
    check_ok("unlink_one", unlink("f"));
    stat("g", &other);
    check_equal("links_left", other.st_nlink, 2);
    char text[8] = {0};
    read_file("g", text, sizeof text);
    check_text("content_kept", text, "x");
}

static void test_symlinks(void) {
    char text[64] = {0};
    check_ok("symlink", symlink("some/where", "l"));
    check_equal("readlink", readlink("l", text, sizeof text), 10);
    check_bytes("target", text, "some/where", 10);
    check_equal("cut", readlink("l", text, 4), 4);
    check_errno("size_zero", syscall(SYS_readlink, "l", text, 0), EINVAL);
    check_errno("exists", symlink("x", "l"), EEXIST);
    write_file("f", "", 0, 0644);
    check_errno("not_a_link", readlink("f", text, sizeof text), EINVAL);
    check_errno("missing", readlink("none", text, sizeof text), ENOENT);
    char target[4200];
    memset(target, 't', sizeof target);
    target[4095] = '\0';
    check_ok("target_4095", symlink(target, "long"));
    char back[4200];
    check_equal("long_back", readlink("long", back, sizeof back), 4095);
    target[4095] = 't';
    target[4096] = '\0';
    check_errno("target_4096", symlink(target, "longer"), ENAMETOOLONG);
    check_ok("unlink_link", unlink("l"));
    check_errno("gone", readlink("l", text, sizeof text), ENOENT);
}

static void test_statfs(void) {
    struct statfs facts;
    check_ok("statfs", statfs(".", &facts));
    check("block_size", facts.f_bsize > 0);
    check_equal("name_length", facts.f_namelen, 255);
    check("free_within_all", facts.f_bfree <= facts.f_blocks);
    check_errno("missing", statfs("none", &facts), ENOENT);
    int fd = open(".", O_RDONLY);
    check_ok("fstatfs", fstatfs(fd, &facts));
    close(fd);
    check_errno("bad_fd", fstatfs(999, &facts), EBADF);
    check_ok("proc", statfs("/proc", &facts));
    check_equal("proc_type", facts.f_type, 0x9fa0);
    sync();
    check("sync_returns", true);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"stat", test_stat},     {"modes", test_modes},           {"owners", test_owners},
        {"times", test_times},   {"hard_links", test_hard_links}, {"symlinks", test_symlinks},
        {"statfs", test_statfs},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
