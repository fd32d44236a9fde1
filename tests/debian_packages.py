"""Debian's packages for tests and benchmarks, by apt, into build/: never committed, never installed.

apt gets a source list, state and cache folder of its own, made from the mirrors that this machine's
apt is configured with, so nothing of the machine changes and no root is needed."""
import fcntl
import glob
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
PRIVATE = os.path.join(ROOT, "build/debian")


def _mirrors():
    """(uri, suite, component) of every Debian archive that apt is configured with."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format",
         "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)",
         "Created-By: Packages"], check=True, text=True, stdout=subprocess.PIPE).stdout
    rows = set()
    for line in listing.splitlines():
        uri, suite, component, origin = line.split("|")
        if origin == "Debian":
            rows.add((uri, suite, component))
    return sorted(rows)


def _apt(arguments, folder):
    """Runs apt-get with the private configuration, in `folder`."""
    options = {
        "Dir::Etc::sourcelist": f"{PRIVATE}/sources.list", "Dir::Etc::sourceparts": "-",
        "Dir::State": f"{PRIVATE}/state", "Dir::Cache": f"{PRIVATE}/cache",
        "Dir::State::status": "/var/lib/dpkg/status", "APT::Sandbox::User": "",
        "Acquire::Languages": "none", "APT::Get::List-Cleanup": "0",
    }
    command = ["apt-get", "-q"]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    done = subprocess.run(command + arguments, cwd=folder, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise SystemExit(f"apt-get {' '.join(arguments)} failed:\n{done.stdout}")


def _update():
    """Writes the private source list and fetches its indexes, once."""
    stamp = f"{PRIVATE}/updated"
    if os.path.exists(stamp):
        return
    for folder in ("state/lists/partial", "cache/archives/partial"):
        os.makedirs(f"{PRIVATE}/{folder}", exist_ok=True)
    with open(f"{PRIVATE}/sources.list", "w", encoding="ascii") as out:
        option = f" [signed-by={KEYS}]" if os.path.exists(KEYS) else ""
        for uri, suite, component in _mirrors():
            for kind in ("deb", "deb-src"):
                print(f"{kind}{option} {uri} {suite} {component}", file=out)
    _apt(["update"], PRIVATE)
    with open(stamp, "w", encoding="ascii"):
        pass


def _fetched(folder, arguments):
    """Runs apt-get in an empty `folder` unless that was done; the folder's files."""
    os.makedirs(PRIVATE, exist_ok=True)
    with open(f"{PRIVATE}/lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not glob.glob(f"{folder}/done"):
            _update()
            os.makedirs(folder, exist_ok=True)
            _apt(arguments, folder)
            with open(f"{folder}/done", "w", encoding="ascii"):
                pass
    return sorted(path for path in glob.glob(f"{folder}/*") if not path.endswith("/done"))


def source(package):
    """The files of a source package (.dsc, .orig.tar.*, .debian.tar.*), checked by apt."""
    return _fetched(f"{PRIVATE}/source/{package}", ["source", "--download-only", package])


def binary(package):
    """The .deb file of a binary package, checked by apt."""
    return _fetched(f"{PRIVATE}/binary/{package}", ["download", package])[0]
