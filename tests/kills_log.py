"""What a system log says of the kills of `./isotope exec --kills` (servers/supervisor/kills.c)."""
import collections
import os
import re

LINE = re.compile(r"kill (\d+): ([a-z0-9-]+)(?:, (\d+) calls in hand, (\d+) parked)?")


def read(path):
    """(number of kills, how many found a call in hand or parked, {service: kills})."""
    if not os.path.exists(path):
        return 0, 0, {}
    with open(path, encoding="utf-8", errors="replace") as file:
        found = [match for line in file if (match := LINE.search(line))]
    met = sum(1 for match in found if match[3] and int(match[3]) > 0)
    return len(found), met, dict(collections.Counter(match[2] for match in found))


def complaints(path):
    """What is wrong with a run under kills: none at all, or too few that found a call."""
    kills, met, _ = read(path)
    if kills == 0:
        return ["  nobody was killed"]
    return [] if 2 * met >= kills else [f"  of {kills} kills only {met} found a call in hand"]
