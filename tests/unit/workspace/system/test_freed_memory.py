"""Memory that threads have freed goes back to the kernel."""

import threading

import psutil
import pytest
from workspace.system import freed_memory


@pytest.mark.skipif(freed_memory._trim() is None, reason="not glibc")
def test_what_threads_freed_goes_back() -> None:
    kept: list[object] = []

    def allocate() -> None:
        texts = [str(number) * 40 for number in range(20_000)]
        kept.append(texts[::2_000])  # some of each page stays, as in a real run

    threads = [threading.Thread(target=allocate) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = psutil.Process().memory_info().rss
    assert freed_memory.give_back()
    assert psutil.Process().memory_info().rss < before


def test_another_c_library_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freed_memory, "_trim", lambda: None)
    assert not freed_memory.give_back()
