"""Numbers in as many bytes as they need: seven bits a byte, the least significant first (LEB128)."""

from efflab.huffman._errors import HuffmanError


def varint(number: int) -> bytes:
    """Write a number that is at least 0."""
    pieces = bytearray()
    while number >= 128:
        pieces.append(number & 127 | 128)
        number >>= 7
    pieces.append(number)
    return bytes(pieces)


def read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read a number below 2^63 that begins at byte ``at``, and say where it ends.

    Raises:
        HuffmanError: where the data end within the number, or it is written longer than it needs.
    """
    number = 0
    for place, byte in enumerate(data[at : at + 9]):
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            if byte == 0 and place > 0:
                raise HuffmanError(f"the number at byte {at:,} is written with more bytes than it needs")
            return number, at + place + 1
    raise HuffmanError(f"the data end within the number at byte {at:,}, or it is no number below 2^63")
