"""What becomes of events: every value in its place, as few lines as phases allow."""

from __future__ import annotations

from dataclasses import replace

from mlbench.run.events import Episodes, Phase
from mlbench.session.record import EpisodeBuffer
from mlbench.store import records


def met(first: int, count: int, phase: Phase = "train", dataset: str = "sine") -> Episodes:
    """Return an event whose values all differ."""
    places = range(first, first + count)
    return Episodes(
        phase=phase,
        eval_dataset=dataset,
        first=first,
        steps=[10 * place for place in places],
        losses=[place + 0.25 for place in places],
        scores=[place + 0.5 for place in places],
        seconds=0.5 * count,
        keys=[100 * place for place in places],
    )


def line(
    position: int, first: int, count: int, phase: Phase = "train", dataset: str = "sine"
) -> records.Episodes:
    """Return the record of episodes, one after the other."""
    event = met(first, count, phase, dataset)
    return records.Episodes(
        position=position,
        phase=phase,
        eval_dataset=dataset,
        episode=list(range(first, first + count)),
        step=event.steps,
        loss=event.losses,
        score=event.scores,
        seconds=[0.5] * count,
        key=event.keys,
    )


def test_events_of_one_phase_become_one_line_whatever_their_blocks() -> None:
    for blocks in ([6], [1] * 6, [2, 1, 3]):
        buffer, first = EpisodeBuffer(), 0
        for count in blocks:
            assert buffer.add(met(first, count), 7 + first) == []
            first += count
        assert len(buffer) == 6
        assert buffer.take() == [line(7, 0, 6)]


def test_a_block_of_several_meta_steps_keeps_the_step_of_each_episode() -> None:
    buffer = EpisodeBuffer()
    buffer.add(met(3, 4), 0)
    (record,) = buffer.take()
    assert isinstance(record, records.Episodes)
    assert record.step == [30, 40, 50, 60]


def test_another_phase_or_data_set_begins_another_line() -> None:
    buffer = EpisodeBuffer()
    assert buffer.add(met(0, 2), 0) == []
    assert buffer.add(met(0, 3, "test"), 9) == [line(0, 0, 2)]
    assert buffer.add(met(0, 1, "test", "cub"), 12) == [line(9, 0, 3, "test")]
    assert buffer.take() == [line(12, 0, 1, "test", "cub")]


def test_what_was_taken_is_gone_and_stays_as_it_was() -> None:
    buffer = EpisodeBuffer()
    buffer.add(met(0, 2), 0)
    taken = buffer.take()
    assert len(buffer) == 0
    assert buffer.take() == []
    assert buffer.add(met(2, 2), 5) == []
    assert taken == [line(0, 0, 2)]
    assert buffer.take() == [line(5, 2, 2)]


def test_time_is_shared_out_over_a_block_and_told_to_the_nanosecond() -> None:
    buffer = EpisodeBuffer()
    buffer.add(replace(met(0, 3), seconds=1.0), 0)
    (record,) = buffer.take()
    assert isinstance(record, records.Episodes)
    assert record.seconds == [0.333333333] * 3
