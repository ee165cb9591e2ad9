// The EIE player's machine alone: runs of argv[3], a list of traits, replayed; every cycle's state as JSON.
import { readFileSync } from "node:fs";

const { replay, stateAt, unpack } = await import(process.argv[2]);
const runs = JSON.parse(readFileSync(process.argv[3], "utf8"));
const plain = (numbers) => Array.from(numbers);

console.log(JSON.stringify(runs.map((state) => {
  const counts = unpack(state);
  const machine = replay(counts, state.batches, state.depth);
  const cycles = Array.from({ length: machine.cycles + 1 }, (_, cycle) => {
    const at = stateAt(machine, cycle);
    return [at.sent, at.stalled, at.scanning, at.pushed, at.stalls, at.zeroRows, plain(at.queue), plain(at.doing), plain(at.entries), at.balance];
  });
  const { columns, pes, taken } = machine;
  const byColumn = Array.from({ length: columns }, (_, j) => Array.from({ length: pes }, (_, k) => taken[k * columns + j]));
  return {
    real: plain(counts.real), padding: plain(counts.padding), gaps: plain(counts.gaps),
    cycles: machine.cycles, ready: plain(machine.ready), broadcast: plain(machine.broadcast), taken: byColumn, states: cycles,
  };
})));
