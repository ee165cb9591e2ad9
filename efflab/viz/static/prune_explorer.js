// A slider prunes a histogram of weights and runs along the accuracy curve. Runs on its traits alone: no kernel, no import.

const BOX = area(360, 230);

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

function histogram(state, id) {
  const x = scale(-state.limit, state.limit, BOX.left, BOX.right);
  const top = Math.max(1, ...state.counts);
  const y = scale(0, top, BOX.bottom, BOX.top);
  const outline = bars(state.counts, BOX, y);
  const clip = make("rect", { y: 0, height: BOX.height });
  const lines = [-1, 1].map(() => make("line", { class: "efflab-threshold", y1: BOX.top, y2: BOX.bottom }));
  const hatch = make("pattern", { id: `${id}-hatch`, width: 6, height: 6, patternUnits: "userSpaceOnUse" }, [
    make("path", { class: "efflab-hatch", d: "M-1 1l2-2M0 6l6-6M5 7l2-2" }),
  ]);
  const clipped = { d: outline, "clip-path": `url(#${id}-clip)` };
  const node = panel(BOX, "Histogram of the weights; the hatched middle is removed", [
    make("defs", {}, [make("clipPath", { id: `${id}-clip` }, [clip]), hatch]),
    ...axes(BOX, x, y, ticks(-state.limit, state.limit, 5), ticks(0, top, 4), "weight", "number of weights"),
    make("path", { class: "efflab-kept", d: outline }),
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
  const percent = (value) => `${Math.round(100 * value)} %`;
  const markers = state.curves.map((_, i) => make("circle", { class: "efflab-marker", r: 5.5, fill: strokes(i).stroke }));
  const parts = axes(BOX, x, y, ticks(ends[0], ends[1], 5), ticks(low, high, 5), "sparsity", state.ylabel, percent);
  state.curves.forEach((one, i) => {
    const d = one.y.map((value, j) => `${j ? "L" : "M"}${x(state.sparsities[j]).toFixed(2)} ${y(value).toFixed(2)}`).join("");
    parts.push(make("path", { class: "efflab-curve", d, ...strokes(i) }));
    if (state.curves.length > 1) {
      const height = BOX.bottom - 10 - 15 * (state.curves.length - 1 - i);
      const line = { class: "efflab-curve", d: `M${BOX.left + 8} ${height - 4}h24`, ...strokes(i) };
      parts.push(make("path", line), label(one.name, { x: BOX.left + 38, y: height }));
    }
  });
  const node = panel(BOX, `${state.ylabel} against sparsity`, [...parts, rule, ...markers]);
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

const KEYS = ["title", "ylabel", "step", "limit", "total", "counts", "thresholds", "sparsities", "curves"];

function render({ model, el }) {
  const id = newId();
  const state = Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));
  const [weights, moveWeights] = histogram(state, id);
  const [lines, moveLines] = accuracy(state);
  const [control, input] = slider(id, "Sparsity", 0, 1 - state.step, state.step);
  const output = readout(id);
  el.appendChild(frame(state.title, "efflab-prune", [panels([weights, lines]), control, output]));

  const update = () => {
    const sparsity = model.get("sparsity");
    const text = reading(state, sparsity);
    moveWeights(sparsity);
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
