"""What operations and memory accesses cost in a 45 nm process (Han et al., NIPS 2015, Figure 1, after Horowitz, ISSCC 2014).

The constants carry their unit in the name; a word is 32 bits.
"""

from typing import Final

from efflab.paper._records import get


def _pj(name: str) -> float:
    figure = get(f"pruning/figure1/{name}")
    assert figure.unit == "pJ"
    return float(figure.value)


WORD_BYTES: Final = 4
INT32_ADD_PJ: Final = _pj("int32_add")
INT32_MULTIPLY_PJ: Final = _pj("int32_mult")
FP32_ADD_PJ: Final = _pj("fp32_add")
FP32_MULTIPLY_PJ: Final = _pj("fp32_mult")
REGISTER_READ_PJ_PER_WORD: Final = _pj("register_file_32b")
SRAM_READ_PJ_PER_WORD: Final = _pj("sram_cache_32b")
DRAM_READ_PJ_PER_WORD: Final = _pj("dram_32b")
