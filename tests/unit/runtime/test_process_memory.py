"""A service's memory: its threads share what they take, instead of each keeping its own."""

import subprocess
import sys
from pathlib import Path

import pytest

_COUNT = """
import ctypes, re, sys, threading
from pathlib import Path
from services.runtime.process import keep_few_arenas

keep_few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
libc.fclose.argtypes = (ctypes.c_void_p,)
together = threading.Barrier(8)

def take():
    libc.malloc(1_000)
    together.wait()

threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
told = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, told)
libc.fclose(told)
print(len(re.findall("<heap nr=", Path(sys.argv[1]).read_text())))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries have no arenas")
def test_many_threads_share_two_arenas(tmp_path: Path) -> None:
    """Else memory grows with the number of threads that ever had a large batch in hand."""
    done = subprocess.run(
        [sys.executable, "-c", _COUNT, str(tmp_path / "arenas.xml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert int(done.stdout) <= 2
