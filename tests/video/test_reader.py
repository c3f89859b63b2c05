"""Reading clips, against FFmpeg's own tools and the definitions of the standards."""

import itertools
import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")

from impasto.errors import VideoError  # noqa: E402
from impasto.video.clip import WHOLE, Color, Part  # noqa: E402
from impasto.video.color import tone_mapped  # noqa: E402
from impasto.video.reader import open_clip  # noqa: E402
from tests.video.clips import decoded, make_clip, packet_times, picture  # noqa: E402


def read(path, part=WHOLE):
    with open_clip(path, part) as clip:
        return clip, list(clip.frames())


def largest_mean_difference(frames, others):
    assert len(frames) == len(others)
    return max(np.abs(a.astype(int) - b).mean() for a, b in zip(frames, others, strict=True))


def test_frames_and_times_are_those_of_ffmpeg(tmp_path):
    path = make_clip(tmp_path / "a.mp4", pixel_format="yuv444p")
    _, frames = read(path)
    assert [frame.time for frame in frames] == packet_times(path)
    assert largest_mean_difference([f.pixels for f in frames], decoded(path)) < 1.0


@pytest.mark.parametrize(
    "color", [(1, 1, 1, 1), (1, 1, 1, 2), (6, 6, 6, 1), (5, 5, 6, 2)], ids=["709", "709 full", "601", "601 full"]
)
def test_colors_come_back_whatever_matrix_and_range_a_clip_has(tmp_path, color):
    path = make_clip(
        tmp_path / "a.mp4", pixel_format="yuv444p", color=color, options={"qp": "0", "preset": "ultrafast"}
    )
    clip, frames = read(path)
    assert (clip.info.color.matrix, clip.info.color.full_range) == (color[0], color[3] == 2)
    assert largest_mean_difference([f.pixels for f in frames], [picture(n) for n in range(10)]) < 1.0


def test_variable_frame_times_are_kept(tmp_path):
    pts = [0, 40, 50, 90, 200, 1001, 1002, 1500, 3000, 9000]
    path = make_clip(tmp_path / "a.mp4", pts=pts, time_base=Fraction(1, 1000))
    _, frames = read(path)
    assert [frame.time for frame in frames] == [Fraction(p, 1000) for p in pts]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_turned_and_mirrored_clips_come_upright_once(tmp_path, rotation, mirrored):
    path = make_clip(tmp_path / "a.mp4", frames=2, rotation=rotation, mirrored=mirrored, pixel_format="yuv444p")
    clip, frames = read(path)
    shown = decoded(path)
    assert frames[0].pixels.shape == shown[0].shape
    assert (clip.info.height, clip.info.width) == shown[0].shape[:2]
    assert largest_mean_difference([f.pixels for f in frames], shown) < 1.0


def test_ten_bits_are_read_with_the_colors_they_have(tmp_path):
    path = make_clip(
        tmp_path / "a.mkv", codec="libx265", pixel_format="yuv420p10le", options={"x265-params": "log-level=none"}
    )
    _, frames = read(path)
    assert largest_mean_difference([f.pixels for f in frames], decoded(path)) < 1.5


def test_hdr_is_tone_mapped_and_says_so(tmp_path):
    path = make_clip(
        tmp_path / "a.mkv",
        codec="libx265",
        pixel_format="yuv420p10le",
        color=(9, 9, 16, 1),
        options={"x265-params": "log-level=none"},
    )
    clip, frames = read(path)
    assert any("PQ" in note for note in clip.info.notes)
    assert clip.info.color.transfer == 1
    assert frames[0].pixels.dtype == np.uint8


def test_interlaced_fields_become_whole_frames(tmp_path):
    path = make_clip(tmp_path / "a.mp4", options={"preset": "ultrafast", "x264-params": "interlaced=1:tff=1"})
    clip, frames = read(path)
    assert any("fields" in note for note in clip.info.notes)
    assert len(frames) == 10
    assert len({frame.pts for frame in frames}) == 10


