// The ESE schedule without a browser: every switch turned, bars pointed at and walked along; findings as JSON.
import { el, end, explorer, listeners, named, one, press, saved, state } from "./page.mjs";

globalThis.document.activeElement = null;
const output = one("output");
const details = () => el.find((n) => n.className === "efflab-detail")[0].textContent;
const bars = el.find((n) => (n.attributes.class || "").startsWith("efflab-task"));
const checks = el.tagged("input");
const of = (name) => el.find((n) => n.attributes.class === name);
const look = () => ({
  text: output.textContent,
  detail: details(),
  places: bars.map((n) => Number(n.attributes.style.match(/translate\(([-\d.]+)px/)[1])),
  widths: bars.map((n) => Number(n.children[0].attributes.width)),
  hatched: bars.filter((n) => n.children[1].attributes.visibility === "visible").length,
  rows: of("efflab-row").map((n) => n.textContent),
  checked: checks.map((n) => n.checked),
  overlaps: state.overlaps,
  dim: bars.filter((n) => n.attributes.class.includes("dim")).length,
  threads: [of("efflab-waits").length, of("efflab-follows").length],
  width: Number(of("efflab-gantt")[0].attributes.width),
  labels: bars.map((n) => n.attributes["aria-label"]),
  tab: bars.map((n) => n.attributes.tabindex),
  table: one("tbody").children.map((row) => row.children.map((cell) => cell.textContent)),
  names: bars.map((n) => n.children[3].textContent),
});
const key = (bar, name) => {
  const event = { key: name, prevented: false, preventDefault() { this.prevented = true; }, stopPropagation() {} };
  bar.listeners.keydown(event);
  return event.prevented;
};
const turn = (i, on) => { checks[i].checked = on; checks[i].listeners.change(); };

const first = look();
turn(0, false);
const off = look();
press("All off");
const none = look();
press("All on");
const all = look();
bars[3].listeners.pointerenter();
const pointed = look();
bars[3].listeners.pointerleave();
const left = look();
bars[0].listeners.focus();
const walked = [key(bars[0], "ArrowDown"), details(), key(bars[0], "x")];
bars[2].listeners.focus();
const focused = look();
state.overlaps = [];
listeners.forEach((_, f) => f());
const followed = look();
end();
console.log(JSON.stringify({
  first, off, none, all, pointed, left, walked, focused, followed, saved: saved.count, listening: listeners.size, named: named(),
  labels: bars.map((n) => n.attributes["aria-label"]),
  scopes: [...new Set(el.tagged("th").map((n) => n.attributes.scope))],
  switches: checks.map((n) => n.attributes.role),
  fitted: [150, 80, 40, 10].map((width) => explorer.fitted({ name: "weights Wix (12)" }, width)),
}));
