// The pruning explorer without a browser: moved by its slider and by its trait; findings as JSON.
import { el, end, explorer, listeners, one, saved, state } from "./page.mjs";

const [input, label, output, clip] = ["input", "label", "output", "rect"].map(one);
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
listeners.forEach((_, f) => f());
const followed = look();
end();
console.log(JSON.stringify({
  first, moved, followed,
  saved: saved.count,
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
