#!/usr/bin/env python3
"""Tests of the screen model: each sequence, by what it leaves on a small screen."""
import sys
import unittest

from screen import Screen


def shown(data, rows=3, columns=6):
    """The rows after these bytes."""
    screen = Screen(rows, columns)
    screen.feed(data)
    return screen.lines()


class ScreenTest(unittest.TestCase):
    def test_wrap_is_deferred(self):
        screen = Screen(3, 4)
        screen.feed(b"abcd")
        self.assertEqual((screen.row, screen.column), (0, 3))
        screen.feed(b"e")
        self.assertEqual(screen.lines(), ["abcd", "e", ""])

    def test_carriage_return_cancels_wrap(self):
        self.assertEqual(shown(b"abcdef\rX", 3, 6), ["Xbcdef", "", ""])

    def test_scrolls_at_the_bottom(self):
        self.assertEqual(shown(b"1\r\n2\r\n3\r\n4"), ["2", "3", "4"])

    def test_position_and_erase(self):
        self.assertEqual(shown(b"abcdef\x1b[1;3H\x1b[K"), ["ab", "", ""])
        self.assertEqual(shown(b"abcdef\x1b[1;3H\x1b[1K"), ["   def", "", ""])
        self.assertEqual(shown(b"a\r\nb\r\nc\x1b[2;1H\x1b[J"), ["a", "", ""])
        self.assertEqual(shown(b"a\r\nb\r\nc\x1b[2J"), ["", "", ""])

    def test_insert_and_delete(self):
        self.assertEqual(shown(b"a\r\nb\r\nc\x1b[1;1H\x1b[L"), ["", "a", "b"])
        self.assertEqual(shown(b"a\r\nb\r\nc\x1b[1;1H\x1b[M"), ["b", "c", ""])
        self.assertEqual(shown(b"abc\x1b[1;2H\x1b[P"), ["ac", "", ""])
        self.assertEqual(shown(b"abc\x1b[1;2H\x1b[2@"), ["a  bc", "", ""])

    def test_scroll_region(self):
        self.assertEqual(shown(b"1\r\n2\r\n3\x1b[1;2r\x1b[2;1H\n"), ["2", "", "3"])
        self.assertEqual(shown(b"1\r\n2\r\n3\x1b[1;1H\x1bM"), ["", "1", "2"])

    def test_sequences_in_pieces(self):
        screen = Screen(2, 6)
        for byte in "\x1b[2;3Hé".encode():
            screen.feed(bytes([byte]))
        self.assertEqual(screen.lines(), ["", "  é"])

    def test_answers_where_the_cursor_is(self):
        screen = Screen(24, 80)
        screen.feed(b"\x1b[999;999H\x1b[6n")
        self.assertEqual(screen.answers, b"\x1b[24;80R")

    def test_other_screen(self):
        self.assertEqual(shown(b"keep\x1b[?1049hgone\x1b[?1049l"), ["keep", "", ""])

    def test_unknown_is_kept(self):
        screen = Screen()
        screen.feed(b"\x1b[5y\x1bZ")
        self.assertEqual(len(screen.unknown), 2)

    def test_resize(self):
        screen = Screen(3, 6)
        screen.feed(b"1\r\n2\r\n3")
        screen.resize(2, 4)
        self.assertEqual(screen.lines(), ["2", "3"])


if __name__ == "__main__":
    result = unittest.TextTestRunner(verbosity=1).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(ScreenTest))
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
