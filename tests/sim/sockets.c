/* Sockets under kills: local as it is shipped, streams both ways through one pair, packets,
 * datagrams to a name, connections that come and go, descriptors passed along. Every byte, message
 * and connection arrives exactly once and in order, and at the end nothing of it is left. */
#include "tests/sim/local_world.h"

enum {
    STREAM_TOTAL = 60000,
    CHUNK = 9000,
    PACKETS = 120,
    SENDERS = 3,
    DATAGRAMS = 50,
    CLIENTS = 3,
    CONNECTIONS = 15,
    PASSINGS = 6,
    BATCH = 10, /* more bytes than a queue takes */
    ROLES = 4 + 2 + SENDERS + 1 + CLIENTS + 1 + 2,
};

void local_main(uint64_t mode, uint64_t page);

struct bytes {
    uint8_t at[CHUNK];
};

static void write_all(handle_t end, const struct bytes *_Nonnull bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        uint64_t written = 0;
        struct rt_bytes rest = {.size = size - done, .data = &bytes->at[done]};
        must(stream_write(end, STREAM_POSITION_CURRENT, 0, rest, &written), "write");
        done += written;
    }
}

static size_t read_some(handle_t end, struct bytes *_Nonnull bytes, size_t size) {
    uint64_t count = 0;
    struct rt_buffer room = {.size = size, .data = &bytes->at[0]};
    must(stream_read(end, STREAM_POSITION_CURRENT, 0, room, &count), "read");
    return (size_t)count;
}

/* ---- streams, both ways at once ---- */

static uint8_t stream_byte(uint64_t which, uint64_t position) {
    return (uint8_t)(which * 77 + position * 13 + position / 241);
}

static size_t piece(uint64_t left) {
    uint64_t size = sim_random() % 4 == 0 ? sim_random() % CHUNK : sim_random() % 500;
    return (size_t)MIN(size + 1, left);
}

static void stream_writer(uint64_t mode, uint64_t page) {
    (void)page;
    struct bytes bytes;
    for (uint64_t at = 0; at < STREAM_TOTAL;) {
        size_t size = MIN(piece(STREAM_TOTAL - at), (size_t)CHUNK);
        for (size_t i = 0; i < size; i++) {
            bytes.at[i] = stream_byte(mode, at + i);
        }
        write_all(RT_START_HANDLE, &bytes, size);
        at += size;
    }
    must(local_shut_down(RT_START_HANDLE, false, true), "shut down");
    rt_exit(0);
}

static void stream_reader(uint64_t mode, uint64_t page) {
    (void)page;
    struct bytes bytes;
    uint64_t at = 0;
    for (;;) {
        size_t count = read_some(RT_START_HANDLE, &bytes, MIN(piece(CHUNK), (size_t)CHUNK));
        for (size_t i = 0; i < count; i++) {
            if (bytes.at[i] != stream_byte(mode, at + i)) {
                fail("stream differs at", (int64_t)(at + i));
            }
        }
        at += count;
        if (count == 0) {
            break;
        }
    }
    if (at != STREAM_TOTAL) {
        fail("stream ended at", (int64_t)at);
    }
    rt_exit(0);
}

/* ---- packets and datagrams: each with its number ---- */

static size_t packet_size(uint32_t number) {
    return 8 + number * 397 % (CHUNK - 8);
}

static void fill_packet(struct bytes *_Nonnull bytes, uint32_t who, uint32_t number) {
    for (size_t i = 8; i < packet_size(number); i++) {
        bytes->at[i] = (uint8_t)(who + number + i);
    }
    bytes_copy(&bytes->at[0], &who, sizeof who);
    bytes_copy(&bytes->at[4], &number, sizeof number);
}

/* Which sender's next one it is, or the end of the test. */
static uint32_t check_packet(const struct bytes *_Nonnull bytes, size_t size,
                             uint32_t (*_Nonnull next)[SENDERS]) {
    uint32_t who = 0;
    uint32_t number = 0;
    struct bytes expected;
    bytes_copy(&who, &bytes->at[0], sizeof who);
    bytes_copy(&number, &bytes->at[4], sizeof number);
    if (who >= SENDERS || number != (*next)[who] || size != packet_size(number)) {
        fail("packet", number);
    }
    fill_packet(&expected, who, number);
    if (!bytes_equal(&expected.at[0], &bytes->at[0], size)) {
        fail("packet differs", number);
    }
    (*next)[who]++;
    return who;
}

