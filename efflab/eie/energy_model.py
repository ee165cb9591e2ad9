"""Energy, area and power of a machine and its runs, by module.

The published figures describe one machine. Another one is scaled from it, and no further than its description says:

- everything that switches, with the clock;
- *Act queue* with its slots and the bits of an activation, *ActRW* with registers and bits, *PtrRead*'s area with its SRAM;
- *SpmatRead*'s area with its SRAM, its power with reads times energy a read (figure 9);
- *ArithmUnit*'s power with multiplication and addition of its precision (figure 10, table I), its area with the bits;
- another process as table V does: frequency linear, area quadratic, power constant.

The energy of a run is given twice. *Power x time* is the paper's. *Counted* adds up reads, writes and operations at their
own prices; it leaves out clock, leakage and control, and so shows what the work itself costs.

Source: ISCA 2016, section VI and tables I, II and V.
"""

from efflab.eie import energy_tables as tables
from efflab.eie.counters import Counters
from efflab.eie.energy_report import Area, Energy, Part, Power, Spent
from efflab.eie.machine import POINTER_BITS, Machine
from efflab.eie.run import Run
from efflab.errors import EfflabError


def area(machine: Machine) -> Area:
    """Give the chip's area by module.

    Raises:
        EfflabError: a memory without a size.

    >>> from efflab.eie import Machine
    >>> round(area(Machine()).total_mm2, 2)
    40.84
    """
    if machine.spmat_kb is None or machine.ptr_kb is None:
        name = "spmat_kb" if machine.spmat_kb is None else "ptr_kb"
        raise EfflabError(f"{name} is None, and a memory must have a size to have an area")
    bits = machine.bits / tables.ACT_BITS
    ratios = {
        "Act queue": machine.fifo / tables.FIFO * bits,
        "PtrRead": machine.ptr_kb / tables.PTR_KB,
        "SpmatRead": machine.spmat_kb / tables.SPMAT_KB,
        "ArithmUnit": bits,
        "ActRW": machine.regs / tables.REGS * bits,
    }
    shrink = (machine.technology_nm / tables.TECHNOLOGY_NM) ** 2
    scaled = {name: tables.AREA_UM2[name] * ratio for name, ratio in ratios.items()}
    # Filler cells take the share of the rest that they take in the published layout.
    filled = sum(scaled.values()) / sum(tables.AREA_UM2[name] for name in tables.MODULES)
    scaled[tables.FILLER] = tables.AREA_UM2[tables.FILLER] * filled
    parts = [Part(name, um2 * shrink, machine.pes) for name, um2 in scaled.items()]
    nodes = Part(tables.LNZD, tables.LNZD_UM2 * shrink, tables.lnzd_nodes(machine.pes))
    return Area(machine, (*parts, nodes))


def power(machine: Machine) -> Power:
    """Give the chip's power by module, while it works as it did for table II.

    Raises:
        EfflabError: a width of the matrix SRAM for which no energy is published.

    >>> from efflab.eie import Machine
    >>> round(power(Machine()).total_w, 3)
    0.587
    """
    ratios = _power_ratios(machine)
    pace = _pace(machine)
    parts = [Part(name, tables.POWER_MW[name] * ratio * pace, machine.pes) for name, ratio in ratios.items()]
    return Power(machine, (*parts, Part(tables.LNZD, tables.LNZD_MW * pace, tables.lnzd_nodes(machine.pes))))


def _power_ratios(machine: Machine) -> dict[str, float]:
    """What each module of a PE takes at equal clock and process, by what the published one takes."""
    bits = machine.bits / tables.ACT_BITS
    reading = tables.reads(machine.entries_per_row) * tables.read_pj(machine.sram_width)
    published = tables.READS[int(tables.SPMAT_WIDTH)] * tables.READ_PJ[int(tables.SPMAT_WIDTH)]
    return {
        "Act queue": machine.fifo / tables.FIFO * bits,
        "PtrRead": 1.0,
        "SpmatRead": reading / published,
        "ArithmUnit": _operation_pj(machine.precision) / _operation_pj("int16"),
        "ActRW": machine.regs / tables.REGS * bits,
    }


