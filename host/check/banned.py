"""Constructs that our code may not use (docs/safety.md), found by clang-query's matchers.

  pointer     indexing or arithmetic on a bare pointer, and casts from numbers to pointers: only between UNSAFE_BEGIN
              and UNSAFE_END, in the files of unsafe-files.txt
  memory      memcpy and its like: only in the files of memory-files.txt
  no-tsa      NO_TSA: only in the files of no-tsa-files.txt
  private     a field whose name ends in _ : only in the file that declares it and its twin (x.h and x.c)
Lists are in host/check/; a file that is listed and needs it no more is a complaint, so that lists shrink."""

import os
import re
from concurrent.futures import ThreadPoolExecutor

BASE = '.bind("base")'
POINTER_TYPED = "hasType(hasCanonicalType(pointerType()))"
INTEGER_TYPED = "hasType(hasCanonicalType(isInteger()))"
DECAYED = 'implicitCastExpr(hasCastKind("CK_ArrayToPointerDecay"))'
MATCHERS = {
    # base[i] where base is no array; one that is counted_by is checked at run time
    "subscript": (f'arraySubscriptExpr(hasBase(expr(unless({DECAYED})){BASE}))',),
    "pointer": (
        # p + i, i + p, p - i, p += i, p -= i
        f'binaryOperator(hasAnyOperatorName("+", "-", "+=", "-="), hasLHS(expr({POINTER_TYPED}){BASE}), '
        f'hasRHS(expr({INTEGER_TYPED})))',
        f'binaryOperator(hasOperatorName("+"), hasRHS(expr({POINTER_TYPED}){BASE}))',
        f'unaryOperator(hasAnyOperatorName("++", "--"), hasUnaryOperand(expr({POINTER_TYPED}){BASE}))',
        f'cStyleCastExpr(hasCastKind("CK_IntegralToPointer")){BASE}',
    ),
    "memory": (
        'callExpr(callee(functionDecl(hasAnyName("memcpy", "memmove", "memset", "memcmp", "memchr", "bcopy", "bzero", '
        '"strcpy", "strncpy", "strcat", "strncat", "strlen", "strcmp", "strncmp", "sprintf", "alloca", "__builtin_memcpy", '
        '"__builtin_memmove", "__builtin_memset", "__builtin_memcmp", "__builtin_memcpy_inline", "__builtin_memset_inline", '
        f'"__builtin_strlen", "__builtin_alloca")))){BASE}',
    ),
    "private": (f'memberExpr(member(fieldDecl(matchesName("[a-z0-9]_$")).bind("declaration"))){BASE}',),
}
# Which code, compiled how. Ordinary programs (tools, host, tests) are confined by their process.
VARIANTS = (("kernel", ("kernel/",)), ("server", ("lib/", "servers/", "drivers/")), ("posix", ("posix/",)),
            ("host", ("fs/",)))
# Folders of code that the lists bind.
OURS = ("abi/", *(prefix for _, prefixes in VARIANTS for prefix in prefixes))
LISTS = {"pointer": "unsafe-files.txt", "memory": "memory-files.txt", "no-tsa": "no-tsa-files.txt"}
BATCH = 24
NOTE = re.compile(r'^(\S+?):(\d+):(\d+): note: "(base|declaration)" binds here')
EXPANDED = re.compile(r"^(\S+?):(\d+):\d+: note: expanded from macro '(\w+)'")
CHECKED_TYPE = re.compile(r"__(counted|sized)_by(_or_null)?\(")


def sources(tree, prefixes):
    """Files of these folders that are code of ours on the machine."""
    return [f for f in tree.ending(".c") if f.startswith(prefixes) and not f.endswith(("_test.c", "_fuzz.c"))
            and not re.search(r"/(sim|tests|fuse|tools|mkfs|check|nucleus/host)/", f)]


def unsafe_lines(text):
    """Numbers of the lines between UNSAFE_BEGIN and UNSAFE_END; complaints about those that do not match."""
    inside, lines, wrong = None, set(), []
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*#\s*define\b", line):
            continue
        if re.search(r"\bUNSAFE_BEGIN\b", line):
            if inside:
                wrong.append((number, "UNSAFE_BEGIN inside another"))
            inside = number
        if inside:
            lines.add(number)
        if re.search(r"\bUNSAFE_END\b", line):
            if not inside:
                wrong.append((number, "UNSAFE_END without UNSAFE_BEGIN"))
            inside = None
    if inside:
        wrong.append((inside, "UNSAFE_BEGIN without UNSAFE_END"))
    return lines, wrong


def flags(tree, variant):
    """The build's flags where the tree has a build; otherwise those that parsing needs."""
    if "Makefile" in tree.files:
        words = tree.run("make", "-s", "print-flags", f"VARIANT={variant}", check=True).stdout.split("\n")
        return [w for w in words if w and w != "-Werror" and not w.startswith(("-W", "-O", "-fsanitize"))] + ["-w"]
    return ["-std=gnu23", "-I.", "-fexperimental-late-parse-attributes", "-fno-builtin", "-w"]


class Finding:
    """One match: where it is bound, where macros expanded it, the type of what is bound."""

    def __init__(self, path, line, column):
        self.path, self.line, self.column = path, line, column
        self.macros = []  # (file, line, name)
        self.declared = None
        self.dump = ""


