#!/usr/bin/env python3
"""Every check of ./isotope check can fail: each is given a small tree with a seeded defect and must name it, and
the same tree without the defect, and must say nothing."""

import os
import shutil
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "host/check"))
import builds  # noqa: E402
import checks  # noqa: E402
import size  # noqa: E402
from tree import Tree  # noqa: E402


class Seeded(unittest.TestCase):
    """A tree of its own for each test."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def with_build(self):
        """The real build's rules, in this tree."""
        shutil.copy(os.path.join(ROOT, "Makefile"), self.root)
        shutil.copytree(os.path.join(ROOT, "host/build"), os.path.join(self.root, "host/build"))
        self.write("lib/base/safe.h", Tree(ROOT).read("lib/base/safe.h"))

    def complains(self, name, *parts):
        complaints = checks.run(name, self.root)
        for part in parts:
            self.assertTrue(any(part in c for c in complaints), f"{part!r} in none of {complaints}")
        if not parts:
            self.assertEqual(complaints, [])

    def silent(self, name):
        self.complains(name)


class Format(Seeded):
    def test_unformatted_code(self):
        self.write(".clang-format", Tree(ROOT).read(".clang-format"))
        self.write("kernel/good.c", "int good(void) {\n    return 1;\n}\n")
        self.silent("format")
        self.write("kernel/bad.c", "int bad( void )\n{ return 1; }\n")
        self.complains("format", "kernel/bad.c:1")


class Words(Seeded):
    def test_unfinished_work(self):
        self.write("kernel/good.c", "/* A stub generator; the hackney word; Todorov. */\n")
        self.silent("words")
        for word in ("TO" + "DO", "FIX" + "ME", "not " + "implemented"):
            self.write("kernel/bad.c", f"\n/* {word}: later */\n")
            self.complains("words", "kernel/bad.c:2")

    def test_paths_of_a_machine(self):
        self.write("docs/good.md", "see /home/user and $HOME/" + "work/ and network/\n")
        self.silent("words")
        self.write("docs/bad.md", "see /ho" + "me/alice/src\n")
        self.complains("words", "docs/bad.md:1")


class Layering(Seeded):
    def test_downward_is_allowed(self):
        self.write("kernel/a.c", '#include "lib/base/x.h"\n#include "abi/y.h"\n#include "kernel/z.h"\n#include <stdint.h>\n')
        self.write("servers/log/a.c", '#include "lib/rt/rt.h"\n#include "idl/log.h"\n#include "servers/log/b.h"\n')
        self.write("lib/rt/sim/a.c", '#include <stdio.h>\n#include "kernel/x.h"\n')
        self.write("kernel/a_test.c", "#include <stdio.h>\n")
        self.write("tools/ls/a.c", "#include <stdio.h>\n")
        self.silent("layering")

    def test_a_library_is_wrapped_by_the_files_that_are_listed(self):
        self.write("host/check/library-files.txt", "fs/x/core/a.c zstd.h # compression\n")
        self.write("fs/x/core/a.c", "#include <zstd.h>\n")
        self.silent("layering")
        self.write("fs/x/core/a.c", "#include <zstd.h>\n#include <stdio.h>\n")
        self.write("fs/x/core/b.c", "#include <zstd.h>\n")
        self.complains("layering", "fs/x/core/a.c:2: ", "fs/x/core/b.c:1: ")

    def test_everything_else_is_not(self):
        for path, line, part in (("kernel/a.c", '"lib/rt/rt.h"', "kernel may not use lib/rt/rt.h"),
                                 ("abi/a.h", '"lib/base/safe.h"', "abi may not use"),
                                 ("lib/base/a.c", '"lib/rt/rt.h"', "lib/base may not use"),
                                 ("lib/rt/a.c", '"servers/log/a.h"', "lib may not use"),
                                 ("servers/log/a.c", '"servers/tty/a.h"', "servers may not use"),
                                 ("drivers/net/e1000/a.c", '"drivers/net/virtio/a.h"', "drivers may not use"),
                                 ("servers/log/b.c", '"kernel/a.h"', "servers may not use"),
                                 ("servers/log/c.c", '"../tty/a.h"', "servers may not use"),
                                 ("kernel/b.c", "<stdio.h>", "may not use <stdio.h>"),
                                 ("fs/x/core/a.c", "<stdlib.h>", "may not use <stdlib.h>"),
                                 ("tools/ls.c", '"lib/rt/rt.h"', "tools may not use")):
            self.write("servers/tty/a.h", "")
            self.write(path, f"#include {line}\n")
            self.complains("layering", f"{path}:1: ", part)
            os.unlink(os.path.join(self.root, path))


