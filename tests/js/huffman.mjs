// The Huffman explorer without a browser: through all steps; findings as JSON.
import { el, end, explorer, listeners, named, one, press, saved, state, tick, timers } from "./page.mjs";

const output = one("output");
const slider = one("input");
const rows = one("tbody").children;
const [stream] = el.find((n) => n.className.startsWith("efflab-stream"));
const of = (name) => el.find((n) => n.attributes.class === name || n.className === name);
const shown = (name) => one("svg").children[0].find((n) => n.children.some((c) => c.attributes.class === name) && n.attributes.display !== "none").length;
const look = () => ({
  text: output.textContent,
  step: state.step,
  table: rows.map((row) => row.children.map((cell) => cell.textContent)),
  stream: stream.children.map((n) => (n.children.length ? n.children.map((c) => c.textContent) : n.textContent)),
  hidden: stream.className.includes("waiting"),
  nodes: shown("efflab-node"),
  pointer: of("efflab-pointer").map((n) => [Number(n.attributes.cx), Number(n.attributes.cy), n.attributes.display])[0],
});

const first = look();
press("Step");
const merged = look();
press("To the code");
const coded = look();
press("Step");
const bit = look();
press("Back");
const steps = [];
const last = Number(slider.attributes.max);
for (let step = 0; step <= last; step += 1) {
  slider.value = String(step);
  slider.listeners.input();
  steps.push(look());
}
press("Play");
tick();
const playing = { step: state.step, timers: timers.size };
state.step = 2;
listeners.forEach((_, f) => f());
const followed = { text: output.textContent, slider: Number(slider.value), valuetext: slider.attributes["aria-valuetext"] };
end();
console.log(JSON.stringify({
  first, merged, coded, bit, steps, playing, followed, last, named: named(),
  saved: saved.count,
  left: listeners.size + timers.size,
  scopes: el.tagged("th").map((n) => n.attributes.scope),
  lengths: explorer.lengthsAfter(3, [[0, 1], [3, 2]], 1),
  decoded: explorer.decode(["0", "10", "11"], "01011", 4),
  order: explorer.canonicalOrder(["10", "0", "11"]),
  places: explorer.layout(explorer.codeTree(["0", "10", "11"])).map(({ id, x, y }) => [id, x, y]),
}));
