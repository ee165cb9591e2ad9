// A Huffman tree grows merge by merge, then its canonical code decodes a stream bit by bit. Runs on its traits alone: no
// kernel, no import.

const TREE = area(400, 310);
const RADIUS = 10;

/** What a step shows: so many merges made, whether there are codes, so many bits read. */
export function phase(state, step) {
  const merges = state.merges.length;
  return { made: Math.min(step, merges), coded: step > merges, read: Math.max(0, step - merges - 1) };
}

/** Bits that each symbol has after the first merges: its depth in the tree it belongs to by then. */
export function lengthsAfter(size, merges, made) {
  const depths = Array(size).fill(0);
  const below = Array.from({ length: size }, (_, i) => [i]);
  for (const [left, right] of merges.slice(0, made)) {
    const joined = [...below[left], ...below[right]];
    for (const symbol of joined) depths[symbol] += 1;
    below.push(joined);
  }
  return depths;
}

/** Walk the codes along the first bits of the stream: symbols found, the code of each, and the way since the last. */
export function decode(codes, stream, read) {
  const symbols = [];
  let path = "";
  for (const bit of stream.slice(0, read)) {
    path += bit;
    const found = codes.indexOf(path);
    if (found >= 0) {
      symbols.push(found);
      path = "";
    }
  }
  return { symbols, path };
}

/** Symbols in the order of the canonical code: by length, then as the alphabet has them. */
export function canonicalOrder(codes) {
  return codes.map((_, i) => i).sort((a, b) => codes[a].length - codes[b].length || a - b);
}

/** The tree of Huffman's merges as nested nodes; a node's `id` counts leaves first, then merges. */
export function mergedTree(size, merges, id = size + merges.length - 1) {
  if (id < size) return { id, symbol: id };
  return { id, children: merges[id - size].map((child) => mergedTree(size, merges, child)) };
}

/** The tree of a prefix code: 0 goes left, 1 goes right; a node's `id` is the path to it. */
export function codeTree(codes, path = "") {
  const symbol = codes.indexOf(path);
  if (symbol >= 0) return { id: path, symbol };
  return { id: path, children: ["0", "1"].map((bit) => codeTree(codes, path + bit)) };
}

/** Places: leaves side by side, a parent above the middle of its children; parents after their children. */
export function layout(root) {
  const depthOf = (node) => (node.children ? 1 + Math.max(...node.children.map(depthOf)) : 0);
  const leavesOf = (node) => (node.children ? node.children.reduce((sum, one) => sum + leavesOf(one), 0) : 1);
  const across = (TREE.width - 40) / Math.max(1, leavesOf(root) - 1);
  const down = Math.min(52, (TREE.height - 62) / depthOf(root));
  const placed = [];
  let next = 20;
  const visit = (node, depth) => {
    const children = (node.children || []).map((one) => visit(one, depth + 1));
    const x = children.length ? (children[0].x + children[1].x) / 2 : next;
    if (!children.length) next += across;
    const one = { ...node, x, y: 24 + depth * down, children };
    placed.push(one);
    return one;
  };
  visit(root, 0);
  return placed;
}

