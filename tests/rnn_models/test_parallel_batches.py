"""Batches processed in parallel give the same results as alone."""

from collections.abc import Iterator
from threading import Barrier, Thread, current_thread

import pytest
import torch

from rnn_models.decoding.predict import predict_all
from rnn_models.parallel_batches import MOST, map_in_threads
from rnn_models.training.validation import mean_loss

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 3, 8])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_keep_the_order_of_the_items(threads):
    assert map_in_threads(lambda n: n * n, range(20), CPU) == [n * n for n in range(20)]
    assert map_in_threads(lambda n: n, [7], CPU) == [7]
    assert map_in_threads(lambda n: n, [], CPU) == []


def test_as_many_items_are_processed_at_once_as_there_are_threads(threads):
    at_once = min(threads, MOST)
    meeting = Barrier(at_once)  # passed only if so many are at work together
    found = map_in_threads(
        lambda n: (meeting.wait(timeout=60), current_thread().name)[1], range(2 * at_once), CPU
    )
    assert len(set(found)) <= at_once


def test_each_worker_has_its_share_of_the_threads_and_the_caller_keeps_its_own(threads):
    assert set(map_in_threads(lambda n: torch.get_num_threads(), range(12), CPU)) == {
        threads // min(threads, MOST)
    }
    assert torch.get_num_threads() == threads
    seen: list[int] = []
    later = Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [threads]


def test_no_gradient_is_recorded(threads):
    assert all(map_in_threads(lambda n: torch.is_inference_mode_enabled(), range(5), CPU))
    assert not torch.is_inference_mode_enabled()


def test_error_reaches_the_caller_and_thread_settings_are_restored(threads):
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda n: 1 // (n - 3), range(8), CPU)
    assert torch.get_num_threads() == threads


def test_nested_work_is_sequential_when_no_thread_is_left(threads):
    found = map_in_threads(lambda n: map_in_threads(lambda m: n + m, range(3), CPU), range(4), CPU)
    assert found == [[n, n + 1, n + 2] for n in range(4)]


def test_predictions_and_loss_are_bit_identical(posed_answer):
    p = posed_answer
    model = posed_answer.model()
    alone = (
        predict_all(p.problem, model, p.examples, size=2),
        mean_loss(p.problem, model, p.examples, p.settings),
    )
    assert torch.get_num_threads() == 1
    torch.set_num_threads(3)
    try:
        together = (
            predict_all(p.problem, model, p.examples, size=2),
            mean_loss(p.problem, model, p.examples, p.settings),
        )
    finally:
        torch.set_num_threads(1)
    assert together == alone
