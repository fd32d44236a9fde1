/* Program images that are wrong in one place: refused with Linux's errno while the caller can still
 * be told, killed by Linux's signal after that; and images that are strange but right. */
#include "check.h"
#include <elf.h>
#include <stddef.h>

/* mov edi, CODE; mov eax, 231; syscall */
static const unsigned char exit_42[] = {0xbf, 42, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05};
/* mov edi, [bss]; mov eax, 231; syscall */
static const unsigned char exit_bss[] = {0x8b, 0x3c, 0x25, 0, 0x18, 0x40, 0,
                                         0xb8, 231,  0,    0, 0,    0x0f, 0x05};
/* mov byte [rip-7], 0; then exit 42 */
static const unsigned char write_code[] = {0xc6, 0x05, 0xf9, 0xff, 0xff, 0xff, 0, 0xbf, 42,  0,
                                           0,    0,    0xb8, 231,  0,    0,    0, 0x0f, 0x05};

typedef struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
    unsigned char code[64];
    char interpreter[64];
} image_t;

enum { BASE = 0x400000 };

static image_t good(void) {
    image_t image = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_EXEC,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_entry = BASE + offsetof(image_t, code),
                   .e_phoff = offsetof(image_t, segments),
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 1},
        .segments = {{.p_type = PT_LOAD,
                      .p_flags = PF_R | PF_X,
                      .p_vaddr = BASE,
                      .p_filesz = sizeof(image_t),
                      .p_memsz = sizeof(image_t),
                      .p_align = 4096}},
    };
    memcpy(image.code, exit_42, sizeof exit_42);
    return image;
}

