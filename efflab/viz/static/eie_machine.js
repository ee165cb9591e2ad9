// The EIE machine, replayed from a layer's entry counts: no drawing here. Every state is found by binary search.

/** Bytes of a base64 text. */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}

/** Read `count` symbols of a canonical Huffman code, as efflab.huffman writes one stream of them. */
export function readWords(lengths, data, count) {
  const order = lengths.map((_, symbol) => symbol).filter((symbol) => lengths[symbol] > 0);
  order.sort((a, b) => lengths[a] - lengths[b] || a - b);
  const found = new Uint16Array(count);
  if (order.length < 2) return found.fill(order[0] || 0);
  const most = lengths[order[order.length - 1]];
  const first = new Int32Array(most + 2); // the first word of each length, as a number
  const place = new Int32Array(most + 2); // where its symbol is in the order
  const many = new Int32Array(most + 2);
  for (const symbol of order) many[lengths[symbol]] += 1;
  for (let length = 1; length <= most; length += 1) {
    first[length + 1] = (first[length] + many[length]) << 1;
    place[length + 1] = place[length] + many[length];
  }
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    let word = 0;
    for (let length = 1; length <= most; length += 1) {
      word = (word << 1) | ((data[at >> 3] >> (7 - (at & 7))) & 1);
      at += 1;
      if (word - first[length] < many[length]) {
        found[i] = order[place[length] + word - first[length]];
        break;
      }
    }
  }
  return found;
}

/** Varints: seven bits a byte, the least significant first. */
export function readVarints(data) {
  const found = [];
  let value = 0;
  let shift = 0;
  for (const byte of data) {
    value += (byte & 127) * 2 ** shift;
    shift += 7;
    if (byte < 128) {
      found.push(value);
      value = shift = 0;
    }
  }
  return found;
}

/** The counts that the page embeds: real entries, padding zeros and clashing sums by non-zero input and PE. */
export function unpack(state) {
  const { columns, pes, kinds } = state;
  const words = readWords(state.lengths, bytesOf(state.counts), columns * pes);
  const table = (which) => Uint16Array.from(words, (word) => kinds[word][which]);
  return { columns, pes, real: table(0), padding: table(1), clashes: table(2), gaps: readVarints(bytesOf(state.gaps)) };
}

/** Run the machine by its recurrence. `taken[k * columns + j]` is when PE k takes the j-th non-zero input from its queue. */
export function replay({ columns, pes, real, padding, clashes, gaps }, batches, depth) {
  const ready = new Int32Array(columns);
  const broadcast = new Int32Array(columns);
  const taken = new Int32Array(columns * pes);
  const entries = new Int32Array(columns * pes); // of this slice
  const before = new Int32Array((columns + 1) * pes); // of all slices before it
  const zeros = new Int32Array((columns + 1) * pes); // padding among them
  const extra = new Uint8Array(columns * pes); // a cycle in which a sum is waited for
  const free = new Int32Array(pes);
  let first = 0;
  for (const size of batches) {
    let cycle = free.reduce((a, b) => Math.max(a, b), 0) - 1;
    free.fill(cycle + 1);
    for (let j = first; j < first + size; j += 1) {
      cycle += 1 + gaps[j];
      ready[j] = cycle;
      if (depth === 0) cycle = free.reduce((a, b) => Math.max(a, b - 1), cycle);
      else if (j - first >= depth) for (let k = 0; k < pes; k += 1) cycle = Math.max(cycle, taken[k * columns + j - depth]);
      broadcast[j] = cycle;
      for (let k = 0; k < pes; k += 1) {
        const cell = j * pes + k;
        const here = k * columns + j;
        const sum = k * (columns + 1) + j;
        taken[here] = Math.max(cycle + 1, free[k]);
        entries[here] = real[cell] + padding[cell];
        before[sum + 1] = before[sum] + entries[here];
        zeros[sum + 1] = zeros[sum] + padding[cell];
        extra[cell] = clashes[cell] && taken[here] === free[k] ? 1 : 0;
        free[k] = taken[here] + Math.max(1, entries[here]) + extra[cell];
      }
    }
    first += size;
  }
  const waits = new Int32Array(columns + 1); // stalls and rows of zeros before each broadcast
  const rows = new Int32Array(columns + 1);
  for (let j = 0; j < columns; j += 1) {
    waits[j + 1] = waits[j] + broadcast[j] - ready[j];
    rows[j + 1] = rows[j] + gaps[j];
  }
  const cycles = free.reduce((a, b) => Math.max(a, b), 0);
  const total = Int32Array.from({ length: pes }, (_, k) => before[k * (columns + 1) + columns]);
  const work = total.reduce((a, b) => a + b, 0);
  return { columns, pes, depth, gaps, padding, extra, ready, broadcast, taken, entries, before, zeros, waits, rows, cycles, total, work };
}

