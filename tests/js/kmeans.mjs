// The k-means explorer without a browser: every control pressed once; findings as JSON.
import { el, end, explorer, listeners, named, one, press, saved, state, tick, timers } from "./page.mjs";

const output = one("output");
const [slider] = el.tagged("input").filter((n) => n.attributes.type === "range");
const radios = el.tagged("input").filter((n) => n.attributes.type === "radio");
const place = (n) => Number(n.attributes.transform.match(/translate\(([-\d.]+)/)[1]);
const of = (name) => el.find((n) => n.attributes.class === name);
const look = () => ({
  text: output.textContent,
  slider: Number(slider.value),
  valuetext: slider.attributes["aria-valuetext"],
  heads: of("efflab-head").map(place),
  borders: of("efflab-border").map((n) => Number(n.attributes.x1)),
  threads: of("efflab-thread").map((n) => [Number(n.attributes.x1), Number(n.attributes.x2)]),
  marker: of("efflab-marker").map((n) => Number(n.attributes.cy))[0],
  chosen: radios.filter((n) => n.checked).map((n) => n.attributes.value),
  init: state.init,
  iteration: state.iteration,
});

const first = look();
press("Step");
press("Step");
const stepped = look();
press("Back");
const back = look();
slider.value = slider.attributes.max;
slider.listeners.input();
const last = look();
radios[1].listeners.change();
const other = look();
press("Play"); // from the end it starts anew
tick();
tick();
const playing = { ...look(), live: output.attributes["aria-live"], timers: timers.size };
press("Pause");
const paused = { ...look(), live: output.attributes["aria-live"], timers: timers.size };
press("Play");
for (let i = 0; i < 100; i += 1) tick();
const played = { ...look(), timers: timers.size, buttons: el.tagged("button").map((n) => n.textContent) };
state.iteration = 1;
state.init = "linear";
listeners.forEach((_, f) => f());
const followed = look();
press("Play");
end();
console.log(JSON.stringify({
  first, stepped, back, last, other, playing, paused, played, followed, named: named(),
  saved: saved.count,
  left: listeners.size + timers.size,
  references: of("efflab-reference").map((n) => Number(n.attributes.y1)),
  curves: of("efflab-curve").length,
  ticks: explorer.logTicks(0.9, 130),
  narrow: explorer.logTicks(2.1, 2.4),
  nearest: [explorer.nearest([0, 1, 3], 0.5), explorer.nearest([0, 1, 3], 9), explorer.nearest([0, 1, 3], 2.1)],
  borders: explorer.borders([0, 1, 3]),
  lost: explorer.lossOfLargest([4, -6], [-5, 3]),
}));
