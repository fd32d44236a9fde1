/* Links: self, mounts, and those that lead to what a process has open. */
#include "lib/base/bytes.h"
#include "lib/base/format.h"
#include "servers/procfs/procfs.h"

/* Which link of a process a node is. */
static bool is_link(uint64_t node, const char *_Nonnull name) {
    struct process_entries entries = process_entries();
    uint32_t index = node_file(node) - NODE_FILES;
    return node >> SERIAL_SHIFT != 0 && node_file(node) >= NODE_FILES && index < entries.count &&
           text_equal(entries.at[index].name, name);
}

static struct fd_entry descriptor_of(struct procfs *_Nonnull fs,
                                     struct rt_request *_Nonnull request,
                                     const struct subject *_Nonnull subject) {
    bool open = program_open(fs, request, subject) == STATUS_OK;
    return open ? program_descriptor(fs, subject->number) : (struct fd_entry){};
}

bool link_leads_to_object(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                          uint64_t link) {
    struct procfs *fs = (struct procfs *)view;
    struct subject subject = {};
    if (link >> SERIAL_SHIFT == 0 || subject_of(fs, link, &subject) != STATUS_OK) {
        return false;
    }
    return node_file(link) != NODE_DESCRIPTOR ||
           descriptor_of(fs, request, &subject).kind != FD_EPOLL;
}

status_t link_target(struct view *_Nonnull view, struct rt_request *_Nonnull request, uint64_t link,
                     size_t *_Nonnull size) {
    const struct procfs *fs = (const struct procfs *)view;
    struct process_table_entry self = {};
    char *to = (char *)&view->target[0];
    if (link >> SERIAL_SHIFT != 0) {
        *size = format_text(to, sizeof view->target, "anon_inode:[eventpoll]");
        return STATUS_OK;
    }
    const struct system_entry *entry = &system_entries().at[node_number(link) - 1];
    if (text_equal(entry->name, "mounts")) {
        *size = format_text(to, sizeof view->target, "self/mounts");
        return STATUS_OK;
    }
    uint64_t serial = request->page->received.process_serial;
    REFUSE(!access_process_by_serial(&fs->processes, serial, &self), STATUS_NOT_FOUND);
    *size = format_text(to, sizeof view->target, "%u", self.pid);
    return STATUS_OK;
}

/* A copy of a handle that the process has under this number: whatever it says, it is its own. */
static status_t take_handle(const struct procfs *_Nonnull fs, handle_t theirs,
                            handle_t *_Nonnull out) {
    struct handle_info info = {};
    status_t status =
        rt_handle_move(fs->process, theirs, 0, HANDLE_MOVE_ANY, RIGHT_ALL, HANDLE_MOVE_COPY, out);
    if (status == STATUS_OK) {
        status = rt_object_info(*out, INFO_HANDLE, &info, sizeof info);
        status = status == STATUS_OK && info.type != OBJECT_SESSION ? STATUS_NOT_FOUND : status;
    } else {
        *out = HANDLE_NONE;
    }
    if (status != STATUS_OK) {
        rt_handle_close(*out);
        *out = HANDLE_NONE;
        return STATUS_NOT_FOUND;
    }
    return STATUS_OK;
}

status_t link_object(struct view *_Nonnull view, struct rt_request *_Nonnull request, uint64_t link,
                     handle_t *_Nonnull out) {
    struct procfs *fs = (struct procfs *)view;
    struct subject subject = {};
    handle_t theirs = HANDLE_NONE;
    TRY(subject_of(fs, link, &subject));
    TRY(may_look(fs, request, &subject.entry));
    TRY(program_open(fs, request, &subject));
    if (is_link(link, "exe")) {
        REFUSE(fs->image == HANDLE_NONE, STATUS_NOT_FOUND);
        *out = fs->image;
        fs->image = HANDLE_NONE;
        return STATUS_OK;
    }
    if (is_link(link, "cwd")) {
        TRY(PROGRAM_FIELD(fs, working, theirs));
    } else if (is_link(link, "root")) {
        TRY(PROGRAM_FIELD(fs, root, theirs));
    } else {
        theirs = program_descriptor(fs, subject.number).handle;
    }
    REFUSE(theirs == HANDLE_NONE, STATUS_NOT_FOUND);
    return take_handle(fs, theirs, out);
}
