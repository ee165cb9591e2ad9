// The controls of the EIE player: speed, choice of a PE, clock, keys, pointer.

const SPEEDS = [1, 5, 20, 100, 500, 2000, 10000]; // cycles a second
const LONGEST = 20; // seconds that a run takes at the speed first offered, if one is high enough
const STILL = 1000; // milliseconds between pictures where motion is unwelcome

/** The speed first offered: the lowest that plays the run in time. */
export function speedFor(cycles) {
  return SPEEDS.find((speed) => cycles / speed <= LONGEST) || SPEEDS[SPEEDS.length - 1];
}

function named(kind, id, name, node) {
  const title = html("label", "efflab-label", name);
  title.setAttribute("for", `${id}-${kind}`);
  node.setAttribute("id", `${id}-${kind}`);
  const pair = html("span", "efflab-pair");
  pair.appendChild(title);
  pair.appendChild(node);
  return pair;
}

function speedChoice(id, cycles, choose) {
  const node = html("select", "efflab-select");
  for (const speed of SPEEDS) {
    const option = html("option", "", `${grouped(speed)} ${speed === 1 ? "cycle" : "cycles"}/s`);
    option.setAttribute("value", speed);
    if (speed === speedFor(cycles)) option.setAttribute("selected", "");
    node.appendChild(option);
  }
  node.addEventListener("change", () => choose(Number(node.value)));
  return named("speed", id, "Speed", node);
}

function peChoice(id, pes, choose) {
  const node = html("input", "efflab-number");
  for (const [key, value] of Object.entries({ type: "number", min: 0, max: pes - 1, step: 1 })) node.setAttribute(key, String(value));
  node.addEventListener("input", () => {
    const k = Number(node.value);
    choose(node.value !== "" && Number.isInteger(k) && k >= 0 && k < pes ? k : null);
  });
  const show = (selected) => { node.value = selected === null ? "" : String(selected); };
  return [named("pe", id, "Look at PE", node), show];
}

/** Plays cycles by the clock: `link` tells it how to read and move the cycle, and whom to tell when it starts or stops. */
function clock(last) {
  const one = { speed: speedFor(last), playing: false };
  let [get, move, changed] = [() => 0, () => {}, () => {}];
  let handle = 0;
  let before = null;
  let place = 0;
  const beat = (now) => {
    handle = requestAnimationFrame(beat);
    if (before === null) before = now;
    if (stillness() && now - before < STILL) return;
    place = Math.min(last, place + (one.speed * (now - before)) / 1000);
    before = now;
    move(Math.floor(place));
    if (place >= last) one.stop();
  };
  one.link = (...how) => { [get, move, changed] = how; };
  one.stop = () => {
    if (!one.playing) return;
    one.playing = false;
    cancelAnimationFrame(handle);
    changed();
  };
  one.start = () => {
    if (last === 0) return;
    one.playing = true;
    place = get() >= last ? 0 : get();
    before = null;
    move(place);
    changed();
    handle = requestAnimationFrame(beat);
  };
  one.toggle = () => (one.playing ? one.stop() : one.start());
  return one;
}

/** Keys that move through the run, wherever the focus is in the figure, unless a control has its own use for them. */
export function keyed(key, cycle, last) {
  const far = Math.max(10, Math.round(last / 20));
  const found = { ArrowRight: cycle + 1, ArrowUp: cycle + 1, ArrowLeft: cycle - 1, ArrowDown: cycle - 1, PageUp: cycle + far, PageDown: cycle - far, Home: 0, End: last }[key];
  return found === undefined ? null : Math.min(last, Math.max(0, found));
}

function onKeys(root, last, get, move, toggle) {
  root.addEventListener("keydown", (event) => {
    const { name = "", nodeName = name, type = "" } = event.target || {};
    const tag = nodeName.toLowerCase();
    const own = ["select", "summary"].includes(tag) || type === "number" || (event.target.className || "").includes("efflab-scroller");
    if (own || event.altKey || event.ctrlKey || event.metaKey) return;
    const place = keyed(event.key, get(), last);
    if (place === null && (event.key !== " " || tag === "button")) return;
    event.preventDefault();
    event.stopPropagation();
    if (place === null) toggle();
    else move(place);
  });
}

/** The PE at a place of the grid; null where there is none. */
export function peAt(pes, x, y, width) {
  const { columns, cell, tall } = gridOf(pes, width);
  const k = Math.floor(y / tall) * columns + Math.floor(x / cell);
  return x >= 0 && x < columns * cell && k >= 0 && k < pes ? k : null;
}

/** Pointer, pen or finger on a canvas: pressed and, if `drags`, moved. */
function onPointer(node, press, drags) {
  let held = false;
  const call = (event) => {
    const place = node.getBoundingClientRect();
    press(event.clientX - place.left, event.clientY - place.top, place.width);
  };
  node.addEventListener("pointerdown", (event) => {
    held = drags;
    if (drags) node.setPointerCapture(event.pointerId);
    call(event);
  });
  node.addEventListener("pointermove", (event) => held && call(event));
  for (const name of ["pointerup", "pointercancel"]) node.addEventListener(name, () => { held = false; });
}

/** Slider, buttons and choices. */
function controls(id, machine, time, get, go, select) {
  const [control, input] = slider(id, "Cycle", 0, machine.cycles, 1);
  const settings = html("div", "efflab-control");
  const play = button("Play", time.toggle);
  const [pe, showPe] = peChoice(id, machine.pes, select);
  const speeds = speedChoice(id, machine.cycles, (speed) => { time.speed = speed; });
  const by = (steps) => () => go(get() + steps);
  for (const one of [button("Back", by(-1)), button("Step", by(1)), play, speeds, pe]) settings.appendChild(one);
  input.addEventListener("input", () => go(Number(input.value)));
  const update = () => {
    if (Number(input.value) !== get()) input.value = String(get());
    input.setAttribute("aria-valuetext", `cycle ${get()} of ${machine.cycles}`);
    play.textContent = time.playing ? "Pause" : "Play";
  };
  return [[control, settings], update, showPe];
}