def test_pixel_aspect_is_kept_and_turned_with_the_picture(tmp_path):
    straight = make_clip(tmp_path / "a.mp4", pixel_aspect=Fraction(4, 3))
    turned = make_clip(tmp_path / "b.mp4", pixel_aspect=Fraction(4, 3), rotation=90)
    assert read(straight)[0].info.pixel_aspect == Fraction(4, 3)
    assert read(turned)[0].info.pixel_aspect == Fraction(3, 4)


def test_a_part_has_the_frames_between_start_and_end(tmp_path):
    path = make_clip(tmp_path / "a.mp4", frames=100, options={"preset": "ultrafast", "g": "12"})
    times = packet_times(path)
    for start, end in [(0.0, 1.0), (0.5, None), (2.5, 3.0)]:
        _, frames = read(path, Part(start=start, end=end))
        expected = [t for t in times if t >= start - 1e-6 and (end is None or t < end - 1e-6)]
        assert [frame.time for frame in frames] == expected


def test_a_part_of_a_stream_without_timestamps(tmp_path):
    path = make_clip(tmp_path / "a.h264", frames=100, options={"preset": "ultrafast", "g": "12"}, format="h264")
    _, frames = read(path, Part(start=2.5, end=3.0))
    assert len(frames) in (12, 13)  # its rate is not stored, and 25 is assumed
    assert np.abs(frames[0].pixels.astype(int) - picture(63)).mean() < 8


def test_every_third_frame(tmp_path):
    path = make_clip(tmp_path / "a.mp4")
    _, frames = read(path, Part(every=3))
    assert [frame.time for frame in frames] == packet_times(path)[::3]


def test_frames_are_read_smaller(tmp_path):
    clip, frames = read(make_clip(tmp_path / "a.mp4"), Part(short_side=24))
    assert frames[0].pixels.shape == (24, 32, 3)
    assert (clip.info.width, clip.info.height) == (32, 24)


