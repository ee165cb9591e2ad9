// K-means moves a codebook through the histogram of the weights. Runs on its traits alone: no kernel, no import.

const LEFT = { ...area(360, 280), top: 70 };
const RIGHT = area(360, 280);
const ROWS = { largest: 18, shared: 52 };

/** The run of a start, and the step of it that is shown: a run that has settled keeps its last one. */
export function frameOf(state, init, iteration) {
  const run = state.runs.find((one) => one.init === init);
  return [run, Math.min(iteration, run.errors.length - 1)];
}

/** The centroid nearest to a weight, the lower one of two. */
export function nearest(centroids, weight) {
  return centroids.reduce((best, one) => (Math.abs(weight - one) < Math.abs(weight - best) ? one : best));
}

/** Borders between the clusters: half way between neighbouring centroids. */
export function borders(centroids) {
  return centroids.slice(1).map((one, i) => (one + centroids[i]) / 2);
}

/** By how much the largest weights are off, in the mean: absolute, and as a share of their size. */
export function lossOfLargest(largest, centroids) {
  const off = largest.map((weight) => Math.abs(weight - nearest(centroids, weight)));
  const sum = (values) => values.reduce((total, one) => total + one, 0);
  return [sum(off) / largest.length, sum(off) / sum(largest.map(Math.abs))];
}

function counted(count, noun) {
  return count === 1 ? `The ${noun}` : `The ${count} ${noun}s`;
}

/** What the figure shows, in words: the line below it, and what a screen reader hears. */
export function reading(state, init, iteration) {
  const [run, step] = frameOf(state, init, iteration);
  const last = run.errors.length - 1;
  const error = run.errors[step];
  const words = [`Start ${init}, iteration ${step} of ${last}: squared error ${short(error)}, ${(error / state.optimum).toFixed(2)} times the optimum.`];
  if (state.largest.length) {
    const [off, share] = lossOfLargest(state.largest, run.centroids[step]);
    const verb = state.largest.length === 1 ? "is" : "are";
    words.push(`${counted(state.largest.length, "largest weight")} ${verb} off by ${short(off)}, ${(100 * share).toFixed(1)} % of their size.`);
  }
  if (step === last) words.push(run.settled ? "No weight changes its cluster any more." : "The centroids would still move.");
  return words.join(" ");
}

/** Round values for a logarithmic axis; of too narrow a range, those of a linear one. */
export function logTicks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const digit of [1, 2, 5]) {
      const value = Number((digit * 10 ** power).toPrecision(1));
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found.length > 1 ? found : ticks(low, high, 4);
}

function weightsPanel(state) {
  const x = scale(-state.limit, state.limit, LEFT.left, LEFT.right);
  const top = Math.max(1, ...state.counts);
  const y = scale(0, top, LEFT.bottom, LEFT.top);
  const k = state.runs[0].centroids[0].length;
  const repeat = (count, one) => Array.from({ length: count }, one);
  const edges = repeat(k - 1, () => make("line", { class: "efflab-border", y1: LEFT.top, y2: LEFT.bottom }));
  const rules = repeat(k, () => make("line", { class: "efflab-centroid", y1: ROWS.shared, y2: LEFT.bottom }));
  const heads = repeat(k, () => make("path", { class: "efflab-head", d: "M-5 -7h10l-5 9z" }));
  const threads = state.largest.map(() => make("line", { class: "efflab-thread", y1: ROWS.largest, y2: ROWS.shared - 7 }));
  const dots = state.largest.map((weight) => make("circle", { class: "efflab-weight", r: 4, cx: x(weight), cy: ROWS.largest }));
  const names = ["largest", "shared"].map((name) => label(name, { x: 4, y: ROWS[name] + 4 }));
  const node = panel(LEFT, "Histogram of the weights with the centroids as arrowheads and the cluster borders as dashed lines; above, the largest weights, each tied to the centroid that replaces it", [
    ...axes(LEFT, x, y, ticks(-state.limit, state.limit, 5), ticks(0, top, 4), "weight", "number of weights"),
    make("path", { class: "efflab-kept", d: bars(state.counts, LEFT, y) }),
    ...edges, ...rules, ...threads, ...heads, ...dots, ...(state.largest.length ? names : names.slice(1)),
  ]);
  const upright = (line, value) => ["x1", "x2"].forEach((end) => line.setAttribute(end, x(value)));
  const update = (centroids) => {
    borders(centroids).forEach((value, i) => upright(edges[i], value));
    centroids.forEach((value, i) => {
      upright(rules[i], value);
      heads[i].setAttribute("transform", `translate(${x(value).toFixed(2)} ${ROWS.shared})`);
    });
    state.largest.forEach((weight, i) => {
      threads[i].setAttribute("x1", x(weight));
      threads[i].setAttribute("x2", x(nearest(centroids, weight)));
    });
  };
  return [node, update];
}

