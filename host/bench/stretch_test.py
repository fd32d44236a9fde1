#!/usr/bin/env python3
# needs: kernel native-tests
"""The instrument behind `./isotope bench interrupts_off`: what it reports is a whole, plausible stretch of the kernel, and
it does see a long one."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stretch  # noqa: E402

KERNEL = os.path.join(stretch.ROOT, "build/x86_64-release/kernel.elf")
IMAGE = os.path.join(stretch.ROOT, "build/x86_64-release/native/basics.img")


class Stretch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found, cls.entries = stretch.run(KERNEL, IMAGE, report=1000)

    def test_there_are_entries_and_only_long_ones_are_reported(self):
        self.assertGreater(self.entries, 100)
        self.assertGreater(len(self.found), 2)
        self.assertLess(len(self.found), self.entries)
        self.assertTrue(all(length >= 1000 for length, _ in self.found), self.found[-1][0])

    def test_the_longest_is_the_longest_and_booting_is_none(self):
        self.assertEqual(self.found[0][0], self.found[1][0])  # as `longest` and as `stretch`
        names = {name for _, addresses in self.found for name, _ in stretch.Symbols(KERNEL).shares(addresses)}
        self.assertFalse({"paging_init", "boot_main", "acpi_read"} & names, names)

    def test_samples_are_addresses_of_the_kernel_from_entry_to_end(self):
        symbols = stretch.Symbols(KERNEL)
        for length, addresses in self.found:
            self.assertEqual(len(addresses), min(4096, (length + 63) // 64))
            self.assertTrue(all(symbols.addresses[0] <= at for at in addresses))
            first = symbols.shares(addresses[:1])[0][0]
            self.assertIn(first, ("entry_syscall", "stubs", "entry_stub_code", "entry_trap"))

    def test_the_idle_loop_is_known(self):
        self.assertGreaterEqual(len(stretch.idle_addresses(KERNEL)), 1)

    def test_groups_are_by_what_a_stretch_is_spent_in(self):
        class Fixed:
            @staticmethod
            def shares(addresses):
                return [(name, 1) for name in addresses]
        found = [(9, ["a", "b", "c"]), (7, ["x"]), (5, ["a", "b"])]
        self.assertEqual(stretch.groups(Fixed, found), {"a and b": [9, 5], "x": [7]})


if __name__ == "__main__":
    unittest.main()