def function(lines, before=""):
    return f"{before}int f(int a,\n      int b) {{\n" + "    a = b;\n" * (lines - 3) + "}\n"


class Limits(Seeded):
    def test_long_functions_and_files(self):
        self.write("kernel/a.c", function(60))
        self.silent("limits")
        self.write("kernel/a.c", function(101) + "".join(function(10) for _ in range(30)))
        self.complains("limits", "f has 101 lines")
        self.write("kernel/a.c", function(101, "/* Long: one case for each call. */\n") + "".join(function(10) for _ in range(30)))
        self.silent("limits")
        self.write("kernel/a.c", "int x;\n" * 801)
        self.complains("limits", "kernel/a.c: 801 lines")

    def test_at_most_one_in_twenty_is_over_sixty_lines(self):
        self.write("kernel/a.c", function(61) + "".join(function(10) for _ in range(19)))
        self.silent("limits")
        self.write("kernel/a.c", function(61) + "".join(function(10) for _ in range(18)))
        self.complains("limits", "more than one in twenty")

    def test_only_functions_are_measured(self):
        self.write("kernel/a.c", "static const int table[] = {\n" + "    1,\n" * 200 + "};\n"
                   + "struct s {\n" + "    int a;\n" * 150 + "};\n\n" + function(5))
        self.silent("limits")


class Documents(Seeded):
    def test_wrong_figures(self):
        self.write("abi/syscall.h", "static_assert(SYSCALL_COUNT == 40);\n")
        self.write("abi/README.md", "<!-- figure system-calls -->40<!-- end --> calls\n")
        self.silent("documents")
        self.write("docs/a.md", "<!-- figure system-calls -->41<!-- end --> calls\n")
        self.complains("documents", "says 41 system-calls, but there are 40")
        self.write("docs/a.md", "<!-- figure no-such -->41<!-- end -->\n")
        self.complains("documents", "no figure named no-such")

    def test_figures_are_written(self):
        import documents

        self.write("abi/syscall.h", "static_assert(SYSCALL_COUNT == 40);\n")
        self.write("docs/a.md", "the <!-- figure system-calls -->7<!-- end --> calls\n")
        documents.figures(Tree(self.root), fix=True)
        self.assertEqual(Tree(self.root).read("docs/a.md"), "the <!-- figure system-calls -->40<!-- end --> calls\n")

    def test_links_and_readmes(self):
        self.write("kernel/ipc/a.c", "")
        self.complains("documents", "kernel/ipc: has no README.md")
        self.write("kernel/ipc/README.md", "see [a](a.c), [web](https://x.org/) and\n```\n[b](b.c)\n```\n")
        self.silent("documents")
        self.write("kernel/ipc/README.md", "see [b](b.c#L1)\n" + "\n" * 20)
        self.complains("documents", "README.md:1: the link b.c leads nowhere", "21 lines, at most 20")


