// What the player of the EIE machine says in words.

const grouped = (value) => value.toLocaleString("en-US");
const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** Indices, values and outputs of a run, where the page has them. */
export function captions(state) {
  const steps = readVarints(bytesOf(state.skips));
  const raw = bytesOf(state.values);
  const view = new DataView(raw.buffer);
  const values = Array.from({ length: raw.length / 2 }, (_, j) => (view.getInt16(2 * j, true) / 32767) * state.largest);
  let last = -1;
  const indices = steps.map((step) => { last += step + 1; return last; });
  const outputs = Array.from(new Int8Array(bytesOf(state.outputs).buffer), (level) => level / 127);
  return { indices, values, outputs };
}

/** What a non-zero input is called. */
export function called(shown, j) {
  const name = shown.indices.length ? `input ${shown.indices[j]}` : `non-zero input ${j + 1}`;
  return shown.values.length ? `${name} = ${Number(shown.values[j].toPrecision(3))}` : name;
}

function listed(places, noun) {
  const named = places.slice(0, 6).join(", ") + (places.length > 6 ? ` and ${places.length - 6} more` : "");
  return `${noun}${places.length === 1 ? "" : "s"} ${named}`;
}

const placesWhere = (numbers, test) => Array.from(numbers.keys()).filter((k) => test(numbers[k]));

/** What happens on the way from the inputs to the queues: a kind and a sentence. */
export function onBus(machine, shown, at) {
  if (at.cycle >= machine.cycles) return ["ended", "All PEs are done."];
  if (at.sent !== null) return ["sent", `Broadcast to all queues: ${called(shown, at.sent)}.`];
  if (at.stalled) {
    const held = placesWhere(at.blocks, Boolean);
    const [queue, is] = held.length === 1 ? ["queue", "is"] : ["queues", "are"];
    const names = listed(held, "PE");
    const until = machine.depth ? `the ${queue} of ${names} ${is} full` : `${names} must end the work before`;
    return ["stalled", `Stalled: ${called(shown, at.pushed)} waits, for ${until}.`];
  }
  if (at.scanning) return ["scanning", "A row of zero inputs is skipped."];
  return ["ended", at.pushed < machine.columns ? "The batch is broadcast; its last entries are processed." : "All non-zero inputs are broadcast; the last entries are processed."];
}

/** What a PE does, in words. */
export function doingOf(machine, shown, at, k) {
  const j = at.slice[k];
  const name = j >= 0 ? called(shown, j).split(" =")[0] : "";
  const size = j >= 0 ? machine.entries[k * machine.columns + j] : 0;
  if (STATES[at.doing[k]] === "busy") return `${name}, entry ${size - at.left[k]} of ${size}`;
  return { empty: `${name}, no entry`, hazard: `${name}, waits for its sum`, starved: "starved", finished: "finished" }[STATES[at.doing[k]]];
}

/** The line below the figure, and what a screen reader hears. */
export function reading(machine, shown, at, selected) {
  const counts = STATES.map((_, which) => at.doing.reduce((sum, one) => sum + (one === which), 0));
  const idle = counts[3] + counts[4];
  const words = [`Cycle ${grouped(at.cycle)} of ${grouped(machine.cycles)}.`];
  if (at.cycle < machine.cycles) words.push(`${counts[0]} of ${machine.pes} PEs process an entry, ${counts[1]} read an empty slice, ${counts[2] ? `${counts[2]} wait for a sum, ` : ""}${idle} have nothing to do.`);
  words.push(`Balance so far ${percent(at.balance)}.`);
  if (selected !== null) words.push(`PE ${selected}: ${doingOf(machine, shown, at, selected)}; queue ${at.queue[selected]} of ${machine.depth}; ${grouped(at.entries[selected])} of ${grouped(machine.total[selected])} entries done.`);
  return words.join(" ");
}
