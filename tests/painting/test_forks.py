import threading

from impasto.painting.forks import ForkGate


def test_a_fork_waits_for_work_and_work_for_a_fork():
    gate = ForkGate()
    events = []
    inside, go_on = threading.Event(), threading.Event()

    def work():
        with gate.passage():
            inside.set()
            go_on.wait(10)
            events.append("worked")

    def fork():
        gate._close()
        events.append("forked")

    worker, forker = threading.Thread(target=work), threading.Thread(target=fork)
    worker.start()
    inside.wait(10)
    forker.start()
    forker.join(0.1)
    assert events == []
    go_on.set()
    forker.join(10)
    worker.join(10)
    assert events == ["worked", "forked"]


def test_any_number_of_threads_may_work_at_once():
    gate = ForkGate()
    meeting = threading.Barrier(3)

    def work():
        with gate.passage():
            meeting.wait(10)  # passes when all are inside

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not meeting.broken
