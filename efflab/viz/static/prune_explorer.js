// A slider prunes a histogram of weights and runs along the accuracy curve. Runs on its traits alone: no kernel, no import.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 360;
const HEIGHT = 230;
const BOX = { left: 52, right: WIDTH - 12, top: 12, bottom: HEIGHT - 40 };
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "1 4"];
let instances = 0;

/** Piecewise linear value at x of the points (xs, ys), held constant beyond both ends. */
export function interpolate(xs, ys, x) {
  if (x <= xs[0]) return ys[0];
  for (let i = 1; i < xs.length; i += 1) {
    if (x <= xs[i]) return ys[i - 1] + ((ys[i] - ys[i - 1]) * (x - xs[i - 1])) / (xs[i] - xs[i - 1]);
  }
  return ys[ys.length - 1];
}

/** Magnitude below which weights go, from a table of thresholds at evenly spaced sparsities 0 to 1. */
export function thresholdAt(thresholds, sparsity) {
  const last = thresholds.length - 1;
  return interpolate(thresholds.map((_, i) => i / last), thresholds, sparsity);
}

/** Number of weights that stay. */
export function keptCount(total, sparsity) {
  return total - Math.round(sparsity * total);
}

/** What the figure shows at a sparsity, in words: the line below it, and what a screen reader hears. */
export function reading(state, sparsity) {
  const kept = keptCount(state.total, sparsity).toLocaleString("en-US");
  const total = state.total.toLocaleString("en-US");
  const threshold = thresholdAt(state.thresholds, sparsity).toPrecision(3);
  const values = state.curves.map((one) => {
    const value = interpolate(state.sparsities, one.y, sparsity).toFixed(1);
    return state.curves.length > 1 ? `${one.name} ${value}` : value;
  });
  const percent = (100 * sparsity).toFixed(1);
  return `Sparsity ${percent} %: ${kept} of ${total} weights stay, those of magnitude ${threshold} or more; ${state.ylabel}: ${values.join(", ")}.`;
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

function axes(x, y, xTicks, yTicks, xName, yName, percent = false) {
  const parts = [];
  for (const value of yTicks) {
    parts.push(make("line", { class: "efflab-gridline", x1: BOX.left, x2: BOX.right, y1: y(value), y2: y(value) }));
    parts.push(label(short(value), { x: BOX.left - 5, y: y(value) + 4, "text-anchor": "end" }));
  }
  for (const value of xTicks) {
    const shown = percent ? `${Math.round(100 * value)} %` : short(value);
    parts.push(make("line", { class: "efflab-axis", x1: x(value), x2: x(value), y1: BOX.bottom, y2: BOX.bottom + 4 }));
    parts.push(label(shown, { x: x(value), y: BOX.bottom + 16, "text-anchor": "middle" }));
  }
  parts.push(make("path", { class: "efflab-axis", d: `M${BOX.left} ${BOX.top}V${BOX.bottom}H${BOX.right}` }));
  parts.push(label(xName, { x: (BOX.left + BOX.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }));
  const middle = (BOX.top + BOX.bottom) / 2;
  parts.push(label(yName, { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }));
  return parts;
}

function panel(name, parts) {
  return make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": name }, parts);
}

function histogram(state, id) {
  const x = scale(-state.limit, state.limit, BOX.left, BOX.right);
  const top = Math.max(1, ...state.counts);
  const y = scale(0, top, BOX.bottom, BOX.top);
  const width = (BOX.right - BOX.left) / state.counts.length;
  const outline = state.counts.map((count) => `V${y(count).toFixed(2)}h${width.toFixed(4)}`).join("");
  const bars = `M${BOX.left} ${BOX.bottom}${outline}V${BOX.bottom}Z`;
  const clip = make("rect", { y: 0, height: HEIGHT });
  const lines = [-1, 1].map(() => make("line", { class: "efflab-threshold", y1: BOX.top, y2: BOX.bottom }));
  const hatch = make("pattern", { id: `${id}-hatch`, width: 6, height: 6, patternUnits: "userSpaceOnUse" }, [
    make("path", { class: "efflab-hatch", d: "M-1 1l2-2M0 6l6-6M5 7l2-2" }),
  ]);
  const clipped = { d: bars, "clip-path": `url(#${id}-clip)` };
  const node = panel("Histogram of the weights; the hatched middle is removed", [
    make("defs", {}, [make("clipPath", { id: `${id}-clip` }, [clip]), hatch]),
    ...axes(x, y, ticks(-state.limit, state.limit, 5), ticks(0, top, 4), "weight", "number of weights"),
    make("path", { class: "efflab-kept", d: bars }),
    make("path", { class: "efflab-removed", ...clipped }),
    make("path", { fill: `url(#${id}-hatch)`, ...clipped }),
    ...lines,
  ]);
  const update = (sparsity) => {
    const threshold = thresholdAt(state.thresholds, sparsity);
    clip.setAttribute("x", x(-threshold));
    clip.setAttribute("width", Math.max(0, x(threshold) - x(-threshold)));
    lines.forEach((line, i) => {
      const place = x(i ? threshold : -threshold);
      line.setAttribute("x1", place);
      line.setAttribute("x2", place);
    });
  };
  return [node, update];
}

function accuracy(state) {
  const all = state.curves.flatMap((one) => one.y);
  const low = Math.min(...all);
  const high = Math.max(...all);
  const margin = 0.06 * (high - low || 1);
  const x = scale(state.sparsities[0], state.sparsities[state.sparsities.length - 1], BOX.left, BOX.right);
  const y = scale(low - margin, high + margin, BOX.bottom, BOX.top);
  const ends = [state.sparsities[0], state.sparsities[state.sparsities.length - 1]];
  const rule = make("line", { class: "efflab-threshold", y1: BOX.top, y2: BOX.bottom });
  const colour = (i) => `var(--efflab-series-${[0, 1, 2, 3, 4][i % 5]})`;
  const markers = state.curves.map((_, i) => make("circle", { class: "efflab-marker", r: 5.5, fill: colour(i) }));
  const parts = axes(x, y, ticks(ends[0], ends[1], 5), ticks(low, high, 5), "sparsity", state.ylabel, true);
  state.curves.forEach((one, i) => {
    const d = one.y.map((value, j) => `${j ? "L" : "M"}${x(state.sparsities[j]).toFixed(2)} ${y(value).toFixed(2)}`).join("");
    parts.push(make("path", { class: "efflab-curve", d, stroke: colour(i), "stroke-dasharray": DASHES[i % 5] }));
    if (state.curves.length > 1) {
      const height = BOX.bottom - 10 - 15 * (state.curves.length - 1 - i);
      const line = { class: "efflab-curve", d: `M${BOX.left + 8} ${height - 4}h24`, stroke: colour(i), "stroke-dasharray": DASHES[i % 5] };
      parts.push(make("path", line), label(one.name, { x: BOX.left + 38, y: height }));
    }
  });
  const node = panel(`${state.ylabel} against sparsity`, [...parts, rule, ...markers]);
  const update = (sparsity) => {
    const place = Math.min(Math.max(sparsity, ends[0]), ends[1]);
    rule.setAttribute("x1", x(place));
    rule.setAttribute("x2", x(place));
    markers.forEach((marker, i) => {
      marker.setAttribute("cx", x(place));
      marker.setAttribute("cy", y(interpolate(state.sparsities, state.curves[i].y, place)));
    });
  };
  return [node, update];
}

function slider(state, id) {
  const input = document.createElement("input");
  const last = 1 - state.step;
  for (const [key, value] of Object.entries({ type: "range", id: `${id}-slider`, min: 0, max: last, step: state.step })) {
    input.setAttribute(key, String(value));
  }
  const name = html("label", "efflab-label", "Sparsity");
  name.setAttribute("for", `${id}-slider`);
  const control = html("div", "efflab-control");
  control.appendChild(name);
  control.appendChild(input);
  return [control, input];
}

const KEYS = ["title", "ylabel", "step", "limit", "total", "counts", "thresholds", "sparsities", "curves"];

function render({ model, el }) {
  instances += 1;
  const id = `efflab-explorer-${instances}-${Math.random().toString(36).slice(2, 8)}`;
  const state = Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));
  const [bars, moveBars] = histogram(state, id);
  const [lines, moveLines] = accuracy(state);
  const [control, input] = slider(state, id);
  const output = html("output", "efflab-reading");
  output.setAttribute("for", `${id}-slider`);
  output.setAttribute("aria-live", "polite");
  const panels = html("div", "efflab-panels");
  panels.appendChild(bars);
  panels.appendChild(lines);
  const root = html("div", "efflab-explorer");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", state.title);
  for (const part of [html("div", "efflab-title", state.title), panels, control, output]) root.appendChild(part);
  el.appendChild(root);

  const update = () => {
    const sparsity = model.get("sparsity");
    const text = reading(state, sparsity);
    moveBars(sparsity);
    moveLines(sparsity);
    if (Number(input.value) !== sparsity) input.value = String(sparsity);
    input.setAttribute("aria-valuetext", `${(100 * sparsity).toFixed(1)} percent`);
    output.textContent = text;
  };
  input.addEventListener("input", () => {
    model.set("sparsity", Number(input.value));
    model.save_changes();
    update();
  });
  model.on("change:sparsity", update);
  update();
  return () => model.off("change:sparsity", update);
}

export default { render };
