// The player of the EIE machine: pictures, counters and table brought to a cycle. Runs on its traits alone: no kernel, no import.

const SAVED = 250; // milliseconds between messages to the kernel
const TOLD = 500; // milliseconds between changes of words and table while playing

function legend() {
  const row = html("div", "efflab-legend");
  for (const [kind, text] of [["real", "entry"], ["padding", "padding zero"], ["queued", "waits in the queue"], ["full", "full queue stalls the broadcast"], ["idle", "nothing to do"]]) {
    const item = html("span", "efflab-key");
    item.appendChild(html("span", `efflab-swatch efflab-${kind}`));
    item.appendChild(html("span", "", text));
    row.appendChild(item);
  }
  return row;
}

/** Names and numbers of the counters at a cycle. */
export function counters(machine, at) {
  return [
    ["cycle", `${grouped(at.cycle)} / ${grouped(machine.cycles)}`],
    ["broadcasts", `${grouped(at.pushed)} / ${grouped(machine.columns)}`],
    ["stalled cycles", grouped(at.stalls)],
    ["zero rows", grouped(at.zeroRows)],
    ["entries", `${grouped(at.done)} / ${grouped(machine.work)}`],
    ["balance so far", percent(at.balance)],
  ];
}

function counterRow(machine) {
  const node = html("div", "efflab-counters");
  const widest = counters(machine, stateAt(machine, machine.cycles));
  const cells = widest.map(([name, text]) => {
    const pair = html("div", "");
    const value = html("span", "efflab-count");
    value.setAttribute("style", `min-width: ${text.length}ch`);
    pair.appendChild(html("span", "efflab-counted", name));
    pair.appendChild(value);
    node.appendChild(pair);
    return value;
  });
  const update = (at) => counters(machine, at).forEach(([, text], i) => {
    if (cells[i].textContent !== text) cells[i].textContent = text;
  });
  return [node, update];
}

/** All PEs as a table, kept up to date while it is open. */
function peTable(machine, shown) {
  const node = html("details", "efflab-details");
  node.appendChild(html("summary", "", "All PEs as a table"));
  const table = html("table", "efflab-table");
  const lines = (kind, texts) => {
    const line = html("tr", "");
    const cells = texts.map((text, i) => {
      const heading = kind === "thead" || i === 0;
      const cell = html(heading ? "th" : "td", "", text);
      if (heading) cell.setAttribute("scope", kind === "thead" ? "col" : "row");
      line.appendChild(cell);
      return cell;
    });
    return [line, cells];
  };
  const [head, body] = ["thead", "tbody"].map((kind) => table.appendChild(html(kind, "")));
  head.appendChild(lines("thead", ["PE", "queue", "entries done", "of", "does"])[0]);
  const rows = Array.from({ length: machine.pes }, (_, k) => {
    const [line, cells] = lines("tbody", [String(k), "", "", grouped(machine.total[k]), ""]);
    body.appendChild(line);
    return cells;
  });
  const scroller = html("div", "efflab-scroller");
  scroller.setAttribute("tabindex", "0");
  scroller.setAttribute("role", "region");
  scroller.setAttribute("aria-label", "Table of the PEs");
  scroller.appendChild(table);
  node.appendChild(scroller);
  const update = (at) => {
    if (!node.open) return;
    rows.forEach((cells, k) => {
      cells[1].textContent = `${at.queue[k]} of ${machine.depth}`;
      cells[2].textContent = grouped(at.entries[k]);
      cells[4].textContent = doingOf(machine, shown, at, k);
    });
  };
  return [node, update];
}