def test_a_truncated_file_gives_the_frames_that_are_there(tmp_path):
    path = make_clip(tmp_path / "a.mkv", frames=50, options={"preset": "ultrafast", "g": "5"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    _, frames = read(path)
    assert 10 <= len(frames) < 50


def test_what_is_damaged_within_is_counted_and_the_rest_read(tmp_path):
    path = make_clip(tmp_path / "a.mp4", frames=60, options={"preset": "ultrafast", "g": "5"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(0).integers(0, 256, 600, np.uint8).tobytes()
    path.write_bytes(data)
    clip, frames = read(path)
    assert len(frames) >= 30
    assert clip.damage.packets > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read"), (b"no video" * 100, "cannot be read"), (None, "no such file")],
)
def test_what_is_no_video_is_named_in_one_line(tmp_path, content, message):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=message) as error:
        open_clip(path)
    assert "\n" not in str(error.value)


def joined_broadcasts(folder, starts, frames=25):
    """A transport stream that is several recordings one after the other, each with sound, that begin at these times."""
    pieces = []
    for number, start in enumerate(starts):
        path = make_clip(folder / f"{number}.ts", frames=frames, audio=("mp2",), format="mpegts", begin=start)
        pieces.append(path.read_bytes())
    (folder / "all.ts").write_bytes(b"".join(pieces))
    return folder / "all.ts"


@pytest.mark.parametrize("starts", [(0, 0), (0, 5000), (5000, 0), (100, 0, 300)], ids=str)
def test_timestamps_that_jump_go_on_without_a_gap(tmp_path, starts):
    path = joined_broadcasts(tmp_path, starts)
    _, frames = read(path)
    times = [float(frame.time) for frame in frames]
    assert len(times) == 25 * len(starts)
    assert times[0] < 0.1
    assert max(abs(b - a - 0.04) for a, b in itertools.pairwise(times)) < 0.002


def test_an_encrypted_clip_is_called_so(tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    source, path = make_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    keys = [
        "-encryption_key",
        "76a6c65c5ea762046bd749a2e632ccbb",
        "-encryption_kid",
        "a7e61c373e219033c21091fa607bf3b8",
    ]
    command = ["ffmpeg", "-v", "error", "-i", str(source), "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", *keys]
    subprocess.run([*command, str(path)], check=True)
    with pytest.raises(VideoError, match="is encrypted"):
        open_clip(path)


def test_fields_are_combined_from_the_frame_on_that_has_them(tmp_path):
    """Here a progressive recording and an interlaced one were joined."""
    plain = make_clip(tmp_path / "a.ts", frames=10, format="mpegts")
    options = {"preset": "ultrafast", "x264-params": "interlaced=1:tff=1"}
    fields = make_clip(tmp_path / "b.ts", frames=10, format="mpegts", options=options)
    (tmp_path / "c.ts").write_bytes(plain.read_bytes() + fields.read_bytes())
    clip, frames = read(tmp_path / "c.ts")
    assert len(frames) == 20
    assert any("fields" in note for note in clip.info.notes)
    for number, frame in enumerate(frames):
        assert np.abs(frame.pixels.astype(int) - picture(number % 10)).mean() < 8


def test_the_stream_that_is_marked_as_the_main_one_is_read(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        for number, size in enumerate(((32, 32), (64, 48))):
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.disposition = av.stream.Disposition.default if number else av.stream.Disposition(0)
        for stream in container.streams.video:
            frame = av.VideoFrame.from_ndarray(picture(0, stream.width, stream.height), format="rgb24")
            container.mux([*stream.encode(frame), *stream.encode(None)])
    assert read(path)[1][0].pixels.shape == (48, 64, 3)


def test_transparency_that_is_left_out_is_named(tmp_path):
    path = make_clip(tmp_path / "a.mkv", codec="ffv1", pixel_format="yuva420p")
    assert any("transparency" in note for note in read(path)[0].info.notes)


def test_transparent_pixels_of_an_animation_become_white_and_that_is_said(tmp_path):
    clear = Image.fromarray(np.dstack([picture(0), np.full((48, 64), 255, np.uint8)]), "RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 20, 20))
    clear.save(tmp_path / "a.webp", save_all=True, append_images=[clear.rotate(180)], duration=50, lossless=True)
    clip, frames = read(tmp_path / "a.webp")
    assert (frames[0].pixels[:20, :20] == 255).all()
    assert clip.info.notes == ("transparent pixels become white",)


def test_an_animated_png_begins_after_its_default_picture(tmp_path):
    pages = [Image.fromarray(picture(number)) for number in range(5)]
    pages[0].save(tmp_path / "a.png", save_all=True, append_images=pages[1:], duration=50, default_image=True)
    _, frames = read(tmp_path / "a.png")
    assert len(frames) == 4
    assert np.array_equal(frames[0].pixels, picture(1))


def test_a_truncated_animation_gives_the_frames_that_are_there(tmp_path):
    pages = [Image.fromarray(picture(number)) for number in range(20)]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:], duration=50)
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[: len(data) // 2])
    clip, frames = read(tmp_path / "a.gif")
    assert 5 <= len(frames) < 20
    assert clip.damage.packets == 1


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(VideoError, match="no video stream, only audio"):
        open_clip(path)


def test_an_address_is_not_fetched():
    with pytest.raises(VideoError, match="download"):
        open_clip("https://example.org/a.mp4")


def test_hdr_white_and_black_and_gray_come_out_as_such():
    """Against the formula of SMPTE ST 2084 inverted by hand: 203 cd/m2 is diffuse white, 0.58 of the signal."""
    color = Color(matrix=9, primaries=9, transfer=16, full_range=False)
    gray = lambda signal: np.full((1, 1, 3), round(65535 * signal), np.uint16)  # noqa: E731
    assert tone_mapped(gray(0), color).max() == 0
    white = tone_mapped(gray(0.5807), color)[0, 0]
    assert white.max() - white.min() <= 1
    assert 200 <= white[0] <= 250
    assert tone_mapped(gray(0.7518), color)[0, 0, 0] >= 253  # 1,000 cd/m2
    values = [int(tone_mapped(gray(s), color)[0, 0, 0]) for s in np.linspace(0, 0.75, 20)]
    assert values == sorted(values)
