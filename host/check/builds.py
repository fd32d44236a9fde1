"""Checks that compile, link or read what was compiled."""

import os
import re
from concurrent.futures import ThreadPoolExecutor

import banned


def formatted(tree):
    """All C of ours is as clang-format-22 writes it."""
    files = [f for f in tree.ending(".c", ".h") if not f.startswith("tests/check/")]
    complaints = []
    for start in range(0, len(files), 100):
        done = tree.run("clang-format-22", "--dry-run", "-Werror", "--ferror-limit=1", *files[start : start + 100])
        complaints += [line.replace("code should be clang-formatted", "not formatted (./isotope fmt)")
                       for line in done.stdout.splitlines() if ": error: " in line]
        if done.returncode != 0 and not complaints:
            complaints.append(f"clang-format: {done.stdout.strip()}")
    return complaints


def _errors(output):
    """The compiler's and make's errors, or all of it if there are none to be seen."""
    lines = [line for line in output.splitlines() if re.search(r": (fatal )?error: |^ld\.lld|: undefined ", line)]
    lines = lines or [line for line in output.splitlines() if "*** " in line]
    return list(dict.fromkeys(lines)) or output.splitlines()[-20:]


def _make(tree, *arguments):
    # One make at a time: tests that run beside this check build, too.
    os.makedirs(os.path.join(tree.root, "build"), exist_ok=True)
    done = tree.run("flock", "build/.make", "make", "-k", f"-j{os.cpu_count()}", *arguments)
    return [] if done.returncode == 0 else [f"make {' '.join(arguments)}: {line}" for line in _errors(done.stdout)]


def warnings(tree):
    """Everything builds in both profiles and all variants, where any warning is an error."""
    return _make(tree, "everything") + _make(tree, "all", "PROFILE=debug")


def headers(tree):
    """Each header can be included alone, before anything else."""
    variants = [*banned.VARIANTS, ("server", ("abi/", "boot/"))]

    def compile_alone(job):
        path, arguments = job
        done = tree.run("clang-22", *arguments, "-fsyntax-only", "-Wno-unused-function", "-x", "c", "-include", path, "/dev/null")
        return [] if done.returncode == 0 else [f"{path}: cannot be included alone: {line}" for line in _errors(done.stdout)[:3]]

    jobs = []
    for variant, prefixes in variants:
        arguments = [f for f in banned.flags(tree, variant) if f != "-MMD"]
        for path in tree.ending(".h"):
            if path.startswith(prefixes):
                host_only = path.endswith("/test.h") or "/sim/" in path or "/fuse/" in path
                fuse = ["-isystem", "/usr/include/fuse3", "-D_FILE_OFFSET_BITS=64"] if "/fuse/" in path else []
                jobs.append((path, [*banned.flags(tree, "host"), *fuse] if host_only else arguments))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [text for texts in pool.map(compile_alone, jobs) for text in texts]


def writable_sections(sections):
    """Names of sections with writable data in the output of llvm-readelf --sections. What is only relocated
    (.data.rel.ro) is constant in a program at a fixed base."""
    for line in sections.splitlines():
        found = re.match(r"\s*\[\s*\d+\] (\S+)\s+(\S+)\s+[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) \d+\s+(\w*)", line)
        if found and "W" in found[4] and "A" in found[4] and int(found[3], 16) > 0 \
                and not found[1].startswith((".data.rel.ro", ".init_array")):
            yield found[1]


def writable_globals(tree):
    """Servers, drivers and the libraries that they link have no writable data."""
    complaints = _make(tree, "programs")
    for path in tree.run("make", "-s", "list-target-objects", check=True).stdout.split():
        if path.endswith(".o") and os.path.exists(os.path.join(tree.root, path)):
            done = tree.run("llvm-readelf-22", "--sections", "--wide", path, check=True)
            source = re.sub(r"^build/[^/]+/server/(.*)\.o$", r"\1", path)
            complaints += [f"{source}: writable data in {name}" for name in writable_sections(done.stdout)]
    return complaints


