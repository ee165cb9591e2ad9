// Runs the explorer's module without a browser: a small document of its own, the traits from argv[3], findings as JSON.
import { readFileSync } from "node:fs";

class Node {
  constructor(name) {
    Object.assign(this, { name, attributes: {}, children: [], listeners: {}, textContent: "", value: "" });
  }
  setAttribute(key, value) { this.attributes[key] = String(value); }
  appendChild(child) { this.children.push(child); return child; }
  addEventListener(name, f) { this.listeners[name] = f; }
  *all() { yield this; for (const child of this.children) yield* child.all(); }
  find(test) { return [...this.all()].filter(test); }
}
globalThis.document = { createElement: (n) => new Node(n), createElementNS: (_, n) => new Node(n) };

const explorer = await import(process.argv[2]);
const state = JSON.parse(readFileSync(process.argv[3], "utf8"));
const listeners = new Set();
let saved = 0;
const model = {
  get: (key) => state[key],
  set: (key, value) => { state[key] = value; },
  save_changes: () => { saved += 1; },
  on: (_, f) => listeners.add(f),
  off: (_, f) => listeners.delete(f),
};

const el = new Node("div");
const end = explorer.default.render({ model, el });
const [input] = el.find((n) => n.name === "input");
const [label] = el.find((n) => n.name === "label");
const [output] = el.find((n) => n.name === "output");
const [clip] = el.find((n) => n.name === "rect");
const look = () => ({
  text: output.textContent,
  width: Number(clip.attributes.width),
  slider: Number(input.value),
  markers: el.find((n) => n.name === "circle").map((n) => Number(n.attributes.cy)),
});

const first = look();
input.value = "0.9";
input.listeners.input();
const moved = look();
state.sparsity = 0.25;
listeners.forEach((f) => f());
const followed = look();
end();
console.log(JSON.stringify({
  first, moved, followed, saved,
  sparsity: state.sparsity,
  left: listeners.size,
  labelled: label.attributes.for === input.attributes.id,
  type: input.attributes.type,
  valuetext: input.attributes["aria-valuetext"],
  pictures: el.find((n) => n.attributes.role === "img").map((n) => n.attributes["aria-label"]),
  thresholds: [0, 0.25, 0.5, 1].map((s) => explorer.thresholdAt([0, 2, 4, 6, 8], s)),
  between: explorer.interpolate([0, 1, 3], [10, 20, 0], 2),
  outside: [explorer.interpolate([0, 1], [5, 6], -1), explorer.interpolate([0, 1], [5, 6], 9)],
  ticks: explorer.ticks(-0.25, 0.25, 5),
}));
