// The EIE player without a browser: every control used once; findings as JSON.
import { beat, el, end, explorer, listeners, named, one, press, saved, state } from "./page.mjs";

const output = one("output");
const inputs = el.tagged("input");
const [slider, pe] = ["range", "number"].map((type) => inputs.find((n) => n.attributes.type === type));
const speed = one("select");
const details = one("details");
const [grid, load, course] = el.tagged("canvas").filter((n) => !n.attributes["aria-label"].startsWith("The output"));
const bus = () => el.find((n) => n.className.startsWith("efflab-bus"))[0];
const classed = (name) => el.find((n) => n.className === name);
const root = el.children[0];
const look = () => ({
  cycle: state.cycle,
  slider: Number(slider.value),
  valuetext: slider.attributes["aria-valuetext"],
  text: output.textContent,
  bus: [bus().className, bus().textContent],
  live: output.attributes["aria-live"],
  counters: Object.fromEntries(classed("efflab-counted").map((n, i) => [n.textContent, classed("efflab-count")[i].textContent])),
  button: el.tagged("button").map((n) => n.textContent),
  table: one("tbody").children.map((row) => row.children.map((cell) => cell.textContent)),
  outlined: grid.drawn.filter(([name]) => name === "strokeRect").length,
});
const key = (name, target = slider, more = {}) => {
  const event = { key: name, target, ...more, prevented: false, preventDefault() { this.prevented = true; }, stopPropagation() {} };
  root.listeners.keydown(event);
  return [state.cycle, event.prevented];
};
const point = (node, name, x, y = 10) => node.listeners[name]({ clientX: x, clientY: y, pointerId: 1 });

const first = look();
press("Step");
press("Step");
press("Back");
const stepped = look();
const keys = ["ArrowRight", "ArrowUp", "ArrowLeft", "End", "ArrowRight", "Home", "PageUp", "x"].map((name) => key(name));
const own = [key("ArrowRight", speed), key("ArrowRight", pe), key(" ", el.tagged("button")[0]), key("ArrowRight", slider, { ctrlKey: true })];
slider.value = "3";
slider.listeners.input();
details.open = true;
details.listeners.toggle();
const opened = look();
key("Home");
key(" ");
[0, 1000, 2000].forEach(beat); // at the speed first offered
const playing = { ...look(), saved: saved.count };
key(" ");
const paused = look();
speed.value = "5";
speed.listeners.change();
key("Home");
press("Play");
[5000, 5400, 5800].forEach(beat);
const faster = look();
beat(60000);
const played = look();
beat(61000); // nothing is left to happen
press("Play"); // from the end it starts anew
const again = look();
point(course, "pointerdown", 350);
const scrubbed = look();
point(course, "pointermove", 0);
const dragged = state.cycle;
point(course, "pointerup", 0);
point(course, "pointermove", 700);
const released = state.cycle;
point(grid, "pointerdown", 130);
const chosen = { ...look(), pe: pe.value };
point(grid, "pointerdown", 130);
const unchosen = { ...look(), pe: pe.value };
pe.value = "0";
pe.listeners.input();
const typed = look();
pe.value = "99";
pe.listeners.input();
const wrong = look();
state.cycle = 2;
listeners.forEach((_, f) => f());
const followed = look();
end();
console.log(JSON.stringify({
  first, stepped, keys, own, opened, playing, paused, faster, played, again, scrubbed, dragged, released, chosen, unchosen, typed, wrong, followed,
  saved: saved.count,
  left: listeners.size,
  named: named(),
  labelled: el.tagged("select").every((n) => el.tagged("label").some((l) => l.attributes.for === n.attributes.id)),
  scopes: [...new Set(el.tagged("th").map((n) => n.attributes.scope))],
  loads: load.drawn.filter(([name]) => name === "fillRect").length,
  grids: [[64, 700], [64, 340], [256, 700], [256, 340], [4, 340], [16, 700], [1, 700]].map(([pes, width]) => explorer.gridOf(pes, width)).map(({ columns, cell, height }) => [columns, cell, height]),
  found: [[0, 0], [699, 10], [0, 50], [10, 300], [-1, 0]].map(([x, y]) => explorer.peAt(64, x, y, 700)),
  speeds: [1, 100, 2000, 10 ** 6].map(explorer.speedFor),
  bars: [explorer.outputBars([1, -3, 2, 0], 2), explorer.outputBars([1, 2], 9)],
  means: explorer.means([0, 1, 1, 0, 4], 2),
  words: explorer.readWords([1, 2, 2], new Uint8Array([0b01011000]), 4),
  one: explorer.readWords([1], new Uint8Array([0]), 3),
  varints: explorer.readVarints(new Uint8Array([5, 172, 2, 0])),
}));