def call_graph(disassembly):
    """function -> functions that it calls or jumps to, from llvm-objdump's text."""
    graph, current = {}, None
    for line in disassembly.splitlines():
        if found := re.match(r"[0-9a-f]+ <([^>+]+)>:$", line):
            current = graph.setdefault(found[1], set())
        elif current is not None and (found := re.search(r"\t(?:call|j\w+)q?\s+0x[0-9a-f]+ <([^>+]+)>", line)):
            current.add(found[1])
        elif current is not None and (found := re.search(r"\tcallq?\s+0x[0-9a-f]+ <([^>+]+)\+0x", line)):
            current.add(found[1])
    return graph


def cycles(graph):
    """Sets of functions that can reach themselves (strongly connected components; no recursion here either)."""
    index, low, stack, on_stack, result, counter = {}, {}, [], set(), [], 0
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(sorted(graph.get(root, ()))))]
        index[root] = low[root] = counter
        counter += 1
        stack.append(root)
        on_stack.add(root)
        while work:
            node, edges = work[-1]
            step = next((e for e in edges if e in graph), None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = set()
                    while node not in group:
                        group.add(stack.pop())
                    on_stack -= group
                    if len(group) > 1 or node in graph[node]:
                        result.append(sorted(group))
            elif step not in index:
                index[step] = low[step] = counter
                counter += 1
                stack.append(step)
                on_stack.add(step)
                work.append((step, iter(sorted(graph.get(step, ())))))
            elif step in on_stack:
                low[node] = min(low[node], index[step])
    return result


def images(tree):
    """The linked kernel and programs, with what could not be linked."""
    complaints = _make(tree, "kernel", "programs", "posix")
    folder = "build/x86_64-release"
    paths = [f"{folder}/kernel.elf", f"{folder}/posix.elf"]
    if os.path.isdir(os.path.join(tree.root, folder, "programs")):
        paths += [f"{folder}/programs/{name}" for name in sorted(os.listdir(os.path.join(tree.root, folder, "programs")))]
    return [path for path in paths if os.path.exists(os.path.join(tree.root, path))], complaints


def bad_segments(headers):
    """Loaded segments that are writable and executable, in the output of llvm-readelf --segments."""
    for line in headers.splitlines():
        found = re.match(r"\s*LOAD\s+0x\w+ (0x\w+) 0x\w+ 0x\w+ (0x\w+) (.{3}) ", line)
        if found and "W" in found[3] and "E" in found[3] and int(found[2], 16) > 0:
            yield found[1]


def segments(tree):
    """No part of an image is writable and executable at once."""
    paths, complaints = images(tree)
    for path in paths:
        done = tree.run("llvm-readelf-22", "--segments", "--wide", path, check=True)
        complaints += [f"{path}: the segment at {at} is writable and executable" for at in bad_segments(done.stdout)]
    return complaints


def shortest_cycle(graph, group):
    """One way round within a group, as short as there is."""
    best = None
    for start in group:
        came, queue = {start: None}, [start]
        for node in queue:
            for called in sorted(graph[node] & set(group)):
                if called == start:
                    way = [start]
                    while node is not None:
                        way.append(node)
                        node = came[node]
                    if best is None or len(way) < len(best):
                        best = way[::-1]
                    break
                if called not in came:
                    came[called] = node
                    queue.append(called)
            else:
                continue
            break
    return best


# These end the program or the machine: whoever calls them is not gone through again.
ENDINGS = {"__stack_chk_fail", "check_failed"}


def recursion(tree):
    """No function of the kernel, of a server or of a driver can call itself. Jumps back to a function's own
    first instruction are loops of assembly, and calls through pointers are not seen."""
    paths, complaints = images(tree)
    for image in paths:
        text = tree.run("llvm-objdump-22", "-d", "--no-show-raw-insn", image, check=True).stdout
        graph = call_graph(text)
        for name, called in graph.items():
            called -= ENDINGS
            if not re.search(rf"\tcallq?\s+0x[0-9a-f]+ <{re.escape(name)}>", text):
                called.discard(name)
        complaints += [f"{image}: recursion: {' -> '.join(shortest_cycle(graph, group))}"
                       f"{f' (one way round among {len(group)} functions)' if len(group) > 2 else ''}" for group in cycles(graph)]
    return complaints


def analyser(tree):
    """clang's static analyser has nothing to say."""
    return _make(tree, "analyse")