/** How many of the rising numbers from place `from` to `to` are at most `value`. */
export function upTo(numbers, value, from, to) {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - from;
}

export const STATES = ["busy", "empty", "hazard", "starved", "finished"];

/** Arrays that `stateAt` fills: one place for each PE. */
export function room(pes) {
  const numbers = () => new Int32Array(pes);
  return { queue: numbers(), doing: numbers(), slice: numbers(), entries: numbers(), zeros: numbers(), left: numbers(), ends: numbers(), blocks: new Uint8Array(pes) };
}

/** The machine in a cycle, queues and counts as they stand at its end. */
export function stateAt(machine, cycle, into = room(machine.pes)) {
  const { columns, pes, ready, broadcast, taken, gaps } = machine;
  const pushed = upTo(broadcast, cycle, 0, columns);
  const elapsed = Math.min(cycle + 1, machine.cycles);
  const state = { ...into, cycle, pushed, elapsed, sent: null, stalled: false, scanning: false, stalls: machine.waits[pushed], zeroRows: machine.rows[pushed], done: 0 };
  if (pushed && broadcast[pushed - 1] === cycle) state.sent = pushed - 1;
  if (pushed < columns) {
    const found = ready[pushed];
    state.stalled = found <= cycle;
    state.scanning = !state.stalled && found - gaps[pushed] <= cycle;
    state.stalls += Math.max(0, elapsed - found);
    state.zeroRows += Math.min(gaps[pushed], Math.max(0, elapsed - found + gaps[pushed]));
  }
  for (let k = 0; k < pes; k += 1) {
    const popped = upTo(taken, cycle, k * columns, (k + 1) * columns);
    into.queue[k] = pushed - popped;
    into.slice[k] = popped - 1;
    inPE(machine, k, popped - 1, cycle, into);
    state.done += into.entries[k];
    // Without queues a PE holds the next input back until the last cycle of its work.
    into.blocks[k] = state.stalled && (machine.depth ? into.queue[k] >= machine.depth : into.ends[k] > cycle + 1) ? 1 : 0;
  }
  state.balance = elapsed ? state.done / (pes * elapsed) : 1;
  return state;
}

/** What PE k does with the last slice that it took, and what it has done; a slice's padding is taken to come first. */
function inPE(machine, k, j, cycle, into) {
  const { columns, pes } = machine;
  const sum = k * (columns + 1);
  if (j < 0) {
    into.doing[k] = columns ? 3 : 4;
    into.entries[k] = into.zeros[k] = into.left[k] = into.ends[k] = 0;
    return;
  }
  const here = k * columns + j;
  const cell = j * pes + k;
  const size = machine.entries[here];
  const since = cycle + 1 - machine.taken[here];
  const needed = Math.max(1, size) + machine.extra[cell];
  const busy = since <= needed;
  into.ends[k] = machine.taken[here] + needed;
  const done = Math.min(size, Math.max(0, since - machine.extra[cell]));
  if (!busy) into.doing[k] = j === columns - 1 ? 4 : 3;
  else if (since <= machine.extra[cell]) into.doing[k] = 2;
  else into.doing[k] = size ? 0 : 1;
  into.left[k] = busy ? size - done : 0;
  into.entries[k] = machine.before[sum + j] + done;
  into.zeros[k] = machine.zeros[sum + j] + Math.min(done, machine.padding[cell]);
}
