"""A model of a VT100 with what busybox, vi, top and less send besides: a grid, a cursor, a scroll
region and answers to status requests.

Invariants: the cursor is inside the grid; writing in the last column leaves the cursor there with a
wrap pending (as the hardware did), which the next character carries out; a sequence that is not
known is kept in `unknown`, so that a test can insist on there being none; `steps` counts the characters
and sequences carried out."""
import codecs


class Screen:
    """A terminal's screen: `feed` it bytes, read `lines()`, send what `answers` holds."""

    def __init__(self, rows=24, columns=80):
        self.rows, self.columns = rows, columns
        self.unknown = []
        self.steps = 0
        self.answers = b""
        self.title = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._reset()

    def _reset(self):
        self.grid = [self._blank() for _ in range(self.rows)]
        self.row = self.column = 0
        self.wrap_pending = False
        self.top, self.bottom = 0, self.rows - 1
        self.saved = (0, 0)
        self.other_grid = None
        self.inverse = False

    def _blank(self):
        return [" "] * self.columns

    def resize(self, rows, columns):
        """Changes the size, as a window does: what no longer fits goes from the top and the right."""
        while len(self.grid) > rows and self.row < len(self.grid) - 1:
            self.grid.pop()
        while len(self.grid) > rows:
            self.grid.pop(0)
            self.row -= 1
        self.grid = [(line + [" "] * columns)[:columns] for line in self.grid]
        self.grid += [[" "] * columns for _ in range(rows - len(self.grid))]
        self.rows, self.columns = rows, columns
        self.top, self.bottom = 0, rows - 1
        self.row = max(0, min(self.row, rows - 1))
        self.column = min(self.column, columns - 1)
        self.wrap_pending = False

    def lines(self):
        """The rows as text, without the blanks at their ends."""
        return ["".join(line).rstrip() for line in self.grid]

    def text(self):
        """The whole screen as text, with the cursor's place: what is compared with a recorded one."""
        lines = self.lines()
        while lines and not lines[-1]:
            lines.pop()
        return "\n".join([*lines, f"-- cursor {self.row + 1},{self.column + 1} "
                          f"of {self.rows}x{self.columns}", ""])

    def feed(self, data):
        """Takes what the other side wrote."""
        self._pending += self._decoder.decode(data)
        while self._pending:
            used = self._step(self._pending)
            if used == 0:
                return
            self._pending = self._pending[used:]
            self.steps += 1

    def _step(self, text):
        """Carries out the first character or sequence; its length, 0 when it is not complete."""
        first = text[0]
        if first == "\x1b":
            return self._escape(text)
        if first < " " or first == "\x7f":
            self._control(first)
        else:
            self._put(first)
        return 1

    def _control(self, character):
        if character == "\r":
            self.column = 0
        elif character in "\n\v\f":
            self._line_feed()
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character == "\t":
            self.column = min(self.columns - 1, (self.column // 8 + 1) * 8)
        elif character not in "\a\0\x0e\x0f\x7f":
            self.unknown.append(repr(character))
        self.wrap_pending = False if character in "\r\n\b\t" else self.wrap_pending

    def _put(self, character):
        if self.wrap_pending:
            self.column = 0
            self._line_feed()
            self.wrap_pending = False
        self.grid[self.row][self.column] = character
        if self.column == self.columns - 1:
            self.wrap_pending = True
        else:
            self.column += 1

    def _line_feed(self):
        if self.row == self.bottom:
            self._scroll(self.top, self.bottom, 1)
        elif self.row < self.rows - 1:
            self.row += 1

    def _scroll(self, top, bottom, count):
        """Moves the rows from `top` to `bottom` up by `count`, down where it is negative."""
        for _ in range(min(abs(count), bottom - top + 1)):
            if count > 0:
                del self.grid[top]
                self.grid.insert(bottom, self._blank())
            else:
                del self.grid[bottom]
                self.grid.insert(top, self._blank())

    def _escape(self, text):
        if len(text) < 2:
            return 0
        kind = text[1]
        if kind == "[":
            return self._control_sequence(text)
        if kind == "]":
            end = text.find("\a")
            self.title = text[2:end] if end > 0 else self.title
            return end + 1
        if kind in "()#":
            return 3 if len(text) >= 3 else 0
        self.wrap_pending = False
        if kind == "7":
            self.saved = (self.row, self.column)
        elif kind == "8":
            self.row, self.column = self.saved
        elif kind == "D":
            self._line_feed()
        elif kind == "E":
            self.column = 0
            self._line_feed()
        elif kind == "M":
            if self.row == self.top:
                self._scroll(self.top, self.bottom, -1)
            else:
                self.row = max(0, self.row - 1)
        elif kind == "c":
            self._reset()
        elif kind not in "=>":
            self.unknown.append(f"ESC {kind}")
        return 2

    def _control_sequence(self, text):
        end = 2
        while end < len(text) and not "@" <= text[end] <= "~":
            end += 1
        if end == len(text):
            return 0
        body, final = text[2:end], text[end]
        private = body[:1] in ("?", ">")
        fields = (body[1:] if private else body).split(";")
        numbers = [int(field) if field.isdigit() else 0 for field in fields]
        if private:
            self._private(body[0], final, numbers)
        else:
            self._sequence(final, numbers, text[:end + 1])
        return end + 1

    def _private(self, mark, final, numbers):
        if mark == "?" and final in "hl" and numbers[0] in (47, 1047, 1049):
            if final == "h" and self.other_grid is None:
                self.other_grid, self.grid = self.grid, [self._blank() for _ in range(self.rows)]
                self.saved = (self.row, self.column)
            elif final == "l" and self.other_grid is not None:
                self.grid, self.other_grid = self.other_grid, None
                self.row, self.column = self.saved
        elif mark == ">" and final == "c":
            self.answers += b"\x1b[>0;0;0c"
        elif final not in "hlrs":
            self.unknown.append(f"CSI {mark} {numbers} {final}")

    def _sequence(self, final, numbers, whole):
        count = max(1, numbers[0])
        if final != "m":
            self.wrap_pending = False
        if final in "ABCDEFGHdf`":
            self._move(final, count, numbers)
        elif final in "JK":
            self._erase(final, numbers[0])
        elif final in "LMPX@ST":
            self._shift(final, count)
        elif final == "r":
            self.top = count - 1
            self.bottom = (numbers[1] if len(numbers) > 1 and numbers[1] else self.rows) - 1
            self.row = self.column = 0
        elif final == "n" and numbers[0] == 6:
            self.answers += f"\x1b[{self.row + 1};{self.column + 1}R".encode()
        elif final == "n" and numbers[0] == 5:
            self.answers += b"\x1b[0n"
        elif final == "c":
            self.answers += b"\x1b[?1;2c"
        elif final == "s":
            self.saved = (self.row, self.column)
        elif final == "u":
            self.row, self.column = self.saved
        elif final == "m":
            self.inverse = 7 in numbers or (self.inverse and 0 not in numbers)
        elif final not in "hlgt":
            self.unknown.append(repr(whole))

    def _move(self, final, count, numbers):
        if final == "A":
            self.row = max(self.top if self.row >= self.top else 0, self.row - count)
        elif final == "B":
            self.row = min(self.bottom if self.row <= self.bottom else self.rows - 1,
                           self.row + count)
        elif final == "C":
            self.column += count
        elif final == "D":
            self.column -= count
        elif final in "EF":
            self.column = 0
            self.row += count if final == "E" else -count
        elif final in "G`":
            self.column = count - 1
        elif final == "d":
            self.row = count - 1
        else:
            self.row = count - 1
            self.column = max(1, numbers[1] if len(numbers) > 1 else 1) - 1
        self.row = max(0, min(self.rows - 1, self.row))
        self.column = max(0, min(self.columns - 1, self.column))

    def _erase(self, final, what):
        line = self.grid[self.row]
        if what == 0:
            line[self.column:] = [" "] * (self.columns - self.column)
        elif what == 1:
            line[:self.column + 1] = [" "] * (self.column + 1)
        else:
            line[:] = self._blank()
        if final == "J":
            first, last = {0: (self.row + 1, self.rows), 1: (0, self.row)}.get(what, (0, self.rows))
            for row in range(first, last):
                self.grid[row] = self._blank()

    def _shift(self, final, count):
        line = self.grid[self.row]
        if final == "L" and self.top <= self.row <= self.bottom:
            self._scroll(self.row, self.bottom, -count)
        elif final == "M" and self.top <= self.row <= self.bottom:
            self._scroll(self.row, self.bottom, count)
        elif final == "S":
            self._scroll(self.top, self.bottom, count)
        elif final == "T":
            self._scroll(self.top, self.bottom, -count)
        elif final == "P":
            del line[self.column:self.column + count]
            line += [" "] * (self.columns - len(line))
        elif final == "@":
            line[self.column:self.column] = [" "] * count
            del line[self.columns:]
        elif final == "X":
            end = min(self.columns, self.column + count)
            line[self.column:end] = [" "] * (end - self.column)
