"""SCALE-Sim on one dense layer: run by ``benchmarks.eie`` in an environment of SCALE-Sim's own, whose NumPy is older.

``python scalesim_layer.py FOLDER ROWS COLUMNS PES_ACROSS`` writes into the folder and prints one line of JSON. SCALE-Sim's own
output goes to standard error.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

CONFIG = """
[general]
run_name = run
[architecture_presets]
ArrayHeight: {side}
ArrayWidth: {side}
IfmapSramSzkB: 256
FilterSramSzkB: 256
OfmapSramSzkB: 128
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Dataflow: ws
Bandwidth: 10
ReadRequestBuffer: 64
WriteRequestBuffer: 64
[layout]
IfmapCustomLayout: False
FilterCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""


def main() -> None:
    from scalesim.scale_sim import scalesim  # noqa: PLC0415 - it is not in our environment

    folder, (rows, columns, side) = Path(sys.argv[1]), map(int, sys.argv[2:])
    config, topology, layout = (folder / name for name in ("scale.cfg", "layer.csv", "layout.csv"))
    config.write_text(CONFIG.format(side=side), encoding="utf-8")
    topology.write_text(f"Layer,M,N,K,Sparsity,\nfc,1,{rows},{columns},1:1,\n", encoding="utf-8")
    layout.write_text(f"Layer,{'x,' * 20}\nfc,{'1,' * 20}\n", encoding="utf-8")
    with contextlib.redirect_stdout(sys.stderr):
        run = scalesim(
            save_disk_space=True, verbose=False, config=str(config), topology=str(topology), layout=str(layout),
            input_type_gemm=True,
        )  # fmt: skip
        start = time.process_time()
        run.run_scale(top_path=str(folder))
        seconds = time.process_time() - start
    cycles = run.runner.single_layer_sim_object_list[0].get_compute_report_items()[0]
    print(json.dumps({"cycles": int(cycles), "seconds": seconds}))


if __name__ == "__main__":
    main()
