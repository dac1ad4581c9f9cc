"""A process follows its parent even where that one died before it could ask to."""

import subprocess
import sys

import pytest

CHILD = """
import os, signal, time
from titer import signals
print("imported", flush=True)
while os.getppid() == signals.STARTED_BY:
    time.sleep(0.01)
signals.follow_parent(signal.SIGTERM)
print("goes on", flush=True)
"""
PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
assert child.stdout.readline() == b"imported\\n"
os.write(1, b"parent ends\\n")
fd = child.stdout.fileno()
if os.fork() == 0:  # hands on what the child still says
    os.close(0)
    while text := os.read(fd, 100):
        os.write(1, text)
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's way to follow a parent")
def test_a_parent_that_died_during_the_import_is_noticed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT, CHILD], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "parent ends\n", done.stderr
