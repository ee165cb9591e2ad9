// The pictures of the EIE player: the grid of PEs, their load, the outputs, the run from end to end.

/** Where the PEs stand in a grid of this width. */
export function gridOf(pes, width) {
  const small = pes > 64;
  const wide = width >= 560;
  const across = small ? (wide ? 32 : 16) : pes <= 4 ? pes : pes <= 16 ? (wide ? 8 : 4) : wide ? 16 : 8;
  const columns = Math.min(pes, across);
  const cell = Math.min(width / columns, 120);
  const [tall, slice, queue] = small ? [22, 6, 4] : pes <= 16 ? [60, 20, 8] : [44, 11, 5];
  return { small, columns, cell, tall, slice, queue, height: Math.ceil(pes / columns) * tall };
}

const USUAL = 8; // entries of a slice that are drawn at full width; of more, each is drawn narrower

function gridSurface(machine, view) {
  return surface("The PEs as a grid of boxes. In each box: above, the entries of the slice that it works on, padding zeros low and grey; below, the places of its queue. A box is pale where the PE has nothing to do, and red where its full queue stalls the broadcast.", (width) => gridOf(machine.pes, width).height, (context, width) => {
    const { at, colours, selected } = view;
    const grid = gridOf(machine.pes, width);
    const edge = grid.small ? 1 : 2;
    const inner = grid.cell - 2 * edge - (grid.small ? 4 : 8);
    const place = inner / machine.depth;
    const slots = machine.depth <= 16 && !grid.small;
    context.font = `10px ${colours.font}`;
    for (let k = 0; k < machine.pes; k += 1) {
      const x = (k % grid.columns) * grid.cell + edge;
      const y = Math.floor(k / grid.columns) * grid.tall + edge;
      const idle = at.doing[k] >= 3;
      const blocks = at.blocks[k] === 1;
      box(context, x, y, grid.cell - 2 * edge, grid.tall - 2 * edge, idle, blocks, k === selected, colours);
      const left = x + (grid.small ? 2 : 4);
      if (!grid.small) {
        context.fillStyle = idle ? colours.muted : colours.text;
        context.fillText(String(k), left, y + 11);
      }
      const top = y + (grid.small ? 3 : 15);
      if (at.doing[k] === 0) slice(context, left, top, inner, grid.slice, machine, at, k, colours);
      else if (at.doing[k] <= 2) emptySlice(context, left, top, grid.slice, colours);
      if (machine.depth) queue(context, left, y + grid.tall - grid.queue - (grid.small ? 5 : 6), place, grid.queue, slots, at.queue[k], machine.depth, blocks ? colours.stop : colours.series[2], colours);
    }
  });
}

function box(context, x, y, width, height, idle, blocks, selected, colours) {
  if (idle || blocks) {
    context.globalAlpha = blocks ? 0.2 : 0.55;
    context.fillStyle = blocks ? colours.stop : colours.grid;
    context.fillRect(x, y, width, height);
    context.globalAlpha = 1;
  }
  context.strokeStyle = blocks ? colours.stop : selected ? colours.text : idle ? colours.grid : colours.muted;
  context.lineWidth = blocks || selected ? 2 : 1;
  context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
}

/** The entries of a slice: done ones solid, padding zeros grey and half as high. */
function slice(context, x, y, width, height, machine, at, k, colours) {
  const j = at.slice[k];
  const size = machine.entries[k * machine.columns + j];
  const zeros = machine.padding[j * machine.pes + k];
  const done = size - at.left[k];
  const unit = Math.min(12, width / Math.max(USUAL, size));
  const gap = unit > 3 ? 1 : 0;
  for (let i = 0; i < size; i += 1) {
    const low = i < zeros ? height / 2 : 0;
    context.fillStyle = i < zeros ? colours.muted : colours.series[0];
    context.globalAlpha = i < done ? 1 : 0.3;
    context.fillRect(x + i * unit, y + low, unit - gap, height - low);
  }
  context.globalAlpha = 1;
}

