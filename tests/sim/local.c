/* Pipes, fifos and counters under kills: local as it is shipped, clients that stream, mix, meet and
 * churn, and a supervisor that starts local again whenever it is killed, at random system calls.
 * What a reader gets is exactly what was written, once and in order; records of up to QUEUE_ATOMIC
 * bytes stay whole; sums are exact; and at the end no record of the vault is in use. */
#include "tests/sim/local_world.h"

enum {
    STREAM_TOTAL = 120000,
    CHUNK = 20000,
    RECORDS = 60,
    MIXERS = 3,
    ROUNDS = 150,
    CHURNS = 40,
    ADDS = 100,
    MEETINGS = 25,
    TAKERS = 3,
    LATE = 100,
    TIMINGS = 30,
    ROLES = 2 + MIXERS + 1 + 2 + 1 + 3 + 2 + 1,
};

void local_main(uint64_t mode, uint64_t page);

/* ---- whole reads and writes ---- */

struct bytes {
    uint8_t at[CHUNK];
};

static void write_all(handle_t end, const struct bytes *_Nonnull bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        uint64_t written = 0;
        struct rt_bytes rest = {.size = size - done, .data = &bytes->at[done]};
        must(stream_write(end, STREAM_POSITION_CURRENT, 0, rest, &written), "write");
        if (written == 0 || written > size - done) {
            fail("written", (int64_t)written);
        }
        done += written;
    }
}

/* Less only at the end. */
static size_t read_all(handle_t end, struct bytes *_Nonnull bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        uint64_t count = 0;
        struct rt_buffer rest = {.size = size - done, .data = &bytes->at[done]};
        must(stream_read(end, STREAM_POSITION_CURRENT, 0, rest, &count), "read");
        if (count == 0) {
            break;
        }
        done += count;
    }
    return done;
}

/* ---- a long stream, in pieces of any size ---- */

static uint8_t stream_byte(uint64_t position) {
    return (uint8_t)(position * 31 + position / 251);
}

static size_t piece(uint64_t left) {
    uint64_t size = sim_random() % 4 == 0 ? sim_random() % CHUNK : sim_random() % 600;
    return (size_t)MIN(size + 1, left);
}

static void stream_writer(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    static struct bytes bytes;
    for (uint64_t at = 0; at < STREAM_TOTAL;) {
        size_t size = MIN(piece(STREAM_TOTAL - at), (size_t)CHUNK);
        for (size_t i = 0; i < size; i++) {
            bytes.at[i] = stream_byte(at + i);
        }
        write_all(RT_START_HANDLE, &bytes, size);
        at += size;
    }
    rt_exit(0);
}

