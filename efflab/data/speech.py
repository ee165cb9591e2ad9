"""Log-mel features of the spoken digits.

Recordings of 8 kHz are cut into windows of 25 ms (200 samples, Hann) every 10 ms (80 samples); the power spectrum of 256
points is summed by 40 triangular filters, equally wide on the mel scale from 0 to 4 kHz, and its logarithm is taken above
a floor. Each feature is then shifted and scaled to mean 0 and variance 1 over the frames of the training set.

Source: S. Davis and P. Mermelstein, Comparison of parametric representations for monosyllabic word recognition, IEEE
Transactions on Acoustics, Speech, and Signal Processing 28(4), 1980, section II; mel scale of D. O'Shaughnessy.
"""

import contextlib
import functools
import io
import tarfile
import wave
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from efflab.data import store
from efflab.errors import DataError
from efflab.files import atomic_path

SAMPLE_RATE_HZ = 8000
WINDOW = 200
HOP = 80
FFT = 256
MELS = 40
POWER_FLOOR = 1e-6
TEST_BELOW = 5


class Recordings(NamedTuple):
    """Features of all recordings one after the other, with what tells them apart."""

    frames: Float32[np.ndarray, "frames mels"]
    lengths: Int64[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"]
    test: Bool[np.ndarray, " n"]


@functools.cache
def mel_filters(
    mels: int = MELS, points: int = FFT, rate_hz: float = SAMPLE_RATE_HZ
) -> Float64[np.ndarray, "mels bins"]:
    """Triangular filters whose corners lie equally far apart on the mel scale, 2595 log10(1 + f / 700 Hz).

    Args:
        mels: number of filters.
        points: length of the Fourier transform.
        rate_hz: sampling rate.

    Returns:
        Weight of each frequency bin in each filter, at most 1.
    """
    top = 2595 * np.log10(1 + rate_hz / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(points, 1 / rate_hz)
    rising = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    return np.clip(np.minimum(rising, falling), 0, None)


def log_mel(signal: Float64[np.ndarray, " samples"]) -> Float64[np.ndarray, "frames mels"]:
    """Log-mel features of one recording.

    Args:
        signal: samples in [-1, 1] at 8 kHz; shorter than a window, it is padded with zeros.

    Returns:
        Natural logarithm of the power in each filter, one row a window that fits the recording.
    """
    padded = np.pad(signal, (0, max(0, WINDOW - len(signal))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    # Periodic Hann, as torch.hann_window.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    power = np.abs(np.fft.rfft(windows * hann, FFT)) ** 2
    features: Float64[np.ndarray, "frames mels"] = np.log(np.maximum(power @ mel_filters().T, POWER_FLOOR))
    return features


def read_wave(content: bytes) -> Float64[np.ndarray, " samples"]:
    """Samples of a WAV file in [-1, 1].

    Raises:
        DataError: it is no WAV file of 8 kHz, mono, 16 bit.
    """
    try:
        with wave.open(io.BytesIO(content)) as sound:
            form = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
            samples = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise DataError(f"a recording is damaged: it is no WAV file ({error})") from None
    if form != (1, 2, SAMPLE_RATE_HZ):
        raise DataError(f"a recording has {form} channels, bytes and Hz, expected (1, 2, {SAMPLE_RATE_HZ})")
    return np.frombuffer(samples, "<i2").astype(np.float64) / 32768


def from_tar(content: bytes) -> Recordings:
    """Features of every recording of a tar, in the order of their names, not yet standardised.

    A name reads ``{digit}_{speaker}_{index}.wav``; by the rule of the data set, index 0 to 4 is test.
    """
    with tarfile.open(fileobj=io.BytesIO(content)) as packed:
        waves = {
            PurePosixPath(member.name).stem: stream.read()
            for member in packed
            if member.name.endswith(".wav") and (stream := packed.extractfile(member))
        }
    names = sorted(waves)
    features = [log_mel(read_wave(waves[name])).astype(np.float32) for name in names]
    return Recordings(
        np.concatenate(features),
        np.array([len(rows) for rows in features]),
        np.array([int(name.split("_")[0]) for name in names]),
        np.array([int(name.split("_")[2]) < TEST_BELOW for name in names]),
    )


def standardise(recordings: Recordings) -> Recordings:
    """Shift and scale each feature to mean 0 and variance 1 over the frames of the training recordings."""
    train = recordings.frames[np.repeat(~recordings.test, recordings.lengths)].astype(np.float64)
    frames = (recordings.frames - train.mean(0)) / train.std(0)
    return recordings._replace(frames=frames.astype(np.float32))


def pad(recordings: Recordings) -> Float32[np.ndarray, "n longest mels"]:
    """Recordings as the rows of one array, with zeros after the end of each."""
    inside = np.arange(recordings.lengths.max()) < recordings.lengths[:, None]
    padded = np.zeros((*inside.shape, recordings.frames.shape[1]), np.float32)
    padded[inside] = recordings.frames
    return padded


def cached(digest: str) -> Recordings | None:
    """Features kept by ``keep``; None where there are none, or they cannot be read."""
    try:
        with np.load(io.BytesIO(_cache_file(digest).read_bytes()), allow_pickle=False) as arrays:
            kept = Recordings(*(arrays[name] for name in Recordings._fields))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    fits = kept.frames.shape == (kept.lengths.sum(), MELS) and len(kept.lengths) == len(kept.labels) == len(
        kept.test
    )
    return kept if fits else None


def keep(recordings: Recordings, digest: str) -> None:
    """Keep features in the cache, so that the next load need not compute them; nothing is lost if they cannot be kept."""
    with contextlib.suppress(OSError), atomic_path(_cache_file(digest)) as path, path.open("wb") as stream:
        np.savez(stream, **recordings._asdict())


def _cache_file(digest: str) -> Path:
    settings = f"log-mel-1-{SAMPLE_RATE_HZ}-{WINDOW}-{HOP}-{FFT}-{MELS}"
    return store.cache_folder() / "features" / f"spoken-digits-{digest[:12]}-{settings}.npz"
