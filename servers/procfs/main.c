/* procfs: /proc. See procfs.h. */
#include "servers/procfs/procfs.h"

/* Makes the text of a node. Errors: is_directory, gone. */
static status_t generate(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                         uint64_t node) {
    struct subject subject = {};
    generator_t generator = nullptr;
    fs->text_size = 0;
    if (node >> SERIAL_SHIFT == 0) {
        struct system_entries entries = system_entries();
        REFUSE(node_number(node) == 0 || node_number(node) > entries.count, STATUS_NOT_FOUND);
        generator = entries.at[node_number(node) - 1].generate;
    } else {
        struct process_entries entries = process_entries();
        uint32_t index = node_file(node) - NODE_FILES;
        REFUSE(subject_of(fs, node, &subject) != STATUS_OK, STREAM_STATUS_GONE);
        REFUSE(node_file(node) < NODE_FILES || index >= entries.count, STREAM_STATUS_NOT_FOR_THIS);
        generator = entries.at[index].generate;
    }
    REFUSE(generator == nullptr, STREAM_STATUS_NOT_FOR_THIS);
    status_t status = SOME(generator)(fs, request, &subject);
    return status == STATUS_NOT_FOUND ? STREAM_STATUS_GONE : status;
}

static status_t serve_read(void *_Nonnull state, struct rt_request *_Nonnull request,
                           const struct stream_read_in *_Nonnull in,
                           struct stream_read_out *_Nonnull out) {
    struct procfs *fs = state;
    struct view_session session = {};
    TRY(view_opened(request, MAY_READ, &session));
    TRY(generate(fs, request, session.node));
    uint64_t offset = in->offset == STREAM_POSITION_CURRENT ? 0 : in->offset;
    if (offset >= fs->text_size) {
        return STATUS_OK;
    }
    size_t size = (size_t)MIN(in->data.size, fs->text_size - offset);
    out->data_size = size;
    return rt_output_write(
        request, &in->data, 0,
        (struct rt_bytes){.size = size, .data = &fs->view.output[(size_t)offset]});
}

/* Nothing can be set here yet: EIO, as Linux says of files without a way to write them. */
static status_t serve_write(void *_Nonnull state, struct rt_request *_Nonnull request,
                            const struct stream_write_in *_Nonnull in,
                            struct stream_write_out *_Nonnull out) {
    (void)state;
    (void)request;
    (void)in;
    (void)out;
    return STATUS_IO;
}

static void on_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct stream_handlers stream = {
        .read = serve_read, .write = serve_write, .stat = view_stat, .facts = view_facts};
    static const struct filesystem_handlers mounts = {.take_mounts = mounts_take};
    struct procfs *fs = SOME(server->state);
    if (stream_speaks(request->label)) {
        stream_dispatch(&stream, fs, request);
    } else if (request->label == FILESYSTEM_METHOD_TAKE_MOUNTS) {
        filesystem_dispatch(&mounts, fs, request);
    } else {
        view_call(&fs->view, request);
    }
    program_close(fs);
}

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    struct procfs *fs = SOME(server->state);
    if (packet->kind == PACKET_CLOSE) {
        view_close(&fs->view, packet->key);
    } else if (packet->kind == PACKET_EVENT && packet->key == PROCFS_KEY_TICK) {
        load_tick(fs);
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct procfs *fs = rt_server_state(&server, sizeof *fs, sizeof(struct procfs_vault));
    fs->vault = (const struct procfs_vault *)SOME(server.vault_data);
    view_begin(&fs->view, &server, &procfs_tree);
    fs->process_server = rt_start_handle(&server, "process");
    fs->tty = rt_start_handle(&server, "tty");
    fs->files = rt_start_handle(&server, "files");
    status_t status = access_processes_attach(fs->process_server, &fs->processes);
    if (status != STATUS_OK) {
        rt_log(&server, "no processes: status %d", (int)status);
    }
    mounts_begin(fs);
    load_begin(fs);
    rt_server_run(&server, &(struct rt_service){on_call, on_packet});
}
