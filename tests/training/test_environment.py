import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from impasto.training.environment import interruptible, seeded, torch_threads


def test_threads_are_restored_after_an_error_too():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_random_numbers_go_on_as_if_nothing_had_been_seeded():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with seeded(8):
        inside = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(inside, torch.rand(2, generator=torch.Generator().manual_seed(8)))


def test_threads_that_seed_at_the_same_time_each_draw_their_own_numbers():
    def draw(seed):
        with seeded(seed):
            return [torch.rand(100) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(draw, range(8)))
    for seed, numbers in enumerate(drawn):
        assert torch.equal(torch.cat(numbers), torch.cat(draw(seed)))


def test_ctrl_c_is_a_question_and_the_second_one_interrupts():
    previous = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(1.0)
    assert signal.getsignal(signal.SIGINT) is previous


def test_other_threads_leave_signals_alone():
    def ask():
        with interruptible() as interrupted:
            return interrupted(), signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask).result() == (False, signal.getsignal(signal.SIGINT))