def relative(path, root):
    return os.path.relpath(path, root) if os.path.isabs(path) else os.path.normpath(path)


def parse_findings(output, root):
    """The findings in the output of one run of clang-query with one matcher."""
    findings, current = [], None
    for line in output.splitlines():
        if line.startswith("Match #"):
            current = None
        elif found := NOTE.match(line):
            path = relative(found[1], root)
            if found[4] == "base":
                current = Finding(path, int(found[2]), int(found[3]))
                findings.append(current)
            elif current:
                current.declared = path
        elif (found := EXPANDED.match(line)) and current:
            path = relative(found[1], root)
            current.macros.append((path, int(found[2]), found[3]))
        elif line.startswith('Binding for "base"') and current:
            current.dump = "next"
        elif current and current.dump == "next":
            current.dump = line
    return findings


def run_matcher(tree, files, arguments, matcher):
    text = f"set output diag\nenable output dump\nset bind-root false\nmatch {matcher}\n"
    commands = [part for line in text.splitlines() for part in ("-c", line)]
    done = tree.run("clang-query-22", *commands, *files, "--", *arguments)
    broken = [line for line in done.stdout.splitlines() if re.search(r": (fatal )?error: |Error (parsing|building)", line)]
    return parse_findings(done.stdout, tree.root), broken


class Judge:
    """Decides which findings are complaints, and which entries of the lists were needed."""

    def __init__(self, tree):
        self.tree = tree
        self.listed = {kind: set(tree.list_file(name)) for kind, name in LISTS.items()}
        self.used = {kind: set() for kind in LISTS}
        self._regions = {}
        self._seen = set()

    def region(self, path):
        if path not in self._regions:
            self._regions[path] = unsafe_lines(self.tree.read(path))[0] if path in self.tree.files else set()
        return self._regions[path]

    def _excused_pointer(self, finding):
        """In a region, or spelled by a macro that stands in a listed file."""
        places = [(finding.path, finding.line), *((path, line) for path, line, _ in finding.macros)]
        for path, line in places:
            if path in self.listed["pointer"] and (line in self.region(path) or (path, line) != places[0]):
                self.used["pointer"].add(path)
                return True
        return False

    def complaint(self, kind, finding):
        key = (kind, finding.path, finding.line, finding.column)
        if key in self._seen or finding.path not in self.tree.files:
            return None
        self._seen.add(key)
        where = f"{finding.path}:{finding.line}:{finding.column}"
        if kind in ("subscript", "pointer"):
            checked = kind == "subscript" and CHECKED_TYPE.search(finding.dump)
            if checked or self._excused_pointer(finding):
                return None
            return f"{where}: indexing, arithmetic or a cast from a number on a bare pointer, outside UNSAFE"
        if kind == "memory":
            if finding.path in self.listed["memory"]:
                self.used["memory"].add(finding.path)
                return None
            return f"{where}: memcpy or its like outside the files of host/check/memory-files.txt"
        twin = os.path.splitext(finding.path)[0]
        if os.path.splitext(finding.declared or "")[0] == twin or (finding.declared or "") not in self.tree.files:
            return None
        # A macro that stands in the declaring file is that file's own.
        if any(os.path.splitext(path)[0] == os.path.splitext(finding.declared)[0] for path, _, _ in finding.macros):
            return None
        return f"{where}: a private field of {finding.declared}"


def textual(tree, judge):
    """What needs no parser: regions, and NO_TSA."""
    for path in tree.ending(".c", ".h"):
        if not path.startswith(OURS):
            continue
        text = tree.read(path)
        lines, wrong = unsafe_lines(text)
        yield from (f"{path}:{number}: {what}" for number, what in wrong)
        if lines and path not in judge.listed["pointer"]:
            yield f"{path}:{min(lines)}: UNSAFE in a file that host/check/unsafe-files.txt does not list"
        if lines and path in judge.listed["pointer"]:
            judge.used["pointer"].add(path)
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"\bNO_TSA\b|no_thread_safety_analysis", line) and not re.match(r"\s*#\s*define\b", line):
                if path in judge.listed["no-tsa"]:
                    judge.used["no-tsa"].add(path)
                else:
                    yield f"{path}:{number}: NO_TSA in a file that host/check/no-tsa-files.txt does not list"


def jobs(tree):
    for variant, prefixes in VARIANTS:
        files = sources(tree, prefixes)
        if not files:
            continue
        arguments = flags(tree, variant)
        for start in range(0, len(files), BATCH):
            for kind, matchers in MATCHERS.items():
                matcher = matchers[0] if len(matchers) == 1 else f"stmt(anyOf({', '.join(matchers)}))"
                yield kind, files[start : start + BATCH], arguments, matcher


def banned(tree):
    judge = Judge(tree)
    complaints = list(textual(tree, judge))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        work = [(kind, pool.submit(run_matcher, tree, files, arguments, matcher))
                for kind, files, arguments, matcher in jobs(tree)]
        for kind, future in work:
            findings, broken = future.result()
            complaints += (f"clang-query: {line}" for line in broken)
            complaints += filter(None, (judge.complaint(kind, finding) for finding in findings))
    for kind, name in LISTS.items():
        for path in sorted(judge.listed[kind] - judge.used[kind]):
            complaints.append(f"host/check/{name}: {path} is listed and needs it no more")
    return list(dict.fromkeys(complaints))
