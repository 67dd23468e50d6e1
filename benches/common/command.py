"""`emberline` as a command: what it takes, and the folder that it works in."""

import os
import pathlib
import subprocess
import sys

# A process begins with the peak of the one that it forks from, so a small one starts the command. It prints seconds and KiB.
LAUNCHER = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def seconds_and_mib(*command):
    """How long a command takes, and the most memory that it has."""
    launcher = [sys.executable, "-c", LAUNCHER, *map(str, command)]
    found = subprocess.run(launcher, stdout=subprocess.PIPE, text=True)
    if found.returncode:
        sys.exit(f"{command} failed")
    seconds, kib = map(float, found.stdout.split())
    return seconds, kib / 1024


def home():
    default = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "emberline"
    return pathlib.Path(os.environ.get("EMBERLINE_HOME", default))


def with_own_home(work, *shared):
    """An environment whose caches are empty, but for folders of the usual ones."""
    own_home = work / "home"
    own_home.mkdir()
    for folder in shared:
        (own_home / folder).symlink_to(home() / folder)
    return os.environ | {"EMBERLINE_HOME": str(own_home)}