/** Pictures, words, counters and table of a run; `show(at, quietly)` brings them to a state of the machine. */
function display(machine, shown, output) {
  const view = { at: stateAt(machine, 0), selected: null, colours: null };
  const [grid, load, run] = [gridSurface, loadSurface, courseSurface].map((one) => one(machine, view));
  const surfaces = [grid, load, run];
  if (shown.outputs.length) surfaces.push(outputSurface(machine, shown, view));
  const charts = panels(surfaces.filter((one) => one !== grid && one !== run).map(({ node }) => node));
  const bus = html("div", "efflab-bus");
  const [numbers, count] = counterRow(machine);
  const [table, tabulate] = peTable(machine, shown);
  table.addEventListener("toggle", () => tabulate(view.at));
  const voice = (live) => [bus, output].forEach((node) => node.setAttribute("aria-live", live));
  const paint = () => {
    clearTimeout(view.later);
    if (!view.colours || !view.colours.face) view.colours = coloursOf(output);
    if (view.colours.face) for (const one of surfaces) one.paint();
    else view.later = setTimeout(paint, 50); // the style sheet has not come yet, or the figure is not on the page
  };
  const show = (at, quietly) => {
    view.at = at;
    const [kind, text] = onBus(machine, shown, at);
    bus.className = `efflab-bus efflab-${kind}`;
    bus.textContent = text;
    count(at);
    if (!quietly) {
      tabulate(at);
      output.textContent = reading(machine, shown, at, view.selected);
    }
    paint();
  };
  return { view, surfaces, grid, run, charts, bus, numbers, table, voice, paint, show };
}

/** The trait `cycle`: `move` shows another one, and the kernel hears of it now and then. */
function cycleOf(model, last, time) {
  const get = () => Math.min(model.get("cycle"), last);
  let saved = 0;
  const move = (cycle) => {
    const place = Math.min(last, Math.max(0, cycle));
    if (place === get()) return;
    model.set("cycle", place); // whoever listens to the trait shows it
    const now = performance.now();
    if (time.playing && now - saved < SAVED) return;
    saved = now;
    model.save_changes();
  };
  return [get, move];
}

const KEYS = ["title", "pes", "depth", "columns", "batches", "kinds", "lengths", "counts", "gaps", "skips", "values", "largest", "outputs"];

function render({ model, el }) {
  const id = newId();
  const state = Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));
  const machine = replay(unpack(state), state.batches, state.depth);
  const last = machine.cycles;
  const output = readout(id);
  const into = room(machine.pes);
  const time = clock(last);
  const [get, move] = cycleOf(model, last, time);
  const go = (cycle) => {
    time.stop();
    move(cycle);
  };
  const scene = display(machine, captions(state), output);
  const select = (k) => {
    scene.view.selected = k;
    update();
  };
  const [control, follow, showPe] = controls(id, machine, time, get, go, select);
  const root = frame(state.title, "efflab-eie", [legend(), scene.bus, scene.grid.node, scene.charts, scene.run.node, ...control, scene.numbers, output, scene.table]);
  el.appendChild(root);

  let told = 0;
  const update = () => {
    const now = performance.now();
    const quietly = time.playing && now - told < TOLD;
    if (!quietly) told = now;
    follow();
    scene.show(stateAt(machine, get(), into), quietly);
  };
  time.link(get, move, () => {
    scene.voice(time.playing ? "off" : "polite"); // a voice could not keep up
    if (!time.playing) model.save_changes();
    update();
  });
  onKeys(root, last, get, go, time.toggle);
  onPointer(scene.run.node, (x, _, width) => go(Math.floor((x / width) * last)), true);
  onPointer(scene.grid.node, (x, y, width) => {
    const k = peAt(machine.pes, x, y, width);
    if (k === null) return;
    showPe(k === scene.view.selected ? null : k);
    select(k === scene.view.selected ? null : k);
  }, false);
  const ends = [onTheme(() => { scene.view.colours = null; scene.paint(); }), onResize(scene.surfaces, scene.paint)];
  model.on("change:cycle", update);
  scene.voice("polite");
  update();
  return () => {
    time.stop();
    clearTimeout(scene.view.later);
    for (const end of ends) end();
    model.off("change:cycle", update);
  };
}

export default { render };