static void packet_writer(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    struct bytes bytes = {};
    for (uint32_t i = 0; i < PACKETS; i++) {
        uint64_t written = 0;
        fill_packet(&bytes, 0, i);
        struct rt_bytes packet = {.size = packet_size(i), .data = &bytes.at[0]};
        must(stream_write(RT_START_HANDLE, STREAM_POSITION_CURRENT, 0, packet, &written), "packet");
        if (written != packet.size) {
            fail("a packet was cut", (int64_t)written);
        }
    }
    rt_exit(0);
}

static void packet_reader(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    struct bytes bytes;
    uint32_t next[SENDERS] = {};
    for (size_t size = read_some(RT_START_HANDLE, &bytes, CHUNK); size > 0;
         size = read_some(RT_START_HANDLE, &bytes, CHUNK)) {
        (void)check_packet(&bytes, size, &next);
    }
    if (next[0] != PACKETS) {
        fail("packets", next[0]);
    }
    rt_exit(0);
}

static const char datagram_name[] = {'\0', 'd', 'g'};

static void datagram_sender(uint64_t mode, uint64_t page) {
    (void)page;
    handle_t socket = HANDLE_NONE;
    handle_t other = HANDLE_NONE;
    static const struct local_credentials nobody = {};
    must(local_socket(RT_START_HANDLE, LOCAL_SOCKET_TYPE_DATAGRAM, false, &socket, &other),
         "socket");
    for (uint32_t i = 0; i < DATAGRAMS; i++) {
        struct {
            char name[sizeof datagram_name];
            struct bytes bytes;
        } message = {};
        uint64_t sent = 0;
        bytes_copy(message.name, datagram_name, sizeof datagram_name);
        fill_packet(&message.bytes, (uint32_t)mode, i);
        struct rt_bytes texts = {.size = sizeof message.name + packet_size(i),
                                 .data = (const uint8_t *)&message};
        must(local_send(socket, 0, sizeof message.name, HANDLE_NONE, HANDLE_NONE, &nobody, texts,
                        &sent),
             "datagram");
    }
    rt_exit(0);
}

static void datagram_receiver(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    struct bytes bytes;
    uint32_t next[SENDERS] = {};
    for (uint32_t i = 0; i < SENDERS * DATAGRAMS; i++) {
        handle_t rights = HANDLE_NONE;
        uint32_t said = 0;
        uint64_t length = 0;
        uint32_t name_bytes = 0;
        struct local_credentials from = {};
        uint8_t name[LOCAL_NAME_MAX];
        uint64_t size = 0;
        must(local_receive(RT_START_HANDLE, 0, &rights, &said, &length, &name_bytes, &from, &name,
                           (struct rt_buffer){.size = CHUNK, .data = &bytes.at[0]}, &size),
             "receive");
        (void)check_packet(&bytes, (size_t)size, &next);
    }
    rt_exit(0);
}

/* ---- connections ---- */

static const char server_name[] = {'\0', 's', 'v'};

static void client(uint64_t mode, uint64_t page) {
    (void)page;
    struct bytes bytes;
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        handle_t socket = HANDLE_NONE;
        handle_t other = HANDLE_NONE;
        uint32_t question = (uint32_t)mode << 16 | i;
        must(local_socket(RT_START_HANDLE, LOCAL_SOCKET_TYPE_STREAM, false, &socket, &other),
             "socket");
        must(local_connect(socket, HANDLE_NONE, false, RT_BYTES_OF(server_name)), "connect");
        bytes_copy(&bytes.at[0], &question, sizeof question);
        write_all(socket, &bytes, sizeof question);
        uint32_t answer = 0;
        if (read_some(socket, &bytes, sizeof answer) != sizeof answer) {
            fail("no answer", i);
        }
        bytes_copy(&answer, &bytes.at[0], sizeof answer);
        if (answer != question + 1) {
            fail("answer", answer);
        }
        if (read_some(socket, &bytes, 1) != 0) {
            fail("the end of a connection", i);
        }
        rt_handle_close(socket);
    }
    rt_exit(0);
}

