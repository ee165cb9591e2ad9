// The Gantt chart of an ESE step: rows by resource, bars by task, switches for its overlaps. Runs on its traits alone.

const ROW = { name: 15, bar: 26, all: 50 };
const AXIS = 34;
const LETTER = 6.4; // pixels, about
const ROOM = 7; // pixels that a task should have in the mean

const share = (value) => `${(100 * value).toFixed(0)} %`;
const among = (names) => (names.length ? names.join(", ") : "nothing");

/** Time in microseconds, as it is written. */
export function micro(cycles, clock) {
  return `${(cycles / clock).toFixed(2)} µs`;
}

/** What is on, and what it costs that something is not. */
export function reading(state, on) {
  const all = makespan(place(state.tasks, state.known));
  const slots = place(state.tasks, on);
  const now = makespan(slots);
  const off = state.known.filter((name) => !on.includes(name));
  const which = off.length === 0 ? "With all overlaps" : off.length === state.known.length ? "Without any overlap" : `Without the overlap of ${off.join(", ")}`;
  const cost = now === all ? "" : `, ${all ? (now / all).toFixed(2) : "∞"} times as long as with all`;
  return `${which} it takes ${micro(now, state.clock_mhz)}${cost}. ${deciding(slots).length} of ${slots.length} tasks decide it (hatched).`;
}

/** A task in words; the chain of those that decide the length is told by whoever has it. */
export function described(slots, name, clock, chain = deciding(slots)) {
  const slot = slots.find((one) => one.name === name);
  const next = slots.filter((one) => one.after.includes(name)).map((one) => one.name);
  const state = slot.state ? ` in state ${slot.state}` : "";
  return `${name} on ${slot.resource}${state}: ${micro(slot.start, clock)} to ${micro(slot.end, clock)}, waits for ${among(slot.after)}; ${next.length ? `${next.join(", ")} ${next.length > 1 ? "wait" : "waits"} for it` : "nothing waits for it"}.${chain.includes(name) ? " It decides the length." : ""}`;
}

/** The bar that a key leads to from another. */
export function neighbour(slots, name, key) {
  const resources = resourcesOf(slots);
  const from = slots.find((one) => one.name === name);
  const row = (resource) => slots.filter((one) => one.resource === resource).sort((a, b) => a.start - b.start);
  const here = row(from.resource);
  const at = here.indexOf(from);
  const across = { ArrowRight: Math.min(at + 1, here.length - 1), ArrowLeft: Math.max(at - 1, 0), Home: 0, End: here.length - 1 }[key];
  if (across !== undefined) return here[across].name;
  const step = { ArrowDown: 1, ArrowUp: -1 }[key];
  const other = resources[resources.indexOf(from.resource) + (step || 0)];
  if (!step || other === undefined) return step ? name : null;
  const distance = (one) => Math.abs(one.start + one.end - from.start - from.end);
  return row(other).reduce((best, one) => (distance(one) < distance(best) ? one : best)).name;
}

/** A bar's name, as short as its room asks; empty where there is none. */
export function fitted(slot, width) {
  const bare = slot.name.replace(/ \(\d+\)$/, ""); // without the number of the step
  return [slot.name, bare, bare.split(" ").pop()].find((text) => text.length * LETTER < width - 4) || "";
}

function hatching(id) {
  const line = make("path", { d: "M0 6L6 0", class: "efflab-hatching" });
  const pattern = make("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse" }, [line]);
  return make("defs", {}, [pattern]);
}

function barOf(task, row, id) {
  const fill = make("rect", { class: "efflab-bar", height: ROW.bar, rx: 2, fill: `var(--efflab-series-${row % 5})` });
  const hatch = make("rect", { class: "efflab-deciding", height: ROW.bar, rx: 2, fill: `url(#${id})` });
  const edge = make("rect", { class: "efflab-rim", height: ROW.bar, rx: 2, stroke: `var(--efflab-series-${row % 5})` });
  const text = label("", { class: "efflab-name", y: 17 });
  const group = make("g", { class: "efflab-task", role: "img", tabindex: -1 }, [fill, hatch, edge, text]);
  return { task, row, group, hatch, text, rects: [fill, hatch, edge] };
}

/**
 * The chart: bars that are moved, not made anew, so that the eye can follow them.
 *
 * Its scale is that of the schedule with all overlaps, which fills the figure. What takes longer, or has more tasks than a narrow
 * figure has room for, is scrolled to.
 */
