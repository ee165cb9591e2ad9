// What the explorers share: drawing, axes, the player. Each explorer's module is this text followed by its own.

const SVG = "http://www.w3.org/2000/svg";
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "1 4"];
let instances = 0;

/** A name that no other figure on the page has. */
function newId() {
  instances += 1;
  return `efflab-explorer-${instances}-${Math.random().toString(36).slice(2, 8)}`;
}

/** The space inside the axes of a panel of this size. */
function area(width, height) {
  return { width, height, left: 52, right: width - 12, top: 12, bottom: height - 40 };
}

/** The colour of the i-th series, and its dashes, which tell it apart without colour. */
function strokes(i) {
  return { stroke: `var(--efflab-series-${i % 5})`, "stroke-dasharray": DASHES[i % 5] };
}

/** Round values for an axis: at most `count` steps that cover low to high. */
export function ticks(low, high, count) {
  const span = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => span / s <= count) || 10 * power;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * span; i += 1) found.push(Number((i * step).toPrecision(12)));
  return found;
}

function make(name, attributes = {}, children = []) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  for (const child of children) node.appendChild(child);
  return node;
}

function label(text, attributes) {
  const node = make("text", attributes);
  node.textContent = text;
  return node;
}

function html(name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

function scale(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + ((to - from) * (value - low)) / span;
}

function short(value) {
  return Math.abs(value) >= 1000 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)));
}

function axes(box, x, y, xTicks, yTicks, xName, yName, written = short) {
  const parts = [];
  for (const value of yTicks) {
    parts.push(make("line", { class: "efflab-gridline", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
    parts.push(label(short(value), { x: box.left - 5, y: y(value) + 4, "text-anchor": "end" }));
  }
  for (const value of xTicks) {
    parts.push(make("line", { class: "efflab-axis", x1: x(value), x2: x(value), y1: box.bottom, y2: box.bottom + 4 }));
    parts.push(label(written(value), { x: x(value), y: box.bottom + 16, "text-anchor": "middle" }));
  }
  parts.push(make("path", { class: "efflab-axis", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` }));
  parts.push(label(xName, { x: (box.left + box.right) / 2, y: box.height - 6, "text-anchor": "middle" }));
  const middle = (box.top + box.bottom) / 2;
  parts.push(label(yName, { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }));
  return parts;
}

/** The outline of a histogram's bars. */
function bars(counts, box, y) {
  const width = (box.right - box.left) / counts.length;
  const outline = counts.map((count) => `V${y(count).toFixed(2)}h${width.toFixed(4)}`).join("");
  return `M${box.left} ${box.bottom}${outline}V${box.bottom}Z`;
}

function panel(box, name, parts) {
  return make("svg", { viewBox: `0 0 ${box.width} ${box.height}`, role: "img", "aria-label": name }, parts);
}

/** A labelled slider: the row that holds it, and the slider. */
function slider(id, name, low, high, step) {
  const input = document.createElement("input");
  for (const [key, value] of Object.entries({ type: "range", id: `${id}-slider`, min: low, max: high, step })) {
    input.setAttribute(key, String(value));
  }
  const title = html("label", "efflab-label", name);
  title.setAttribute("for", `${id}-slider`);
  const control = html("div", "efflab-control");
  control.appendChild(title);
  control.appendChild(input);
  return [control, input];
}

/** The line in words under a figure; a screen reader hears it when it changes. */
function readout(id) {
  const output = html("output", "efflab-reading");
  output.setAttribute("for", `${id}-slider`);
  output.setAttribute("aria-live", "polite");
  return output;
}

/** The frame around a figure's parts. */
function frame(title, kind, parts) {
  const root = html("div", `efflab-explorer ${kind}`);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", title);
  for (const part of [html("div", "efflab-title", title), ...parts]) root.appendChild(part);
  return root;
}

function panels(parts) {
  const row = html("div", "efflab-panels");
  for (const part of parts) row.appendChild(part);
  return row;
}

function button(text, press) {
  const node = html("button", "efflab-button", text);
  node.setAttribute("type", "button");
  node.addEventListener("click", press);
  return node;
}

/** Slider, buttons for one step back and one forward, and a button that plays the steps from 0 to `last`. */
function player(id, name, last, period, get, set, output) {
  const [control, input] = slider(id, name, 0, last, 1);
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
    output.setAttribute("aria-live", "polite");
  };
  const move = (step) => set(Math.min(Math.max(step, 0), last));
  const tick = () => {
    move(get() + 1);
    if (get() >= last) stop();
  };
  const by = (steps) => () => {
    stop();
    move(get() + steps);
  };
  const play = button("Play", () => {
    if (timer !== null) return stop();
    if (get() >= last) move(0);
    play.textContent = "Pause";
    output.setAttribute("aria-live", "off"); // a voice could not keep up
    timer = setInterval(tick, period);
    return undefined;
  });
  input.addEventListener("input", () => {
    stop();
    move(Number(input.value));
  });
  for (const one of [button("Back", by(-1)), button("Step", by(1)), play]) control.appendChild(one);
  const update = (text) => {
    if (Number(input.value) !== get()) input.value = String(get());
    input.setAttribute("aria-valuetext", text);
  };
  return [control, update, stop];
}
