"""The worker process: one task at a time, the urgent first; it can be stopped, killed and left alone."""

import asyncio

import pytest

from impasto.web.child import HEAD, Stop, packed, read_message
from impasto.web.failures import kind_of, naming, text_of
from impasto.web.worker import TaskError, Worker, WorkerDied

MASK = b"no mask at all"


def run(story):
    async def whole():
        worker = Worker()
        try:
            return await story(worker)
        finally:
            await worker.close()

    return asyncio.run(whole())


def test_a_message_is_read_as_it_was_written():
    import io

    stream = io.BytesIO(packed({"a": "ü"}, b"\0\1") + packed({}))
    assert read_message(stream) == ({"a": "ü"}, b"\0\1")
    assert read_message(stream) == ({}, b"")
    assert read_message(stream) is None
    assert HEAD.size == 8


def test_an_order_to_stop_is_for_the_task_that_runs_or_comes_next():
    stop = Stop()
    stop.running = 1
    assert not stop.is_set()
    stop.asked = 1
    assert stop.is_set()
    stop.running = 2
    assert not stop.is_set()


def test_errors_keep_their_kind_and_a_bug_is_called_one():
    async def story(worker):
        found = []
        for task, arguments in (("check_mask", {"pixels": 10}), ("no_such_task", {}), ("admit", {"path": "/nowhere"})):
            try:
                await worker.call(task, arguments, MASK)
            except TaskError as error:
                found.append((error.kind, str(error)))
        return found, worker.starts

    found, starts = run(story)
    assert [kind for kind, _ in found] == ["ImageError", "bug", "bug"]
    assert "please report it" in found[1][1]
    assert starts == 1


def test_a_process_that_is_killed_within_a_task_is_replaced_for_the_next():
    async def story(worker):
        with pytest.raises(TaskError):
            await worker.call("check_mask", {"pixels": 10}, MASK)
        running = asyncio.ensure_future(worker.call("warm", {"variant": "best"}))
        await asyncio.sleep(0.01)
        worker.kill()
        with pytest.raises(WorkerDied):
            await running
        with pytest.raises(TaskError) as error:
            await worker.call("check_mask", {"pixels": 10}, MASK)
        return error.value.kind, worker.starts

    assert run(story) == ("ImageError", 2)


def test_of_tasks_that_wait_the_urgent_is_next_and_one_that_is_not_wanted_any_more_is_left_out():
    async def story(worker):
        order = []

        async def ask(name, priority, wanted=True):
            try:
                reply = await worker.call("check_mask", {"pixels": 1}, MASK, priority=priority, wanted=lambda: wanted)
                order.append((name, reply))
            except TaskError:
                order.append(name)

        await asyncio.gather(ask("first", 2), ask("slow", 2), ask("gone", 0, False), ask("urgent", 0), ask("later", 1))
        return order

    assert run(story) == ["first", ("gone", None), "urgent", "later", "slow"]


def test_an_answer_that_nobody_waits_for_does_not_become_the_next_ones():
    async def story(worker):
        given_up = asyncio.ensure_future(worker.call("check_mask", {"pixels": 10}, MASK))
        await asyncio.sleep(0.01)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        with pytest.raises(TaskError) as error:
            await worker.call("no_such_task", {})
        return error.value.kind

    assert run(story) == "bug"


def test_a_process_without_work_ends_and_comes_back():
    async def whole():
        worker = Worker(idle_seconds=0.05)
        for _ in range(2):
            with pytest.raises(TaskError) as error:
                await worker.call("check_mask", {"pixels": 10}, MASK)
            assert error.value.kind == "ImageError"
            async with asyncio.timeout(300):
                while worker.pid is not None:
                    await asyncio.sleep(0.01)
        await worker.close()
        return worker.starts

    assert asyncio.run(whole()) == 2


def test_errors_say_one_line_without_our_paths():
    from impasto.errors import ImageError

    assert kind_of(FileNotFoundError()) == "OSError"
    assert text_of(OSError(28, "No space left on device")) == (
        "cannot read or write a file: No space left on device; check the disk"
    )
    assert "\n" not in text_of(ValueError("a\nb"))
    assert "smaller" in text_of(MemoryError())
    with (
        pytest.raises(ImageError, match=r"^photo.jpg: cannot write into the server's folder$"),
        naming("/x/y.jpg", "photo.jpg"),
    ):
        raise ImageError("/x/y.jpg: cannot write into /x")