function errorPanel(state) {
  const all = [state.optimum, ...state.runs.flatMap((one) => one.errors)];
  const margin = (Math.max(...all) / Math.min(...all)) ** 0.12;
  const low = Math.min(...all) / margin; // room for a word under the optimum
  const high = Math.max(...all) * margin;
  const last = Math.max(1, ...state.runs.map((one) => one.errors.length - 1));
  const x = scale(0, last, RIGHT.left, RIGHT.right);
  const level = scale(Math.log(low), Math.log(high), RIGHT.bottom, RIGHT.top);
  const y = (value) => level(Math.log(value));
  const whole = ticks(0, last, 6).filter(Number.isInteger);
  const parts = axes(RIGHT, x, y, whole, logTicks(low, high), "iteration", "squared error (log)");
  parts.push(make("line", { class: "efflab-reference", x1: RIGHT.left, x2: RIGHT.right, y1: y(state.optimum), y2: y(state.optimum) }));
  parts.push(label("optimum", { x: RIGHT.left + 6, y: y(state.optimum) + 14 }));
  state.runs.forEach((one, i) => {
    const d = one.errors.map((value, step) => `${step ? "L" : "M"}${x(step).toFixed(2)} ${y(value).toFixed(2)}`).join("");
    parts.push(make("path", { class: "efflab-curve", d, ...strokes(i) }));
    const place = RIGHT.top + 12 + 15 * i;
    parts.push(make("path", { class: "efflab-curve", d: `M${RIGHT.right - 90} ${place - 4}h24`, ...strokes(i) }));
    parts.push(label(one.init, { x: RIGHT.right - 60, y: place }));
  });
  const marker = make("circle", { class: "efflab-marker", r: 5.5 });
  const node = panel(RIGHT, "Squared error against the iteration, a curve for each start, and the optimum as a line", [...parts, marker]);
  const update = (run, step) => {
    marker.setAttribute("cx", x(step));
    marker.setAttribute("cy", y(run.errors[step]));
    marker.setAttribute("fill", strokes(state.runs.indexOf(run)).stroke);
  };
  return [node, update];
}

function starts(state, id, choose) {
  const group = html("fieldset", "efflab-choice");
  group.appendChild(html("legend", "", "Start"));
  const inputs = state.runs.map(({ init }) => {
    const input = html("input", "");
    for (const [key, value] of Object.entries({ type: "radio", name: `${id}-init`, id: `${id}-${init}`, value: init })) input.setAttribute(key, value);
    input.addEventListener("change", () => choose(init));
    const name = html("label", "", init);
    name.setAttribute("for", `${id}-${init}`);
    group.appendChild(input);
    group.appendChild(name);
    return input;
  });
  return [group, (chosen) => state.runs.forEach(({ init }, i) => { inputs[i].checked = init === chosen; })];
}

const KEYS = ["title", "limit", "counts", "runs", "optimum", "largest"];

function render({ model, el }) {
  const id = newId();
  const state = Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));
  const last = Math.max(...state.runs.map((one) => one.errors.length - 1));
  const set = (key) => (value) => {
    model.set(key, value);
    model.save_changes();
    update();
  };
  const [weights, moveCentroids] = weightsPanel(state);
  const [errors, moveMarker] = errorPanel(state);
  const [choice, mark] = starts(state, id, set("init"));
  const output = readout(id);
  const [control, follow, stop] = player(id, "Iteration", last, 500, () => model.get("iteration"), set("iteration"), output);
  el.appendChild(frame(state.title, "efflab-kmeans", [panels([weights, errors]), choice, control, output]));

  const update = () => {
    const init = model.get("init");
    const [run, step] = frameOf(state, init, model.get("iteration"));
    moveCentroids(run.centroids[step]);
    moveMarker(run, step);
    mark(init);
    follow(`iteration ${step}`);
    output.textContent = reading(state, init, step);
  };
  for (const key of ["init", "iteration"]) model.on(`change:${key}`, update);
  update();
  return () => {
    stop();
    for (const key of ["init", "iteration"]) model.off(`change:${key}`, update);
  };
}

export default { render };