static void answer(handle_t socket, uint32_t (*_Nonnull next)[CLIENTS]) {
    struct bytes bytes;
    uint32_t question = 0;
    if (read_some(socket, &bytes, sizeof question) != sizeof question) {
        fail("no question", 0);
    }
    bytes_copy(&question, &bytes.at[0], sizeof question);
    uint32_t who = question >> 16;
    if (who >= CLIENTS || (question & 0xffff) != (*next)[who]++) {
        fail("question", question);
    }
    question++;
    bytes_copy(&bytes.at[0], &question, sizeof question);
    write_all(socket, &bytes, sizeof question);
    rt_handle_close(socket);
}

/* Takes two connections at a time where there are two. */
static void server(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    uint32_t next[CLIENTS] = {};
    for (uint32_t i = 0; i < CLIENTS * CONNECTIONS; i++) {
        handle_t first = HANDLE_NONE;
        handle_t second = HANDLE_NONE;
        uint8_t peer[LOCAL_NAME_MAX];
        uint64_t peer_size = 0;
        must(local_accept(RT_START_HANDLE, false, &first, RT_BUFFER_OF(peer), &peer_size),
             "accept");
        status_t status =
            local_accept(RT_START_HANDLE, true, &second, RT_BUFFER_OF(peer), &peer_size);
        answer(first, &next);
        if (status == STATUS_OK) {
            answer(second, &next);
            i++;
        } else if (status != STATUS_WOULD_BLOCK) {
            fail("accept without waiting", status);
        }
    }
    rt_exit(0);
}

/* ---- descriptors ---- */

/* Sends the writing ends of new pipes, closes them, and reads what the other one writes. */
static void pass(handle_t *_Nonnull reader, uint32_t number) {
    struct bytes bytes = {};
    static const struct local_credentials nobody = {};
    handle_t writer = HANDLE_NONE;
    handle_t bundle = HANDLE_NONE;
    uint32_t placed = 0;
    uint64_t sent = 0;
    must(local_pipe(RT_START_HANDLE + 1, reader, &writer), "pipe");
    must(rt_object_create(OBJECT_KEEP, 0, 1, 0, 0, 0, &bundle), "bundle");
    must(rt_handle_move(0, writer, bundle, 1, RIGHT_ALL, 0, &placed), "into the bundle");
    bytes_copy(&bytes.at[0], &number, sizeof number);
    must(local_send(RT_START_HANDLE, 0, 0, HANDLE_NONE, bundle, &nobody,
                    (struct rt_bytes){.size = CHUNK, .data = &bytes.at[0]}, &sent),
         "pass");
    if (sent != CHUNK) {
        fail("a message was cut", (int64_t)sent);
    }
}

static void passer(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    struct bytes bytes;
    for (uint32_t i = 0; i < PASSINGS; i++) {
        handle_t readers[BATCH] = {};
        for (uint32_t j = 0; j < BATCH; j++) {
            pass(&readers[j], i * BATCH + j);
        }
        for (uint32_t j = 0; j < BATCH; j++) {
            uint32_t number = 0;
            if (read_some(readers[j], &bytes, CHUNK) != sizeof number) {
                fail("nothing through a passed pipe", j);
            }
            bytes_copy(&number, &bytes.at[0], sizeof number);
            if (number != i * BATCH + j || read_some(readers[j], &bytes, CHUNK) != 0) {
                fail("through a passed pipe", number);
            }
            rt_handle_close(readers[j]);
        }
    }
    rt_exit(0);
}

static void taker(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    struct bytes bytes;
    for (uint32_t i = 0; i < PASSINGS * BATCH; i++) {
        handle_t rights = HANDLE_NONE;
        handle_t writer = HANDLE_NONE;
        uint32_t said = 0;
        uint64_t length = 0;
        uint32_t name_bytes = 0;
        struct local_credentials from = {};
        uint8_t name[LOCAL_NAME_MAX];
        uint64_t size = 0;
        must(local_receive(RT_START_HANDLE, 0, &rights, &said, &length, &name_bytes, &from, &name,
                           (struct rt_buffer){.size = CHUNK, .data = &bytes.at[0]}, &size),
             "take");
        if (size != CHUNK || !bytes_equal(&bytes.at[0], &i, sizeof i)) {
            fail("message of a descriptor", i);
        }
        must(rt_handle_move(rights, 1, 0, HANDLE_MOVE_ANY, RIGHT_ALL, HANDLE_MOVE_COPY, &writer),
             "out of the bundle");
        rt_handle_close(rights);
        write_all(writer, &bytes, sizeof i);
        rt_handle_close(writer);
    }
    rt_exit(0);
}