function gantt(state, id) {
  const resources = resourcesOf(state.tasks);
  const height = resources.length * ROW.all + AXIS;
  const bars = state.tasks.map((task) => barOf(task, resources.indexOf(task.resource), `${id}-hatch`));
  const names = resources.map((_, row) => label("", { class: "efflab-row", x: 0, y: row * ROW.all + 11 }));
  const rules = resources.map((_, row) => make("line", { class: "efflab-gridline", x1: 0, y1: row * ROW.all + ROW.name + ROW.bar + 1.5, y2: row * ROW.all + ROW.name + ROW.bar + 1.5 }));
  const axis = make("g", {});
  const threads = make("g", { class: "efflab-threads" });
  const node = make("svg", { role: "group", "aria-label": "Gantt chart: a row for each resource, a bar for each task; arrow keys go from bar to bar", class: "efflab-gantt" }, [hatching(`${id}-hatch`), axis, ...rules, ...names, ...bars.map((bar) => bar.group), threads]);
  const box = html("div", "efflab-chart");
  box.appendChild(node);
  const shortest = makespan(place(state.tasks, state.known)) || 1;
  const one = { node, box, bars, room: 700, width: 700, slots: [], held: null };
  const x = (cycles) => (cycles / shortest) * (Math.max(one.room, ROOM * bars.length) - 2) + 1;
  const stay = () => names.forEach((name) => name.setAttribute("x", box.scrollLeft || 0));
  box.addEventListener("scroll", stay);
  one.middle = (bar) => bar.row * ROW.all + ROW.name + ROW.bar / 2;
  one.x = x;
  one.update = (on) => {
    one.slots = place(state.tasks, on);
    one.chain = deciding(one.slots);
    one.width = Math.max(one.room, Math.ceil(x(makespan(one.slots)) + 1));
    node.setAttribute("viewBox", `0 0 ${one.width} ${height}`);
    node.setAttribute("width", one.width);
    node.setAttribute("height", height);
    rules.forEach((rule) => rule.setAttribute("x2", one.width));
    names.forEach((name, row) => { name.textContent = `${resources[row]}, at work ${share(utilisation(one.slots, resources[row]))} of the time`; });
    one.slots.forEach((slot, i) => {
      const bar = bars[i];
      const wide = Math.max(1, x(slot.end) - x(slot.start));
      bar.group.setAttribute("style", `transform: translate(${x(slot.start).toFixed(2)}px, ${bar.row * ROW.all + ROW.name}px)`);
      bar.group.setAttribute("aria-label", described(one.slots, slot.name, state.clock_mhz, one.chain));
      for (const rect of bar.rects) rect.setAttribute("width", wide.toFixed(2));
      bar.hatch.setAttribute("visibility", one.chain.includes(slot.name) ? "visible" : "hidden");
      bar.text.textContent = fitted(slot, wide);
      bar.text.setAttribute("x", (wide / 2).toFixed(2));
    });
    axis.replaceChildren(...timeAxis(one, resources.length * ROW.all, state.clock_mhz));
    one.focus(one.held);
  };
  one.focus = (name) => {
    one.held = name;
    showWaits(one, threads, name);
  };
  return one;
}

function timeAxis({ x, slots, width }, y, clock) {
  const end = makespan(slots);
  const parts = [make("line", { class: "efflab-end", x1: x(end), x2: x(end), y1: 0, y2: y })];
  for (const value of ticks(0, end / clock, width > 500 ? 8 : 4)) {
    const place = x(value * clock);
    parts.push(make("line", { class: "efflab-axis", x1: place, x2: place, y1: y, y2: y + 4 }));
    parts.push(label(short(value), { x: place, y: y + 16, "text-anchor": value ? (place > width - 12 ? "end" : "middle") : "start" }));
  }
  parts.push(make("line", { class: "efflab-axis", x1: 0, x2: width, y1: y, y2: y }));
  parts.push(label("time (µs)", { x: width / 2, y: y + 30, "text-anchor": "middle" }));
  return parts;
}