static void stream_reader(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    static struct bytes bytes;
    uint64_t at = 0;
    for (;;) {
        uint64_t count = 0;
        struct rt_buffer room = {.size = MIN(piece(CHUNK), (size_t)CHUNK), .data = &bytes.at[0]};
        must(stream_read(RT_START_HANDLE, STREAM_POSITION_CURRENT, 0, room, &count), "read");
        for (uint64_t i = 0; i < count; i++) {
            if (bytes.at[i] != stream_byte(at + i)) {
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

/* ---- records of several writers ---- */

struct record_head {
    uint32_t who, number, size;
};

static void mixer(uint64_t mode, uint64_t page) {
    (void)page;
    struct bytes bytes;
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct record_head head = {(uint32_t)mode, i,
                                   (uint32_t)(sizeof head + sim_random() % (QUEUE_ATOMIC - 12))};
        for (uint32_t j = 0; j < head.size; j++) {
            bytes.at[j] = (uint8_t)(mode + i + j);
        }
        bytes_copy(&bytes.at[0], &head, sizeof head);
        uint64_t written = 0;
        struct rt_bytes record = {.size = head.size, .data = &bytes.at[0]};
        must(stream_write(RT_START_HANDLE, STREAM_POSITION_CURRENT, 0, record, &written), "record");
        if (written != head.size) {
            fail("a record was cut", (int64_t)written);
        }
    }
    rt_exit(0);
}

static void mixed_reader(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    struct bytes bytes;
    uint32_t next[MIXERS] = {};
    struct record_head head = {};
    while (read_all(RT_START_HANDLE, &bytes, sizeof head) == sizeof head) {
        bytes_copy(&head, &bytes.at[0], sizeof head);
        if (head.who >= MIXERS || head.number != next[head.who] || head.size > QUEUE_ATOMIC) {
            fail("record", head.number);
        }
        next[head.who]++;
        if (read_all(RT_START_HANDLE, &bytes, head.size - sizeof head) != head.size - sizeof head) {
            fail("half a record", head.number);
        }
        for (uint32_t j = sizeof head; j < head.size; j++) {
            if (bytes.at[j - sizeof head] != (uint8_t)(head.who + head.number + j)) {
                fail("record differs", head.number);
            }
        }
    }
    for (uint32_t i = 0; i < MIXERS; i++) {
        if (next[i] != RECORDS) {
            fail("records of one writer", next[i]);
        }
    }
    rt_exit(0);
}

/* ---- question and answer ---- */

/* Handles: the end to read, the end to write. mode 0 asks. */
static void player(uint64_t mode, uint64_t page) {
    (void)page;
    struct bytes bytes;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        for (uint64_t turn = 0; turn < 2; turn++) {
            uint32_t number = i * 2 + (uint32_t)turn;
            bytes_copy(&bytes.at[0], &number, sizeof number);
            if (turn == mode) {
                write_all(RT_START_HANDLE + 1, &bytes, sizeof number);
            } else if (read_all(RT_START_HANDLE, &bytes, sizeof number) != sizeof number ||
                       !bytes_equal(&bytes.at[0], &number, sizeof number)) {
                fail("turn", number);
            }
        }
    }
    rt_exit(0);
}

/* ---- pipes that come and go, seen from one process ---- */

static uint32_t shown(handle_t session) {
    struct session_info info = {};
    must(rt_object_info(session, INFO_SESSION, &info, sizeof info), "info");
    return info.ready;
}

static void expect_shown(handle_t session, uint32_t wanted, const char *_Nonnull what) {
    if (shown(session) != wanted) {
        fail(what, shown(session));
    }
}

/* A call by which local has seen all that came before; the control session is nothing to read. */
static void settle(handle_t control) {
    uint64_t readable = 0;
    uint64_t unsent = 0;
    status_t status = stream_available(control, &readable, &unsent);
    if (status != STATUS_BAD_METHOD) {
        fail("settle", status);
    }
}

static void churn_once(handle_t control, uint32_t number) {
    struct bytes bytes = {};
    handle_t reader = HANDLE_NONE;
    handle_t writer = HANDLE_NONE;
    uint64_t count = 0;
    size_t size = 1 + number * 311 % 9000;
    must(local_pipe(control, &reader, &writer), "pipe");
    expect_shown(reader, 0, "an empty pipe");
    expect_shown(writer, READY_OUT, "room");
    write_all(writer, &bytes, size);
    expect_shown(reader, READY_IN, "bytes");
    struct rt_buffer one = {.size = 1, .data = &bytes.at[0]};
    must(stream_read(reader, STREAM_POSITION_CURRENT, STREAM_HOW_PEEK, one, &count), "peek");
    if (read_all(reader, &bytes, size) != size) {
        fail("bytes of a pipe", (int64_t)size);
    }
    status_t status = stream_read(reader, STREAM_POSITION_CURRENT, STREAM_HOW_NO_WAIT, one, &count);
    if (status != STATUS_WOULD_BLOCK) {
        fail("an empty pipe", status);
    }
    if (number % 2 == 0) {
        rt_handle_close(writer);
        settle(control);
        expect_shown(reader, READY_HANGUP, "no writer");
        if (read_all(reader, &bytes, 1) != 0) {
            fail("the end", 0);
        }
        rt_handle_close(reader);
    } else {
        rt_handle_close(reader);
        settle(control);
        expect_shown(writer, READY_OUT | READY_ERROR, "no reader");
        status = stream_write(writer, STREAM_POSITION_CURRENT, 0, RT_STRING("x"), &count);
        if (status != STREAM_STATUS_BROKEN) {
            fail("no reader", status);
        }
        rt_handle_close(writer);
    }
}

static void churn(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    for (uint32_t i = 0; i < CHURNS; i++) {
        churn_once(RT_START_HANDLE, i);
    }
    rt_exit(0);
}

/* ---- counters ---- */

/* mode 0 takes, the others add. */
static void adder(uint64_t mode, uint64_t page) {
    (void)page;
    uint64_t sum = 0;
    uint64_t size = 0;
    for (uint64_t i = 1; mode != 0 && i <= ADDS; i++) {
        uint8_t bytes[sizeof i];
        bytes_copy(bytes, &i, sizeof i);
        must(stream_write(RT_START_HANDLE, STREAM_POSITION_CURRENT, 0, RT_BYTES_OF(bytes), &size),
             "add");
    }
    while (mode == 0 && sum < 2 * (ADDS * (ADDS + 1) / 2)) {
        uint64_t value = 0;
        uint8_t bytes[sizeof value];
        must(stream_read(RT_START_HANDLE, STREAM_POSITION_CURRENT, 0, RT_BUFFER_OF(bytes), &size),
             "take");
        bytes_copy(&value, bytes, sizeof value);
        sum += value;
    }
    if (mode == 0 && sum != 2 * (ADDS * (ADDS + 1) / 2)) {
        fail("sum", (int64_t)sum);
    }
    rt_exit(0);
}

/* mode 0 gives all at once, late; each of the others takes one and has been waiting by then. */
static void taker(uint64_t mode, uint64_t page) {
    (void)page;
    uint64_t size = 0;
    uint64_t value = TAKERS;
    uint8_t bytes[sizeof value];
    bytes_copy(bytes, &value, sizeof value);
    for (uint32_t i = 0; mode == 0 && i < LATE; i++) {
        (void)stream_read(RT_START_HANDLE + 1, STREAM_POSITION_CURRENT, STREAM_HOW_NO_WAIT,
                          (struct rt_buffer){}, &size);
    }
    if (mode == 0) {
        must(stream_write(RT_START_HANDLE, STREAM_POSITION_CURRENT, 0, RT_BYTES_OF(bytes), &size),
             "give");
    } else {
        must(stream_read(RT_START_HANDLE, STREAM_POSITION_CURRENT, 0, RT_BUFFER_OF(bytes), &size),
             "take");
        bytes_copy(&value, bytes, sizeof value);
        if (size != sizeof value || value != 1) {
            fail("taken", (int64_t)value);
        }
    }
    rt_exit(0);
}

/* ---- time ---- */

static uint64_t count_of(handle_t timer) {
    uint64_t count = 0;
    uint64_t size = 0;
    uint8_t bytes[sizeof count];
    must(stream_read(timer, STREAM_POSITION_CURRENT, 0, RT_BUFFER_OF(bytes), &size), "a timer");
    bytes_copy(&count, bytes, sizeof count);
    return count;
}

/* Once, then again and again: never before its time, and as often as time allows. */
static void time_once(handle_t control, uint64_t wait_ns) {
    enum { MONOTONIC = 1 };
    handle_t timer = HANDLE_NONE;
    uint64_t left = 0;
    uint64_t every = 0;
    must(local_timer(control, MONOTONIC, &timer), "timer");
    uint64_t before = rt_clock_ns();
    must(local_set_timer(timer, true, false, false, wait_ns, 0, &left, &every), "set");
    if (count_of(timer) != 1 || rt_clock_ns() < before + wait_ns) {
        fail("a timer came before its time", (int64_t)wait_ns);
    }
    expect_shown(timer, 0, "a timer that was read");
    before = rt_clock_ns();
    must(local_set_timer(timer, true, false, false, wait_ns, wait_ns, &left, &every), "set");
    uint64_t total = 0;
    while (total < 3) {
        total += count_of(timer);
    }
    if (total > (rt_clock_ns() - before) / wait_ns) {
        fail("a timer runs fast", (int64_t)total);
    }
    rt_handle_close(timer);
}

/* A socket's reader that waits for so long and gets nothing. */
static void wait_in_vain(handle_t control, uint64_t wait_ns) {
    handle_t one = HANDLE_NONE;
    handle_t other = HANDLE_NONE;
    uint64_t old = 0;
    uint64_t size = 0;
    uint8_t byte[1];
    must(local_socket(control, LOCAL_SOCKET_TYPE_STREAM, true, &one, &other), "pair");
    must(local_option(one, LOCAL_OPTION_RECEIVE_TIMEOUT_NS, true, wait_ns, &old), "limit");
    uint64_t before = rt_clock_ns();
    status_t status = stream_read(one, STREAM_POSITION_CURRENT, 0, RT_BUFFER_OF(byte), &size);
    if (status != STATUS_WOULD_BLOCK || rt_clock_ns() < before + wait_ns) {
        fail("a limited read", status);
    }
    rt_handle_close(one);
    rt_handle_close(other);
}

static void timing(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    for (uint32_t i = 0; i < TIMINGS; i++) {
        time_once(RT_START_HANDLE, 1000 + sim_random() % 100000);
        wait_in_vain(RT_START_HANDLE, 1000 + sim_random() % 100000);
    }
    rt_exit(0);
}

/* ---- two that meet at a fifo ---- */

static void meeter(uint64_t mode, uint64_t page) {
    (void)page;
    struct bytes bytes = {};
    for (uint32_t i = 0; i < MEETINGS; i++) {
        handle_t end = HANDLE_NONE;
        must(local_open_fifo(RT_START_HANDLE, mode == 0, mode != 0, false, &end), "open");
        if (mode != 0) {
            write_all(end, &bytes, 100);
        } else if (read_all(end, &bytes, 101) != 100) {
            fail("a meeting", i);
        }
        rt_handle_close(end);
        /* The other one must have gone too before the next meeting: the token goes both ways. */
        if (mode != 0) {
            (void)read_all(RT_START_HANDLE + 1, &bytes, 1);
        } else {
            write_all(RT_START_HANDLE + 1, &bytes, 1);
        }
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

static void begin_clients(handle_t control) {
    handle_t pipes[5][2] = {};
    handle_t counter = HANDLE_NONE;
    handle_t fifo = HANDLE_NONE;
    for (uint32_t i = 0; i < 5; i++) {
        expect(local_pipe(control, &pipes[i][0], &pipes[i][1]), "pipe");
    }
    expect(local_counter(control, 0, false, &counter), "counter");
    expect(local_fifo(control, &fifo), "fifo");
    begin("stream writer", stream_writer, 0, pipes[0][1], HANDLE_NONE);
    begin("stream reader", stream_reader, 0, pipes[0][0], HANDLE_NONE);
    for (uint64_t i = 0; i < MIXERS; i++) {
        begin("mixer", mixer, i, pipes[1][1], HANDLE_NONE);
    }
    begin("mixed reader", mixed_reader, 0, pipes[1][0], HANDLE_NONE);
    begin("player", player, 0, pipes[2][0], pipes[3][1]);
    begin("player", player, 1, pipes[3][0], pipes[2][1]);
    begin("churn", churn, 0, control, HANDLE_NONE);
    begin("timing", timing, 0, control, HANDLE_NONE);
    for (uint64_t i = 0; i < 3; i++) {
        begin("adder", adder, i, counter, HANDLE_NONE);
    }
    begin("meeter", meeter, 0, fifo, pipes[4][1]);
    begin("meeter", meeter, 1, fifo, pipes[4][0]);
    for (uint32_t i = 0; i < 5; i++) {
        rt_handle_close(pipes[i][0]);
        rt_handle_close(pipes[i][1]);
    }
    rt_handle_close(counter);
    rt_handle_close(fifo);
}

/* Without kills, which would wake who was forgotten. */
static void begin_takers(handle_t control) {
    handle_t semaphore = HANDLE_NONE;
    expect(local_counter(control, 0, true, &semaphore), "semaphore");
    for (uint64_t i = TAKERS + 1; i > 0; i--) {
        begin("taker", taker, i - 1, semaphore, control);
    }
    rt_handle_close(semaphore);
}

static uint64_t kills_later;

static void supervisor_main(uint64_t mode, uint64_t page) {
    (void)page;
    CHECK(mode == START_FRESH);
    service_make(&local_service);
    service_start(&local_service, START_FRESH);
    handle_t control = service_session(&local_service, RT_COOKIE_SERVICE);
    begin_clients(control);
    kills_wanted = kills_later;
    supervise((struct services){.count = 1, .at = &local_service}, ROLES);
    kills_wanted = 0;
    begin_takers(control);
    supervise((struct services){.count = 1, .at = &local_service}, TAKERS + 1);
    settle(control);
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
