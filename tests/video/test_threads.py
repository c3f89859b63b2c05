"""Threads of the video pipeline: their priority."""

import os
import threading

import pytest

from impasto.video.threads import real_time_threads, usual_scheduling


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="only Linux has it")
def test_real_time_priority_is_taken_back_from_all_threads_but_those_that_had_it():
    def get_priority(ready, end):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        ready.set()
        end.wait()

    def started():
        ready = threading.Event()
        thread = threading.Thread(target=get_priority, args=(ready, end))
        thread.start()
        assert ready.wait(20)
        return thread

    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pytest.skip("this user may not have real-time priority")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    end = threading.Event()
    threads = [started()]
    try:
        with usual_scheduling():
            threads.append(started())
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        assert real_time_threads() == {threads[0].native_id}
    finally:
        end.set()
        for thread in threads:
            thread.join()
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