def _operation_pj(precision: str) -> float:
    return tables.MULTIPLY_PJ[precision] + tables.ADD_PJ[precision]


def _pace(machine: Machine) -> float:
    """Clock over the one that the published machine would have in this process: equal power at equal pace."""
    return machine.clock_mhz * machine.technology_nm / (tables.CLOCK_MHZ * tables.TECHNOLOGY_NM)


def project(machine: Machine, technology_nm: int) -> Machine:
    """Build the same machine in another process: its clock rises as lines shrink.

    >>> from efflab.eie import Machine
    >>> round(project(Machine(), 28).clock_mhz)
    1286
    """
    if isinstance(technology_nm, bool) or not isinstance(technology_nm, int) or technology_nm < 1:
        raise EfflabError(f"technology_nm must be a whole number above 0, got {technology_nm!r}")
    return machine.with_(
        technology_nm=technology_nm, clock_mhz=machine.clock_mhz * machine.technology_nm / technology_nm
    )


def energy(run: Run | Counters, machine: Machine | None = None) -> Energy:
    """Give the energy of a run by module.

    Args:
        run: of one layer, or the counts of any number of them on one machine.
        machine: that ran; a run knows its own.

    Returns:
        Energy of each module, counted and as power times time.

    Raises:
        EfflabError: no machine, one of another size than counted, or one without published energies.

    >>> from efflab import eie
    >>> run = eie.simulate(eie.draw(1000, 4096, 0.25), eie.draw_active(4096, 0.375))
    >>> spent = energy(run)
    >>> spent.counted_uj < spent.total_uj
    True
    """
    machine = machine or (run.machine if isinstance(run, Run) else None)
    counters = run.counters if isinstance(run, Run) else run
    if machine is None:
        raise EfflabError("machine is None, and counts alone do not say which machine they are of")
    if machine.pes != counters.pes:
        raise EfflabError(f"machine has {machine.pes} PEs, and the run was counted on {counters.pes}")
    time_us = (counters.cycles + counters.fill) / machine.clock_mhz
    counted = counted_pj(counters, machine)
    # A milliwatt for a microsecond is a nanojoule.
    drawn = {part.name: 1e3 * part.total * time_us for part in power(machine).parts}
    return Energy(machine, time_us, tuple(Spent(name, counted[name], drawn[name]) for name in drawn))


def counted_pj(counters: Counters, machine: Machine) -> dict[str, float]:
    """Price what a run counted, by module, in picojoule.

    A queue's entry is an activation with the index of its input; pointers and activations outside the registers come from
    SRAM at table I's price a bit; a write costs as much as a read.
    """
    c, bits = counters, machine.bits
    register, sram = tables.REGISTER_PJ_PER_BIT, tables.SRAM_READ_PJ_PER_BIT
    queued_bits = bits + (machine.batch - 1).bit_length()
    node_pj = 1e3 * tables.LNZD_MW / tables.CLOCK_MHZ
    found = {
        "Act queue": (c.queue_pushes + c.queue_pops) * queued_bits * register,
        "PtrRead": c.pointer_reads * POINTER_BITS * sram,
        "SpmatRead": c.spmat_reads * tables.read_pj(machine.sram_width),
        "ArithmUnit": c.entries * _operation_pj(machine.precision) + c.codebook_reads * bits * register,
        "ActRW": (c.act_reads + c.act_writes) * bits * register
        + (c.act_sram_reads + c.act_sram_writes) * bits * sram,
        tables.LNZD: c.scan_cycles * tables.lnzd_nodes(machine.pes) * node_pj,
    }
    shrink = machine.technology_nm / tables.TECHNOLOGY_NM
    return {name: pj * shrink for name, pj in found.items()}