function emptySlice(context, x, y, height, colours) {
  context.strokeStyle = colours.muted;
  context.lineWidth = 1;
  context.strokeRect(x + 0.5, y + 0.5, 5, height - 1);
}

function queue(context, x, y, place, height, slots, fill, depth, colour, colours) {
  context.fillStyle = colours.grid;
  if (slots) for (let i = fill; i < depth; i += 1) context.fillRect(x + i * place, y, place - 1, height);
  else context.fillRect(x, y, place * depth, height);
  context.fillStyle = colour;
  if (slots) for (let i = 0; i < fill; i += 1) context.fillRect(x + i * place, y, place - 1, height);
  else context.fillRect(x, y, place * fill, height);
}

/** The frame of a small chart: what its axes say. */
function caption(context, width, height, above, below, colours) {
  context.fillStyle = colours.text;
  context.font = `11px ${colours.font}`;
  context.fillText(above, 0, 11);
  context.fillText(below, 0, height - 3);
}

function loadSurface(machine, view) {
  const most = machine.total.reduce((a, b) => Math.max(a, b), 1);
  const mean = machine.work / machine.pes;
  return surface("Histogram of the load: for each PE a bar of its entries in the whole run, pale, and of those done so far, padding zeros grey; a dashed line marks the mean.", () => 140, (context, width, height) => {
    const { at, colours, selected } = view;
    caption(context, width, height, `entries of each PE: most ${grouped(most)}, mean ${grouped(Math.round(mean))}`, `PE 0 to ${machine.pes - 1}`, colours);
    const [top, bottom] = [20, height - 18];
    const tall = (value) => ((bottom - top) * value) / most;
    const wide = width / machine.pes;
    const gap = wide > 4 ? 1 : 0;
    for (let k = 0; k < machine.pes; k += 1) {
      const x = k * wide;
      const zeros = tall(at.zeros[k]);
      const done = tall(at.entries[k]);
      const all = tall(machine.total[k]);
      bar(context, x, bottom - all, wide - gap, all - done, colours.series[0], 0.25);
      bar(context, x, bottom - done, wide - gap, done - zeros, colours.series[0], 1);
      bar(context, x, bottom - zeros, wide - gap, zeros, colours.muted, 1);
      if (k === selected) bar(context, x, bottom, wide - gap, 3, colours.text, 1);
    }
    context.strokeStyle = colours.text;
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    line(context, [[0, bottom - tall(mean)], [width, bottom - tall(mean)]]);
    context.setLineDash([]);
  });
}

function bar(context, x, y, width, height, colour, alpha) {
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  context.fillRect(x, y, width, height);
  context.globalAlpha = 1;
}

function line(context, points) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

/** Bars of the output vector: of more outputs than pixels, the largest of each pixel's. */
export function outputBars(outputs, most) {
  const many = Math.min(outputs.length, most);
  return Array.from({ length: many }, (_, bin) => {
    const from = Math.floor((bin * outputs.length) / many);
    let largest = from;
    for (let i = from; i < Math.floor(((bin + 1) * outputs.length) / many); i += 1) if (Math.abs(outputs[i]) > Math.abs(outputs[largest])) largest = i;
    return largest;
  });
}

