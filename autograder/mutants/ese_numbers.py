"""Mutants and honest variants of lab 09, task 4; `ese` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import math
from fractions import Fraction

import numpy as np

from autograder.mutating import honest, mutant


def coded(weight, bits, largest=None, limit=None, rounded=np.rint):
    """Codes and fraction bits for another largest magnitude, limit or rounding."""
    limit = 2 ** (bits - 1) - 1 if limit is None else limit
    largest = np.abs(weight).max() if largest is None else largest
    fraction = math.floor(math.log2(limit / largest)) if largest > 0 else 0
    return rounded(weight * 2.0**fraction).astype(int), fraction


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="This scale is no power of two: it fills the range, but a shift cannot undo it.",
    named=True,
)
def any_scale(weight, bits):
    limit = 2 ** (bits - 1) - 1
    largest = np.abs(weight).max()
    fraction = math.floor(math.log2(limit / largest)) if largest > 0 else 0
    return np.rint(weight * (limit / largest if largest > 0 else 1)).astype(int), fraction


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="One bit is lost: the largest code of signed numbers is 2 ** (bits - 1) - 1.",
    named=True,
)
def one_bit_lost(weight, bits):
    return coded(weight, bits - 1)


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="One bit is for the sign: these codes need one more than there are.",
    named=True,
)
def no_bit_for_the_sign(weight, bits):
    return coded(weight, bits + 1)


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="All bits but the sign went behind the point, whatever the matrix holds: its large weights are cut off.",
    named=True,
)
def fixed_point_in_front(weight, bits):
    limit = 2 ** (bits - 1) - 1
    return np.clip(np.rint(weight * 2.0 ** (bits - 1)), -limit - 1, limit).astype(int), bits - 1


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="You looked at the largest value only: a large negative weight needs room as well.",
    named=True,
)
def positive_only(weight, bits):
    return coded(weight, bits, largest=max(float(np.max(weight)), 0.0))


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="You cut the decimals off: a code is the nearest whole number.",
    named=True,
)
def cut_off(weight, bits):
    return coded(weight, bits, rounded=np.trunc)


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="These are the rounded weights; asked for are their codes.",
    named=True,
)
def weights_for_codes(weight, bits):
    codes, fraction = coded(weight, bits)
    return codes / 2.0**fraction, fraction


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="Fraction bits may be more than there are bits: small weights need it.",
    named=True,
)
def at_most_all_bits(weight, bits):
    _, fraction = coded(weight, bits)
    fraction = min(fraction, bits - 1)
    return np.rint(weight * 2.0**fraction).astype(int), fraction


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="Fraction bits may be negative: large weights need it.",
    named=True,
)
def at_least_none(weight, bits):
    limit = 2 ** (bits - 1) - 1
    fraction = max(coded(weight, bits)[1], 0)
    return np.clip(np.rint(weight * 2.0**fraction), -limit, limit).astype(int), fraction


@mutant(
    "ese-4",
    replaces="quantize",
    misconception="The bits before the point hold the largest weight, but its code may then round to a power of two, which is one too many.",
)
def whole_bits_first(weight, bits):
    largest = float(np.abs(weight).max())
    whole = math.floor(math.log2(largest)) + 1 if largest > 0 else 0
    fraction = bits - 1 - whole if largest > 0 else 0
    return np.rint(weight * 2.0**fraction).astype(int), fraction


@honest("ese-4", replaces="quantize", differs="counts bits up and down, in narrow integers")
def by_counting(weight, bits):
    limit, fraction = 2 ** (bits - 1) - 1, 0
    largest = float(np.abs(weight).max())
    while largest > 0 and largest * 2.0 ** (fraction + 1) <= limit:
        fraction += 1
    while largest * 2.0**fraction > limit:
        fraction -= 1
    half_up = np.floor(weight * 2.0**fraction + 0.5)
    return half_up.astype(np.int16 if bits <= 16 else np.int64), np.int64(fraction)


@honest("ese-4", replaces="quantize", differs="exact fractions, number by number")
def by_fractions(weight, bits):
    exact = [Fraction(float(value)) for value in np.ravel(weight)]
    largest, limit = max(map(abs, exact)), 2 ** (bits - 1) - 1
    fraction = 0 if largest == 0 else max(f for f in range(-200, 200) if largest * Fraction(2) ** f <= limit)
    codes = [round(value * Fraction(2) ** fraction) for value in exact]
    return np.array(codes, dtype=np.float64).reshape(np.shape(weight)), fraction


def shifted(sums, shift, half=1):
    """Sums with `shift` fraction bits fewer, half of the last place added first."""
    return (sums + half * 2 ** (shift - 1)) >> shift if shift > 0 else sums << -shift


def inside(sums, bits):
    """Cut to the range of signed numbers."""
    return np.clip(sums, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@mutant(
    "ese-4",
    replaces="fixed_product",
    misconception="You cut off what is shifted out: add half of the last place first.",
    named=True,
)
def cut_when_shifted(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    return inside(shifted(codes @ x, fraction + x_fraction - out_fraction, half=0), out_bits)


@mutant(
    "ese-4",
    replaces="fixed_product",
    misconception="Halves of negative sums went down: with half a place added, a half always goes up.",
    named=True,
)
def halves_from_zero(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    sums = codes @ x
    small = shifted(np.abs(sums), fraction + x_fraction - out_fraction)
    return inside(np.sign(sums) * small, out_bits)


@mutant(
    "ese-4",
    replaces="fixed_product",
    misconception="Large sums wrapped round to the other sign: they stay at the end of the range.",
    named=True,
)
def wraps_round(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    small = shifted(codes @ x, fraction + x_fraction - out_fraction)
    half = 2 ** (out_bits - 1)
    return (small + half) % (2 * half) - half


@mutant(
    "ese-4",
    replaces="fixed_product",
    misconception="The fraction bits of weights and inputs add up in a product.",
    named=True,
)
def fraction_of_weights_only(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    return inside(shifted(codes @ x, fraction - out_fraction), out_bits)


@mutant(
    "ese-4",
    replaces="fixed_product",
    misconception="More fraction bits than the product has are a shift to the left.",
    named=True,
)
def never_to_the_left(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    return inside(shifted(codes @ x, max(fraction + x_fraction - out_fraction, 0)), out_bits)


@mutant(
    "ese-4",
    replaces="fixed_product",
    misconception="You rounded every product before the sum: round the sum, once.",
    named=True,
)
def rounds_each_product(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    products = np.asarray(codes)[:, :, None] * np.asarray(x)[None]
    return inside(shifted(products, fraction + x_fraction - out_fraction).sum(1), out_bits)


@mutant(
    "ese-4",
    replaces="fixed_product",
    misconception="You cut to the range before the shift; only what comes out has so few bits.",
    named=True,
)
def cut_before_the_shift(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    return shifted(inside(codes @ x, out_bits), fraction + x_fraction - out_fraction)


@mutant(
    "ese-4",
    replaces="fixed_product",
    misconception="The range ends at the same number on both sides.",
)
def same_on_both_sides(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    limit = 2 ** (out_bits - 1) - 1
    return np.clip(shifted(codes @ x, fraction + x_fraction - out_fraction), -limit, limit)


@mutant(
    "ese-4",
    replaces="fixed_product",
    misconception="The sums were kept in 32 bits, which sixteen bits of input can overflow.",
)
def narrow_sums(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    sums = (np.asarray(codes) @ np.asarray(x)).astype(np.int32).astype(np.int64)
    return inside(shifted(sums, fraction + x_fraction - out_fraction), out_bits)


@honest("ese-4", replaces="fixed_product", differs="division with floor, in Python's whole numbers")
def by_division(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    shift = fraction + x_fraction - out_fraction
    low, high = -(2 ** (out_bits - 1)), 2 ** (out_bits - 1) - 1
    result = []
    for row in np.asarray(codes).tolist():
        exact = [sum(c * v for c, v in zip(row, column, strict=True)) for column in np.asarray(x).T.tolist()]
        scaled = [(2 * s + 2**shift) // (2 * 2**shift) if shift > 0 else s * 2**-shift for s in exact]
        result.append([min(max(s, low), high) for s in scaled])
    return result


@honest("ese-4", replaces="fixed_product", differs="floats of 64 bits, exact for such numbers")
def in_floats(codes, fraction, x, x_fraction, out_fraction, out_bits=16):
    sums = np.asarray(codes, dtype=np.float64) @ np.asarray(x, dtype=np.float64)
    value = np.floor(np.ldexp(sums, out_fraction - fraction - x_fraction) + 0.5)
    return np.clip(value, -(2.0 ** (out_bits - 1)), 2.0 ** (out_bits - 1) - 1)
