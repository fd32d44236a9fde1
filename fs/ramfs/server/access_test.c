/* Who may do what with an inode: owner, group, others, privileges, the sticky bit. */
#include "fs/ramfs/server/access.h"
#include "lib/base/test.h"

static const struct process_principal_entry entries[4] = {
    {},
    {.principal = 1, .uid = 0, .capabilities = UINT64_MAX, .permitted = UINT64_MAX},
    {.principal = 2,
     .uid = 1000,
     .effective_uid = 1000,
     .file_uid = 1000,
     .gid = 1000,
     .file_gid = 1000,
     .group_count = 1,
     .groups = {50}},
    {.principal = 3, .uid = 0, .file_uid = 1000, .file_gid = 7},
};

static struct caller caller(uint32_t principal, bool real) {
    static struct ramfs fs;
    static struct thread_page page;
    static struct rt_reply reply = {.output = &page.reply_output[0]};
    fs.principals = (struct access_table){.count = ARRAY_LENGTH(entries), .entries = entries};
    page.received.principal = principal;
    struct rt_request request = {.page = &page, .reply = &reply};
    return caller_of(&fs, &request, real);
}

static status_t check(uint32_t principal, uint32_t mode, uint32_t uid, uint32_t gid,
                      uint32_t wanted) {
    struct inode_record inode = {.mode = mode, .uid = uid, .gid = gid};
    struct caller who = caller(principal, false);
    return access_check(&who, &inode, wanted);
}

TEST(the_owners_bits_count_for_the_owner_even_where_others_have_more) {
    EXPECT_EQUAL(check(2, MODE_REGULAR | 0077, 1000, 50, MAY_READ), FILESYSTEM_STATUS_NO_ACCESS);
    EXPECT_EQUAL(check(2, MODE_REGULAR | 0400, 1000, 50, MAY_READ), STATUS_OK);
}

TEST(supplementary_groups_count) {
    EXPECT_EQUAL(check(2, MODE_REGULAR | 0040, 0, 50, MAY_READ), STATUS_OK);
    EXPECT_EQUAL(check(2, MODE_REGULAR | 0040, 0, 51, MAY_READ), FILESYSTEM_STATUS_NO_ACCESS);
    EXPECT_EQUAL(check(2, MODE_REGULAR | 0004, 0, 50, MAY_READ), FILESYSTEM_STATUS_NO_ACCESS);
}

TEST(root_reads_all_and_runs_what_somebody_may_run) {
    EXPECT_EQUAL(check(1, MODE_REGULAR | 0000, 5, 5, MAY_READ | MAY_WRITE), STATUS_OK);
    EXPECT_EQUAL(check(1, MODE_REGULAR | 0644, 5, 5, MAY_RUN), FILESYSTEM_STATUS_NO_ACCESS);
    EXPECT_EQUAL(check(1, MODE_REGULAR | 0010, 5, 5, MAY_RUN), STATUS_OK);
    EXPECT_EQUAL(check(1, MODE_DIRECTORY | 0000, 5, 5, MAY_RUN), STATUS_OK);
}

TEST(services_may_everything_and_unknown_principals_are_nobody) {
    EXPECT_EQUAL(check(0, MODE_REGULAR | 0000, 5, 5, MAY_WRITE), STATUS_OK);
    EXPECT_EQUAL(caller(9, false).uid, 65534);
    EXPECT_EQUAL(check(9, MODE_REGULAR | 0660, 5, 5, MAY_READ), FILESYSTEM_STATUS_NO_ACCESS);
}

TEST(access_asks_by_the_real_ids) {
    EXPECT_EQUAL(caller(3, false).uid, 1000);
    EXPECT_EQUAL(caller(3, true).uid, 0);
}

TEST(only_owners_take_names_from_a_sticky_directory) {
    struct inode_record directory = {.mode = MODE_DIRECTORY | MODE_STICKY | 0777};
    struct inode_record mine = {.mode = MODE_REGULAR | 0600, .uid = 1000};
    struct inode_record other = {.mode = MODE_REGULAR | 0666, .uid = 1001};
    struct caller who = caller(2, false);
    EXPECT_EQUAL(access_remove(&who, &directory, &mine), STATUS_OK);
    EXPECT_EQUAL(access_remove(&who, &directory, &other), STATUS_NOT_ALLOWED);
    directory.uid = 1000;
    EXPECT_EQUAL(access_remove(&who, &directory, &other), STATUS_OK);
}