function outputSurface(machine, shown, view) {
  const { outputs } = shown;
  const real = (k) => machine.total[k] - machine.zeros[k * (machine.columns + 1) + machine.columns];
  const all = Int32Array.from({ length: machine.pes }, (_, k) => real(k));
  const high = outputs.reduce((a, b) => Math.max(a, b), 0);
  const low = outputs.reduce((a, b) => Math.min(a, b), 0);
  let bars = [];
  return surface("The output vector: a pale bar for the final value of each output, and a solid part that is estimated from each element's share of products: how many of the products of its PE are added, whichever rows they are of.", () => 140, (context, width, height) => {
    const { at, colours } = view;
    const share = (k) => (all[k] ? (at.entries[k] - at.zeros[k]) / all[k] : 1);
    const most = Math.max(1, Math.floor(width / 2));
    if (bars.length !== Math.min(most, outputs.length)) bars = outputBars(outputs, most);
    caption(context, width, height, "outputs, estimated from each element's share of products", `output 0 to ${grouped(outputs.length - 1)}`, colours);
    const level = scale(low, high, height - 18, 20);
    const wide = width / bars.length;
    bars.forEach((output, i) => {
      const tall = level(outputs[output]) - level(0);
      const here = [i * wide, level(0), Math.max(1, wide - (wide > 4 ? 1 : 0.4))];
      bar(context, ...here, tall, colours.series[4], 0.25);
      bar(context, ...here, tall * share(output % machine.pes), colours.series[4], 1);
    });
    context.strokeStyle = colours.muted;
    context.lineWidth = 1;
    line(context, [[0, level(0)], [width, level(0)]]);
  });
}

/** For each cycle, how many PEs process an entry, and whether the broadcast is stalled. */
export function course(machine) {
  const { cycles, columns, pes, taken, entries, extra, ready, broadcast } = machine;
  const change = new Int32Array(cycles + 2);
  for (let k = 0; k < pes; k += 1) {
    for (let j = 0; j < columns; j += 1) {
      const from = taken[k * columns + j] + extra[j * pes + k];
      change[from] += 1;
      change[from + entries[k * columns + j]] -= 1;
    }
  }
  const busy = new Int32Array(cycles);
  const stalled = new Uint8Array(cycles);
  for (let c = 0, now = 0; c < cycles; c += 1) busy[c] = now += change[c];
  for (let j = 0; j < columns; j += 1) stalled.fill(1, ready[j], broadcast[j]);
  return { busy, stalled };
}

/** Means of a row of numbers over so many equal parts. */
export function means(numbers, parts) {
  return Array.from({ length: parts }, (_, i) => {
    const from = Math.floor((i * numbers.length) / parts);
    const to = Math.max(from + 1, Math.floor(((i + 1) * numbers.length) / parts));
    let sum = 0;
    for (let c = from; c < to; c += 1) sum += numbers[c];
    return sum / (to - from);
  });
}

function courseSurface(machine, view) {
  const { busy, stalled } = course(machine);
  let shares = [];
  let stalls = [];
  const one = surface("The whole run from left to right: the share of PEs that process an entry as an area, and below it, in red, where the broadcast is stalled; a line marks the cycle that is shown.", () => 64, (context, width, height) => {
    const { at, colours } = view;
    const parts = Math.max(1, Math.min(Math.floor(width), machine.cycles));
    if (shares.length !== parts) {
      shares = means(busy, parts).map((count) => count / machine.pes);
      stalls = means(stalled, parts);
    }
    const [top, bottom] = [16, height - 10];
    context.fillStyle = colours.text;
    context.font = `11px ${colours.font}`;
    context.fillText("share of PEs at work, and stalls", 0, 11);
    const wide = width / parts;
    for (let i = 0; i < parts && machine.cycles; i += 1) {
      bar(context, i * wide, bottom, wide + 0.5, (top - bottom) * shares[i], colours.series[0], 0.45);
      if (stalls[i] > 0) bar(context, i * wide, height - 8, wide + 0.5, 8, colours.stop, 0.25 + 0.75 * stalls[i]);
    }
    context.strokeStyle = colours.text;
    context.lineWidth = 2;
    const x = machine.cycles ? ((at.cycle + 0.5) / machine.cycles) * width : 0;
    line(context, [[Math.min(x, width - 1), top], [Math.min(x, width - 1), height]]);
  });
  one.node.className += " efflab-drags"; // a finger may move along it
  return one;
}