/* What becomes of it: an exit status, 1000 + the signal, or minus the errno of execve. */
static int outcome(const void *image, size_t length) {
    write_file("image", image, length, 0755);
    int ends[2];
    pipe2(ends, O_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        char *arguments[] = {"image", nullptr};
        char *none[] = {nullptr};
        execve("./image", arguments, none);
        int error = errno;
        write(ends[1], &error, sizeof error);
        _exit(0);
    }
    close(ends[1]);
    int error = 0;
    ssize_t got = read(ends[0], &error, sizeof error);
    close(ends[0]);
    int status = child_status(child);
    unlink("image");
    if (got == sizeof error) {
        return -error;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define EXPECT(name, change, want)                                                                 \
    do {                                                                                           \
        image_t image = good();                                                                    \
        change;                                                                                    \
        check_equal(name, outcome(&image, sizeof image), want);                                    \
    } while (0)

static void test_header(void) {
    EXPECT("good", (void)0, 42);
    EXPECT("magic", image.header.e_ident[1] = 'e', -ENOEXEC);
    EXPECT("object_file", image.header.e_type = ET_REL, -ENOEXEC);
    EXPECT("core_file", image.header.e_type = ET_CORE, -ENOEXEC);
    EXPECT("type_0", image.header.e_type = 0, -ENOEXEC);
    EXPECT("other_machine", image.header.e_machine = EM_AARCH64, -ENOEXEC);
    EXPECT("machine_0", image.header.e_machine = 0, -ENOEXEC);
    EXPECT("segment_entry_size", image.header.e_phentsize = 32, -ENOEXEC);
    EXPECT("no_segments", image.header.e_phnum = 0, -ENOEXEC);
    EXPECT("too_many_segments", image.header.e_phnum = 0xffff, -ENOEXEC);
    EXPECT("segments_beyond_file", image.header.e_phoff = 1 << 20, -ENOEXEC);
    EXPECT("segments_at_the_end_of_the_world", image.header.e_phoff = UINT64_MAX - 100, -ENOEXEC);
    image_t image = good();
    check_equal("half_a_header", outcome(&image, 40), -ENOEXEC);
    check_equal("sixteen_bytes", outcome(&image, 16), -ENOEXEC);
    check_equal("header_only", outcome(&image, sizeof(Elf64_Ehdr)), -ENOEXEC);
    check_equal("one_byte", outcome("\177", 1), -ENOEXEC);
}

static void test_segments(void) {
    EXPECT("entry_unmapped", image.header.e_entry = 0x10, 1000 + SIGSEGV);
    EXPECT("entry_in_kernel", image.header.e_entry = 0xffffffff81000000, 1000 + SIGSEGV);
    EXPECT("not_executable", image.segments[0].p_flags = PF_R, 1000 + SIGSEGV);
    EXPECT("nothing_loaded", image.segments[0].p_type = PT_NULL, 1000 + SIGSEGV);
    EXPECT("file_part_exceeds_memory", image.segments[0].p_memsz = 16, 1000 + SIGSEGV);
    EXPECT("address_in_kernel", image.segments[0].p_vaddr = 0xffffffff81000000, 1000 + SIGSEGV);
    EXPECT("address_not_canonical", image.segments[0].p_vaddr = 0x8000000000000000, 1000 + SIGSEGV);
    EXPECT("size_of_the_world", image.segments[0].p_memsz = UINT64_MAX, 1000 + SIGSEGV);
    EXPECT("offset_not_congruent", image.segments[0].p_offset = 8, 1000 + SIGSEGV);
    EXPECT(
        "beyond_file",
        {
            image.segments[0].p_offset = 1 << 20;
            image.header.e_entry = BASE;
        },
        1000 + SIGBUS);
    EXPECT("writes_its_code", memcpy(image.code, write_code, sizeof write_code), 1000 + SIGSEGV);
    EXPECT(
        "writable_code",
        {
            memcpy(image.code, write_code, sizeof write_code);
            image.segments[0].p_flags = PF_R | PF_W | PF_X;
        },
        42);
    EXPECT(
        "bss_is_zero",
        {
            memcpy(image.code, exit_bss, sizeof exit_bss);
            image.segments[0].p_flags = PF_R | PF_W | PF_X;
            image.segments[0].p_memsz = 0x2000;
        },
        0);
    EXPECT("no_bss_there", memcpy(image.code, exit_bss, sizeof exit_bss), 1000 + SIGSEGV);
    EXPECT(
        "position_independent",
        {
            image.header.e_type = ET_DYN;
            image.segments[0].p_vaddr = 0;
            image.header.e_entry = offsetof(image_t, code);
        },
        42);
    EXPECT(
        "two_segments",
        {
            image.header.e_phnum = 2;
            image.segments[1] = image.segments[0];
            image.segments[1].p_vaddr = BASE + 0x10000;
            image.header.e_entry += 0x10000;
        },
        42);
    EXPECT(
        "overlapping_segments",
        {
            image.header.e_phnum = 2;
            image.segments[1] = image.segments[0];
        },
        42);
    EXPECT(
        "unknown_segment_kind",
        {
            image.header.e_phnum = 2;
            image.segments[1].p_type = 0x12345678;
        },
        42);
}

static image_t with_interpreter(const char *name, size_t length) {
    image_t image = good();
    image.header.e_phnum = 2;
    image.segments[1] = image.segments[0];
    image.segments[0] = (Elf64_Phdr){.p_type = PT_INTERP,
                                     .p_flags = PF_R,
                                     .p_offset = offsetof(image_t, interpreter),
                                     .p_filesz = length,
                                     .p_memsz = length};
    memcpy(image.interpreter, name, strlen(name));
    return image;
}

static void test_interpreter(void) {
    image_t image = with_interpreter("/no/such", 9);
    check_equal("missing", outcome(&image, sizeof image), -ENOENT);
    image = with_interpreter("/no/such", 8);
    check_equal("not_terminated", outcome(&image, sizeof image), -ENOEXEC);
    image = with_interpreter("", 1);
    check_equal("empty", outcome(&image, sizeof image), -ENOEXEC);
    image = with_interpreter("x", 1 << 20);
    check_equal("too_long", outcome(&image, sizeof image), -ENOEXEC);
    image = with_interpreter("/", 2);
    check_equal("folder", outcome(&image, sizeof image), -EACCES);
    char folder[4096];
    getcwd(folder, sizeof folder - 16);
    char path[4200];
    static char text[200] = "this is a text and no program, but it is long enough for a header";
    write_file("text", text, sizeof text, 0755);
    (void)snprintf(path, sizeof path, "%s/text", folder);
    if (strlen(path) < sizeof image.interpreter) {
        image = with_interpreter(path, strlen(path) + 1);
        check_equal("no_program", outcome(&image, sizeof image), -ELIBBAD);
    }
    image_t loader = good();
    loader.header.e_type = ET_DYN;
    /* As real loaders end: before 6.x Linux cleared the rest of the last page, writable or not. */
    loader.segments[0].p_flags = PF_R | PF_W | PF_X;
    loader.segments[0].p_vaddr = 0;
    loader.header.e_entry = offsetof(image_t, code);
    loader.code[1] = 43;
    write_file("ld", &loader, sizeof loader, 0755);
    (void)snprintf(path, sizeof path, "%s/ld", folder);
    if (strlen(path) < sizeof image.interpreter) {
        image = with_interpreter(path, strlen(path) + 1);
        check_equal("interpreter_runs_first", outcome(&image, sizeof image), 43);
        chmod("ld", 0644);
        check_equal("not_executable", outcome(&image, sizeof image), -EACCES);
    }
}

/* Headers with random bytes: each ends somehow, and this process goes on undisturbed. */
static void test_random(void) {
    uint64_t state = 1;
    int ended = 0;
    for (int i = 0; i < 200; i++) {
        image_t image = good();
        unsigned char *bytes = (unsigned char *)&image;
        for (int j = 0; j < 3; j++) {
            state = state * 6364136223846793005 + 1442695040888963407;
            bytes[4 + (state >> 33) % 116] = (unsigned char)(state >> 56);
        }
        ended += outcome(&image, sizeof image) != 1000 + SIGALRM ? 1 : 0;
    }
    check_equal("all_end", ended, 200);
    EXPECT("good_one_still_runs", (void)0, 42);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"header", test_header},
        {"segments", test_segments},
        {"interpreter", test_interpreter},
        {"random", test_random},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