/** Lines from what a task waits for, and to what waits for it; all other bars step back. */
function showWaits(chart, threads, name) {
  const { slots, bars, x } = chart;
  const chosen = slots.findIndex((slot) => slot.name === name);
  const before = slots.map((slot) => chosen >= 0 && slots[chosen].after.includes(slot.name));
  const after = slots.map((slot) => chosen >= 0 && slot.after.includes(name));
  const curve = (from, to, kind) => {
    const [x1, y1, x2, y2] = [x(slots[from].end), chart.middle(bars[from]), x(slots[to].start), chart.middle(bars[to])];
    const bend = Math.min(40, Math.max(8, (x2 - x1) / 2));
    return make("path", { class: `efflab-${kind}`, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
  };
  const lines = slots.flatMap((_, i) => (before[i] ? [curve(i, chosen, "waits")] : after[i] ? [curve(chosen, i, "follows")] : []));
  threads.replaceChildren(...lines);
  bars.forEach((bar, i) => {
    const near = chosen < 0 || i === chosen || before[i] || after[i];
    bar.group.setAttribute("class", `efflab-task${i === chosen ? " efflab-now" : near ? "" : " efflab-dim"}`);
  });
}

function switches(state, id, turn) {
  const group = html("fieldset", "efflab-switches");
  group.appendChild(html("legend", "", "Overlaps"));
  const inputs = state.known.map((name, i) => {
    const input = html("input", "");
    for (const [key, value] of Object.entries({ type: "checkbox", role: "switch", id: `${id}-${i}` })) input.setAttribute(key, value);
    input.addEventListener("change", () => turn(name, input.checked));
    const title = html("label", "");
    title.setAttribute("for", `${id}-${i}`);
    title.appendChild(html("strong", "", name));
    title.appendChild(html("span", "efflab-meaning", state.meanings[name] || ""));
    const line = html("div", "efflab-switch");
    line.appendChild(input);
    line.appendChild(title);
    group.appendChild(line);
    return input;
  });
  return [group, (on) => state.known.forEach((name, i) => { inputs[i].checked = on.includes(name); })];
}

function taskTable(state) {
  const node = html("details", "efflab-details");
  node.appendChild(html("summary", "", "All tasks as a table"));
  const scroller = html("div", "efflab-scroller");
  for (const [key, value] of Object.entries({ tabindex: 0, role: "region", "aria-label": "Table of the tasks" })) scroller.setAttribute(key, String(value));
  const table = html("table", "efflab-table");
  const [head, body] = ["thead", "tbody"].map((kind) => table.appendChild(html(kind, "")));
  const line = (kind, texts) => {
    const row = html("tr", "");
    texts.forEach((text, i) => {
      const cell = html(kind === "col" || i === 0 ? "th" : "td", "", text);
      if (kind === "col" || i === 0) cell.setAttribute("scope", kind);
      row.appendChild(cell);
    });
    return row;
  };
  head.appendChild(line("col", ["task", "resource", "state", "start (µs)", "end (µs)", "waits for", "decides"]));
  scroller.appendChild(table);
  node.appendChild(scroller);
  const time = (cycles) => (cycles / state.clock_mhz).toFixed(2);
  const cells = (slot, chain) => [slot.name, slot.resource, slot.state || "–", time(slot.start), time(slot.end), among(slot.after), chain.includes(slot.name) ? "yes" : "no"];
  const update = ({ slots, chain }) => body.replaceChildren(...slots.map((slot) => line("row", cells(slot, chain))));
  return [node, update];
}

/** Bars answer to pointer, focus and keys; `show(name)` is told which one. */
function onBars(chart, show) {
  let held = null;
  const hold = (name) => {
    held = name;
    chart.bars.forEach(({ task, group }, i) => group.setAttribute("tabindex", task.name === name || (name === null && i === 0) ? 0 : -1));
    show(name);
  };
  for (const { task, group } of chart.bars) {
    group.addEventListener("focus", () => hold(task.name));
    group.addEventListener("blur", () => show(null));
    group.addEventListener("pointerenter", () => show(task.name));
    group.addEventListener("pointerleave", () => show(document.activeElement === group ? held : null));
    group.addEventListener("click", () => group.focus());
    group.addEventListener("keydown", (event) => {
      const next = neighbour(chart.slots, task.name, event.key);
      if (next === null && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      if (next === null) group.blur();
      else chart.bars.find((bar) => bar.task.name === next).group.focus();
    });
  }
  hold(null);
}

const KEYS = ["title", "tasks", "known", "meanings", "clock_mhz"];

function render({ model, el }) {
  const id = newId();
  const state = Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));
  const get = () => model.get("overlaps");
  const set = (on) => {
    model.set("overlaps", state.known.filter((name) => on.includes(name)));
    model.save_changes();
    update();
  };
  const chart = gantt(state, id);
  const [choice, mark] = switches(state, id, (name, on) => set(on ? [...get(), name] : get().filter((one) => one !== name)));
  const [table, tabulate] = taskTable(state);
  const detail = html("div", "efflab-detail");
  const output = readout(id);
  const buttons = html("div", "efflab-control");
  buttons.appendChild(button("All on", () => set(state.known)));
  buttons.appendChild(button("All off", () => set([])));
  const parts = state.known.length ? [choice, buttons] : [];
  el.appendChild(frame(state.title, "efflab-schedule", [chart.box, detail, ...parts, output, table]));

  const show = (name) => {
    chart.focus(name);
    detail.textContent = name === null ? "Point at a bar, or go from bar to bar with the arrow keys, to see what it waits for." : described(chart.slots, name, state.clock_mhz, chart.chain);
  };
  const update = () => {
    chart.update(get());
    mark(get());
    tabulate(chart);
    output.textContent = reading(state, get());
    show(null);
  };
  update();
  onBars(chart, show);
  const watch = globalThis.ResizeObserver ? new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width < 1 || Math.abs(contentRect.width - chart.room) < 1) return;
    chart.room = contentRect.width;
    chart.update(get());
  }) : null;
  if (watch) watch.observe(chart.box);
  model.on("change:overlaps", update);
  return () => {
    if (watch) watch.disconnect();
    model.off("change:overlaps", update);
  };
}

export default { render };