class Banned(Seeded):
    def setUp(self):
        super().setUp()
        self.write("lib/base/safe.h", Tree(ROOT).read("lib/base/safe.h"))
        self.write("kernel/x.h", "#pragma once\nstruct x {\n    int hidden_;\n    int open;\n};\n")
        self.write("host/check/unsafe-files.txt", "lib/base/safe.h\n")

    def body(self, statement, outside="", path="kernel/bad.c"):
        self.write(path, '#include "lib/base/safe.h"\n#include "kernel/x.h"\n#include <string.h>\n' + outside + """
struct span { size_t length; int *_Nullable data COUNTED_BY(length); };
struct tail { size_t length; int data[] COUNTED_BY(length); };
int array[4];
int bad(int *_Nonnull p, struct span s, struct tail *_Nonnull t, unsigned i, struct x *_Nonnull x);
int bad(int *_Nonnull p, struct span s, struct tail *_Nonnull t, unsigned i, struct x *_Nonnull x) {
""" + f"    {statement}\n    return 0;\n}}\n")

    def test_checked_indexing_is_allowed(self):
        self.body("return array[i] + s.data[i] + t->data[i] + *p + x->open + (int)(p - array);")
        self.complains("banned", "safe.h is listed and needs it no more")
        self.body("return CONTAINER_OF(p, struct x, open)->open + array[i];")
        self.silent("banned")

    def test_bare_pointers(self):
        for statement in ("return p[i];", "return *(p + i);", "return *(i + p);", "p++;", "--p;", "p += i;", "p -= 1;",
                          "return *(array + i);", "return (&array[0])[i];", "return *(s.data + i);", "p = (int *)(size_t)i;",
                          "return ((int *)t)[i];", "return *(p - 1);"):
            with self.subTest(statement):
                self.body(statement)
                self.complains("banned", "kernel/bad.c:10:")

    def test_unsafe_regions_need_the_list(self):
        self.body("UNSAFE_BEGIN\n    return p[i];\n    UNSAFE_END")
        self.complains("banned", "kernel/bad.c:10: UNSAFE in a file that")
        self.write("host/check/unsafe-files.txt", "kernel/bad.c # reason\n")
        self.silent("banned")
        self.body("UNSAFE_BEGIN\n    (void)p[i];\n    UNSAFE_END\n    return p[i];")
        self.complains("banned", "kernel/bad.c:13:")
        self.body("UNSAFE_BEGIN\n    return p[i];")
        self.complains("banned", "UNSAFE_BEGIN without UNSAFE_END")

    def test_lists_shrink(self):
        self.write("host/check/unsafe-files.txt", "kernel/gone.c\n")
        self.write("host/check/memory-files.txt", "kernel/gone.c\n")
        self.write("host/check/no-tsa-files.txt", "kernel/gone.c\n")
        self.body("return 1;")
        complaints = checks.run("banned", self.root)
        self.assertEqual(len([c for c in complaints if "needs it no more" in c]), 3, complaints)

    def test_memory_functions(self):
        self.write("host/check/unsafe-files.txt", "")
        for statement in ("memcpy(p, array, 4);", "__builtin_memset(p, 0, 4);", "return (int)strlen((char *)p);"):
            self.body(statement)
            self.complains("banned", "kernel/bad.c:10:", "memory-files.txt")
        self.write("host/check/memory-files.txt", "kernel/bad.c\n")
        self.silent("banned")

    def test_no_thread_safety_analysis(self):
        self.write("host/check/unsafe-files.txt", "")
        self.body("return 1;", "int quiet(void) NO_TSA;\n")
        self.complains("banned", "kernel/bad.c:4: NO_TSA")
        self.write("host/check/no-tsa-files.txt", "kernel/bad.c\n")
        self.silent("banned")

    def test_private_fields(self):
        self.write("host/check/unsafe-files.txt", "")
        self.body("return x->hidden_;")
        self.complains("banned", "a private field of kernel/x.h")
        os.unlink(os.path.join(self.root, "kernel/bad.c"))
        self.body("return x->hidden_;", path="kernel/x.c")
        self.silent("banned")

    def test_every_variant_of_code_is_looked_at(self):
        self.write("host/check/unsafe-files.txt", "")
        for path in ("kernel/a.c", "lib/rt/a.c", "servers/s/a.c", "drivers/c/d/a.c", "posix/a.c", "fs/f/core/a.c"):
            self.body("return p[i];", path=path)
            self.complains("banned", f"{path}:10:")
            os.unlink(os.path.join(self.root, path))

    def test_what_cannot_be_parsed_is_a_complaint(self):
        self.write("host/check/unsafe-files.txt", "")
        self.write("kernel/bad.c", "int f( {\n")
        self.complains("banned", "clang-query: ")


