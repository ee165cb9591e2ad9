// A page without a browser: a small document, timers that tick when told, and a model that holds the traits in argv[3].
import { readFileSync } from "node:fs";

class Node {
  constructor(name) {
    Object.assign(this, { name, attributes: {}, children: [], listeners: {}, textContent: "", className: "", value: "" });
  }
  setAttribute(key, value) { this.attributes[key] = String(value); }
  removeAttribute(key) { delete this.attributes[key]; }
  appendChild(child) { this.children.push(child); return child; }
  replaceChildren(...children) { this.children = children; }
  addEventListener(name, f) { this.listeners[name] = f; }
  *all() { yield this; for (const child of this.children) yield* child.all(); }
  find(test) { return [...this.all()].filter(test); }
  tagged(name) { return this.find((n) => n.name === name); }
  get type() { return this.attributes.type; }
  getBoundingClientRect() { return { left: 0, top: 0, width: 700, height: 100 }; }
  setPointerCapture() {}
  focus() { if (this.listeners.focus) this.listeners.focus(); }
  getContext() {
    this.drawn = [];
    return new Proxy({}, { get: (_, name) => (...values) => this.drawn.push([name, ...values]), set: () => true });
  }
  text() { return this.textContent + this.children.map((child) => child.text()).join(""); }
}
globalThis.document = { createElement: (n) => new Node(n), createElementNS: (_, n) => new Node(n) };

export const timers = new Map();
globalThis.setInterval = (f) => { timers.set(timers.size + 1, f); return timers.size; };
globalThis.clearInterval = (id) => timers.delete(id);
export const tick = () => [...timers.values()].forEach((f) => f());

let beats = [];
globalThis.requestAnimationFrame = (f) => beats.push(f);
globalThis.cancelAnimationFrame = () => { beats = []; };
export const beat = (now) => beats.splice(0).forEach((f) => f(now));
globalThis.getComputedStyle = () => ({ getPropertyValue: (name) => name, fontFamily: "serif" });

export const explorer = await import(process.argv[2]);
export const state = JSON.parse(readFileSync(process.argv[3], "utf8"));
export const listeners = new Map();
export const saved = { count: 0 };
const model = {
  get: (key) => state[key],
  set: (key, value) => {
    const changed = state[key] !== value;
    state[key] = value;
    if (changed) [...listeners].forEach(([f, name]) => name === `change:${key}` && f());
  },
  save_changes: () => { saved.count += 1; },
  on: (name, f) => listeners.set(f, name),
  off: (name, f) => listeners.get(f) === name && listeners.delete(f),
};

export const el = new Node("div");
export const end = explorer.default.render({ model, el });
export const press = (text) => el.tagged("button").find((n) => n.textContent === text).listeners.click();
export const one = (name) => el.tagged(name)[0];

/** What each picture, slider and group says of itself. */
export const named = () => ({
  pictures: el.find((n) => n.attributes.role === "img").map((n) => n.attributes["aria-label"]),
  groups: el.find((n) => n.attributes.role === "group").map((n) => n.attributes["aria-label"]),
  unnamed: el.tagged("input").filter((n) => !el.tagged("label").some((l) => l.attributes.for === n.attributes.id && l.text())).length,
});