/** What the figure shows at a step, in words: the line below it, and what a screen reader hears. */
export function reading(state, step) {
  const { made, coded, read } = phase(state, step);
  const size = state.symbols.length;
  const weights = [...state.counts];
  for (const [left, right] of state.merges) weights.push(weights[left] + weights[right]);
  const called = (id) => (id < size ? `${state.symbols[id]} (${short(weights[id])})` : `the node of ${short(weights[id])}`);
  if (!coded && made === 0) return `${size} symbols with their counts. The two rarest are joined first.`;
  if (!coded) {
    const [left, right] = state.merges[made - 1];
    const done = made === state.merges.length ? " The depth of a symbol is the length of its code." : "";
    return `Merge ${made} of ${state.merges.length}: ${called(left)} and ${called(right)} become one node of ${short(weights[size + made - 1])}; all symbols below it are one bit longer.${done}`;
  }
  if (read === 0) {
    const equal = Math.ceil(Math.log2(size));
    return `Canonical code: the same lengths, in order of length and symbol; each code is the one before plus one, with zeros added where the length grows. Mean length ${state.mean.toFixed(3)} bits; entropy ${state.entropy.toFixed(3)}; codes of equal length would take ${equal}.`;
  }
  const { symbols, path } = decode(state.codes, state.stream, read);
  const bit = state.stream[read - 1];
  const found = `bit ${read} of ${state.stream.length} is ${bit}, go ${bit === "0" ? "left" : "right"}`;
  const text = symbols.map((symbol) => state.symbols[symbol]).join(" ");
  if (path) return `Decoding: ${found}; the way is ${path}. So far: ${text || "nothing"}.`;
  const last = symbols[symbols.length - 1];
  const end = read === state.stream.length ? " The stream is at its end." : " Back to the root.";
  return `Decoding: ${found}; ${state.codes[last]} is ${state.symbols[last]}. So far: ${text}.${end}`;
}

/** Draw a laid out tree: the group, and for each node its shape, the edges below it, and its place. */
function drawTree(placed, state, withBits) {
  const nodes = new Map();
  const edges = [];
  const shapes = [];
  for (const node of placed) {
    const below = node.children.map((child, i) => {
      const line = make("line", { class: "efflab-edge", x1: node.x, y1: node.y, x2: child.x, y2: child.y });
      const bit = label(String(i), { class: "efflab-bit", x: (node.x + child.x) / 2 + (i ? 6 : -6), y: (node.y + child.y) / 2, "text-anchor": "middle" });
      return make("g", {}, withBits ? [line, bit] : [line]);
    });
    const shape = node.children.length
      ? make("circle", { class: "efflab-node", cx: node.x, cy: node.y, r: withBits ? 4 : RADIUS })
      : make("rect", { class: "efflab-leaf", x: node.x - RADIUS, y: node.y - RADIUS, width: 2 * RADIUS, height: 2 * RADIUS, rx: 3 });
    const name = node.children.length ? node.name : state.symbols[node.symbol];
    const text = name === undefined ? [] : [label(name, { class: "efflab-name", x: node.x, y: node.y + 4, "text-anchor": "middle" })];
    if (!node.children.length) text.push(label(short(state.counts[node.symbol]), { class: "efflab-count", x: node.x, y: node.y + 23, "text-anchor": "middle" }));
    const group = make("g", {}, [shape, ...text]);
    nodes.set(node.id, { group, below, ...node });
    edges.push(...below);
    shapes.push(group);
  }
  return [make("g", {}, [...edges, ...shapes]), nodes];
}

function show(node, visible) {
  node.setAttribute("display", visible ? "inline" : "none");
}

function treePanel(state) {
  const size = state.symbols.length;
  const weights = [...state.counts];
  for (const [left, right] of state.merges) weights.push(weights[left] + weights[right]);
  const merged = layout(mergedTree(size, state.merges)).map((node) => ({ ...node, name: short(weights[node.id]) }));
  const [growing, inner] = drawTree(merged, state, false);
  const [code, paths] = drawTree(layout(codeTree(state.codes)), state, true);
  const pointer = make("circle", { class: "efflab-pointer", r: RADIUS + 4 });
  const node = panel(TREE, "The tree: symbols are boxes, joined nodes are circles, a ring is the place of the decoder", [growing, code, pointer]);
  const update = ({ made, coded, read }) => {
    show(growing, !coded);
    show(code, coded);
    show(pointer, coded);
    for (const [id, one] of inner) {
      show(one.group, id < size + made);
      one.below.forEach((edge) => show(edge, id < size + made));
      const next = !coded && made < state.merges.length && state.merges[made].includes(id);
      one.group.setAttribute("class", made && id === size + made - 1 ? "efflab-now" : next ? "efflab-next" : "");
    }
    const { symbols, path } = decode(state.codes, state.stream, read);
    const reached = read && !path ? state.codes[symbols[symbols.length - 1]] : path;
    for (const [way, one] of paths) {
      one.below.forEach((edge, i) => edge.setAttribute("class", reached.startsWith(way + i) ? "efflab-now" : ""));
    }
    pointer.setAttribute("cx", paths.get(reached).x);
    pointer.setAttribute("cy", paths.get(reached).y);
  };
  return [node, update];
}