class Builds(Seeded):
    def setUp(self):
        super().setUp()
        self.with_build()

    def test_warnings(self):
        self.write("kernel/a.c", "int f(void);\nint f(void) {\n    return 1;\n}\n")
        self.silent("warnings")
        self.write("kernel/a.c", "int f(long x);\nint f(long x) {\n    return x;\n}\n")
        self.complains("warnings", "kernel/a.c:3", "PROFILE=debug")

    def test_headers(self):
        self.write("abi/a.h", "#pragma once\n#include <stdint.h>\nstruct s {\n    uint32_t a;\n};\n")
        self.silent("headers")
        self.write("abi/a.h", "#pragma once\nstruct s {\n    uint32_t a;\n};\n")
        self.complains("headers", "abi/a.h: cannot be included alone")

    def test_writable_globals(self):
        self.write("servers/log/main.c", "static const int table[] = {1, 2};\nstatic const int *const at[] = {&table[1]};\n"
                   "int server_main(unsigned i);\nint server_main(unsigned i) {\n    return *at[i];\n}\n")
        self.silent("globals")
        for line, section in (("int counter;", ".bss"), ("int counter = 1;", ".data"), ("static int counter = 7;\nint *c(void);\nint *c(void) {\n    return &counter;\n}", ".data")):
            self.write("servers/log/bad.c", line + "\n")
            self.complains("globals", f"servers/log/bad.c: writable data in {section}")

    def test_recursion(self):
        script = "SECTIONS { .text : { *(.text .text.*) } .rodata : { *(.rodata*) } /DISCARD/ : { *(.comment .note* .debug* .kcfi*) } }\n"
        self.write("kernel/arch/x86_64/kernel.ld", "ENTRY(f)\n" + script.replace("*(.text .text.*)", "KEEP(*(.text .text.*))"))
        self.write("kernel/a.c", "int f(int n);\nint f(int n) {\n    return n ? 2 : 1;\n}\n")
        self.silent("recursion")
        self.write("kernel/a.c", "int f(int n);\nint g(int n);\n[[gnu::noinline]] int g(int n) {\n    return f(n / 2) + f(n / 3);\n}\n"
                   "[[gnu::noinline]] int f(int n) {\n    return n ? g(n - 1) + 1 : 1;\n}\n")
        self.complains("recursion", "recursion: f -> g -> f")

    def test_segments(self):
        script = "PHDRS { all PT_LOAD FLAGS(%d); }\nENTRY(f)\nSECTIONS { .text : { KEEP(*(.text .text.*)) } :all /DISCARD/ : { *(.comment .note* .debug* .kcfi*) } }\n"
        self.write("kernel/a.c", "int f(void);\nint f(void) {\n    return 1;\n}\n")
        self.write("kernel/arch/x86_64/kernel.ld", script % 5)
        self.silent("segments")
        self.write("kernel/arch/x86_64/kernel.ld", script % 7)
        self.complains("segments", "kernel.elf: the segment at", "writable and executable")

    def test_analyser(self):
        self.write("kernel/a.c", "int f(int *_Nullable p, int n);\nint f(int *_Nullable p, int n) {\n    return p ? *p : n;\n}\n")
        self.silent("analyser")
        self.write("kernel/a.c", "int f(int *_Nullable p, int n);\nint f(int *_Nullable p, int n) {\n    if (p) {\n        n++;\n    }\n    return *p + n;\n}\n")
        self.complains("analyser", "kernel/a.c:6")