/* ---- the world ---- */

static struct service local_service = {.name = "local",
                                       .main = local_main,
                                       .vault_pages =
                                           (sizeof(struct local_vault) + PAGE_SIZE - 1) / PAGE_SIZE,
                                       .keep_slots = LOCAL_KEEP_SLOTS};

static void begin(const char *_Nonnull name, sim_program_t _Nonnull program, uint64_t mode,
                  handle_t first, handle_t second) {
    const handle_t handles[2] = {first, second};
    rt_handle_close(start_process(name, program, mode, PRIORITY_FAIR, &handles[0],
                                  second == HANDLE_NONE ? 1 : 2));
}

static handle_t named(handle_t control, enum local_socket_type type, struct rt_bytes name) {
    handle_t socket = HANDLE_NONE;
    handle_t other = HANDLE_NONE;
    expect(local_socket(control, type, false, &socket, &other), "socket");
    expect(local_bind(socket, name, &other), "bind");
    return socket;
}

static void begin_clients(handle_t control) {
    handle_t stream[2] = {};
    handle_t packets[2] = {};
    handle_t passing[2] = {};
    expect(local_socket(control, LOCAL_SOCKET_TYPE_STREAM, true, &stream[0], &stream[1]), "pair");
    expect(local_socket(control, LOCAL_SOCKET_TYPE_SEQUENCED, true, &packets[0], &packets[1]),
           "pair");
    expect(local_socket(control, LOCAL_SOCKET_TYPE_SEQUENCED, true, &passing[0], &passing[1]),
           "pair");
    handle_t receiver = named(control, LOCAL_SOCKET_TYPE_DATAGRAM, RT_BYTES_OF(datagram_name));
    handle_t listener = named(control, LOCAL_SOCKET_TYPE_STREAM, RT_BYTES_OF(server_name));
    expect(local_listen(listener, 1), "listen");
    for (uint64_t i = 0; i < 2; i++) {
        begin("stream writer", stream_writer, i, stream[i], HANDLE_NONE);
        begin("stream reader", stream_reader, 1 - i, stream[i], HANDLE_NONE);
    }
    begin("packet writer", packet_writer, 0, packets[0], HANDLE_NONE);
    begin("packet reader", packet_reader, 0, packets[1], HANDLE_NONE);
    for (uint64_t i = 0; i < SENDERS; i++) {
        begin("sender", datagram_sender, i, control, HANDLE_NONE);
    }
    begin("receiver", datagram_receiver, 0, receiver, HANDLE_NONE);
    for (uint64_t i = 0; i < CLIENTS; i++) {
        begin("client", client, i, control, HANDLE_NONE);
    }
    begin("server", server, 0, listener, HANDLE_NONE);
    begin("passer", passer, 0, passing[0], control);
    begin("taker", taker, 0, passing[1], HANDLE_NONE);
    for (uint32_t i = 0; i < 2; i++) {
        rt_handle_close(stream[i]);
        rt_handle_close(packets[i]);
        rt_handle_close(passing[i]);
    }
    rt_handle_close(receiver);
    rt_handle_close(listener);
}

static uint64_t kills_later;

static void supervisor_main(uint64_t mode, uint64_t page) {
    (void)page;
    uint64_t unused = 0;
    CHECK(mode == START_FRESH);
    service_make(&local_service);
    service_start(&local_service, START_FRESH);
    handle_t control = service_session(&local_service, RT_COOKIE_SERVICE);
    begin_clients(control);
    kills_wanted = kills_later;
    supervise((struct services){.count = 1, .at = &local_service}, ROLES);
    kills_wanted = 0;
    /* A call by which local has seen all that came before. */
    CHECK(stream_available(control, &unused, &unused) == STATUS_BAD_METHOD);
    expect_nothing_left(&local_service);
    rt_exit(0);
}

int main(int argc, char **argv) {
    UNSAFE_BEGIN
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
    kills_later = argc > 2 ? strtoull(argv[2], nullptr, 10) : 300;
    UNSAFE_END
    kill_names[0] = "local";
    kill_name_count = 1;
    int code = run(supervisor_main, seed, 16384);
    return code == 0 && kills_done == kills_later ? 0 : 1;
}
