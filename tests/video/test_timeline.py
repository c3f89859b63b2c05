"""Timestamps that jump, with packets as a demuxer gives them."""

from dataclasses import dataclass
from fractions import Fraction

from impasto.video.timeline import Timeline


@dataclass
class Packet:
    pts: int | None
    dts: int | None
    duration: int = 40
    time_base: Fraction = Fraction(1, 1000)


def led(timeline, *times):
    packets = [Packet(time, time) for time in times]
    for packet in packets:
        timeline.lead(packet)
    return [packet.pts for packet in packets]


def followed(timeline, time):
    packet = Packet(time, time)
    timeline.follow(packet)
    return packet.pts


def test_times_count_from_the_start():
    assert led(Timeline(Fraction(5)), 5000, 5040, 5080) == [0, 40, 80]


def test_only_formats_of_broadcasts_jump():
    assert led(Timeline(), 0, 60_000, 100) == [0, 60_000, 100]
    assert led(Timeline(jumps=True), 0, 60_000, 60_040, 100) == [0, 40, 80, 120]


def test_a_pause_is_no_jump():
    assert led(Timeline(jumps=True), 0, 9_000, 9_040) == [0, 9_000, 9_040]


def test_frames_out_of_order_are_no_jump():
    timeline, packets = Timeline(jumps=True), [Packet(80, 0), Packet(40, 40), Packet(200, 80), Packet(120, 120)]
    for packet in packets:
        timeline.lead(packet)
    assert [packet.pts for packet in packets] == [80, 40, 200, 120]


def test_other_streams_jump_with_the_video_even_if_they_come_earlier_in_the_file():
    timeline = Timeline(jumps=True)
    led(timeline, 0, 40, 80_000, 80_040)
    timeline.rewind()
    led(timeline, 0, 40)
    assert followed(timeline, 30) == 30
    assert followed(timeline, 80_010) == 90  # before the video's jump at 80
    led(timeline, 80_000)
    assert followed(timeline, 50) == 50  # after it
    assert followed(timeline, 80_020) == 100


def test_a_packet_without_timestamps_stays_so():
    timeline, packet = Timeline(Fraction(5)), Packet(None, None)
    timeline.lead(packet)
    timeline.follow(packet)
    assert (packet.pts, packet.dts) == (None, None)