class Graph(unittest.TestCase):
    def test_cycles_are_found_in_any_graph(self):
        self.assertEqual(builds.cycles({"a": {"b"}, "b": {"c"}, "c": set()}), [])
        self.assertEqual(builds.cycles({"a": {"a"}}), [["a"]])
        self.assertEqual(builds.cycles({"a": {"b", "d"}, "b": {"c"}, "c": {"b"}, "d": {"b"}}), [["b", "c"]])


    def test_the_shortest_way_round_is_told(self):
        graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"b"}}
        self.assertEqual(builds.shortest_cycle(graph, ["a", "b", "c", "d"]), ["b", "d", "b"])
        self.assertEqual(builds.shortest_cycle({"a": {"a"}}, ["a"]), ["a", "a"])


class Size(Seeded):
    def test_what_counts_as_a_line(self):
        self.assertEqual(size.counted_lines('int a; // x\n\n/* one\n two */\nint b; /* c */\nchar *s = "/* no */";\n  // d\n'), 3)

    def test_what_counts_as_the_kernel(self):
        for path in ("kernel/ipc/a.c", "kernel/ipc/a_test.c", "kernel/arch/sim/b.c", "kernel/arch/x86_64/c.S", "lib/base/d.c", "lib/rt/e.c", "servers/f.c"):
            self.write(path, "int a;\nint b;\n")
        counts = size.by_file(Tree(self.root))
        self.assertEqual(counts, {"kernel/ipc/a.c": 2, "kernel/arch/x86_64/c.S": 2, "lib/base/d.c": 2})
        self.assertEqual(size.by_folder(counts)["kernel/ipc"], 2)

    def test_lines_cannot_be_saved_by_writing_them_together(self):
        self.write(".clang-format", Tree(ROOT).read(".clang-format"))
        self.write("kernel/a.c", "int f(void) { int a = 1; int b = 2; return a + b; }\n")
        self.assertEqual(size.total(Tree(self.root)), 5)

    def test_too_much_is_a_complaint(self):
        self.write("kernel/a.c", "int a;\n" * size.LIMIT)
        self.silent("size")
        self.write("kernel/a.c", "int a;\n" * (size.LIMIT + 1))
        self.complains("size", "10,001 lines")

    def test_the_debug_shell_counts_apart_unless_it_ships(self):
        for path in ("kernel/a.c", "kernel/debug/shell_a.c", "kernel/debug/shell_b.c", "kernel/debug/log.c"):
            self.write(path, "int a;\n")
        self.assertEqual(size.files(Tree(self.root)), ["kernel/a.c", "kernel/debug/log.c"])
        self.assertEqual(size.files(Tree(self.root), debug=True), ["kernel/debug/shell_a.c", "kernel/debug/shell_b.c"])
        self.write("build/x86_64-release/kernel/kernel/debug/shell_b.c.o", "linked")
        self.assertEqual(size.files(Tree(self.root)), ["kernel/a.c", "kernel/debug/log.c", "kernel/debug/shell_b.c"])
        self.assertEqual(size.files(Tree(self.root), debug=True), ["kernel/debug/shell_a.c"])

    def test_only_the_linked_part_of_the_library_counts_after_a_build(self):
        self.write("kernel/a.c", "int a;\n")
        self.write("lib/base/used.h", "int u;\n")
        self.write("lib/base/unused.c", "int x;\n")
        self.write("build/x86_64-release/kernel/kernel/a.c.d", "x.o: kernel/a.c \\\n  ./lib/base/used.h abi/y.h\n")
        self.assertEqual(size.files(Tree(self.root)), ["kernel/a.c", "lib/base/used.h"])


if __name__ == "__main__":
    unittest.main()