function row(kind, cells) {
  const nodes = cells.map((text, i) => {
    const heading = kind === "head" || i === 0;
    const cell = html(heading ? "th" : "td", "", text);
    if (heading) cell.setAttribute("scope", kind === "head" ? "col" : "row");
    return cell;
  });
  const node = html("tr", "");
  for (const cell of nodes) node.appendChild(cell);
  return [node, nodes];
}

function codeTable(state) {
  const node = html("table", "efflab-codes");
  const [head] = row("head", ["symbol", "count", "length", "code"]);
  const top = html("thead", "");
  const body = html("tbody", "");
  top.appendChild(head);
  node.appendChild(top);
  node.appendChild(body);
  const rows = canonicalOrder(state.codes).map((symbol) => {
    const [line, cells] = row("body", [state.symbols[symbol], short(state.counts[symbol]), "", ""]);
    body.appendChild(line);
    return { symbol, line, cells };
  });
  const update = ({ made, coded, read }) => {
    const lengths = lengthsAfter(state.symbols.length, state.merges, made);
    const { symbols, path } = decode(state.codes, state.stream, read);
    for (const { symbol, line, cells } of rows) {
      cells[2].textContent = lengths[symbol] ? String(lengths[symbol]) : "–";
      cells[3].textContent = coded ? state.codes[symbol] : "–";
      line.className = read && !path && symbols[symbols.length - 1] === symbol ? "efflab-now" : "";
    }
  };
  return [node, update];
}

function streamLine(state) {
  const node = html("div", "efflab-stream");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "The stream of bits and the symbols decoded");
  const word = (bits, symbol, kind) => {
    const one = html("span", `efflab-word ${kind}`);
    one.appendChild(html("span", "", bits));
    one.appendChild(html("span", "", symbol));
    return one;
  };
  const update = ({ coded, read }) => {
    const { symbols, path } = decode(state.codes, state.stream, read);
    const words = symbols.map((symbol, i) => {
      const now = !path && i === symbols.length - 1;
      return word(state.codes[symbol], state.symbols[symbol], now ? "efflab-now" : "");
    });
    if (path) words.push(word(path, "?", "efflab-now"));
    if (read < state.stream.length) words.push(html("span", "efflab-rest", state.stream.slice(read)));
    node.replaceChildren(...words);
    node.className = coded ? "efflab-stream" : "efflab-stream efflab-waiting";
  };
  return [node, update];
}

const KEYS = ["title", "symbols", "counts", "merges", "codes", "stream", "mean", "entropy"];

function render({ model, el }) {
  const id = newId();
  const state = Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));
  const last = state.merges.length + 1 + state.stream.length;
  const get = () => Math.min(model.get("step"), last);
  const set = (step) => {
    model.set("step", step);
    model.save_changes();
    update();
  };
  const [tree, grow] = treePanel(state);
  const [codes, fill] = codeTable(state);
  const [stream, advance] = streamLine(state);
  const output = readout(id);
  const [control, follow, stop] = player(id, "Step", last, 900, get, set, output);
  control.appendChild(button("To the code", () => {
    stop();
    set(state.merges.length + 1);
  }));
  el.appendChild(frame(state.title, "efflab-huffman", [panels([tree, codes]), stream, control, output]));

  const update = () => {
    const shown = phase(state, get());
    for (const move of [grow, fill, advance]) move(shown);
    follow(`step ${get()} of ${last}`);
    output.textContent = reading(state, get());
  };
  model.on("change:step", update);
  update();
  return () => {
    stop();
    model.off("change:step", update);
  };
}

export default { render };
