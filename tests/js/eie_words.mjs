// What the EIE player says in every cycle, and what it writes into its picture of the outputs.
import { el, explorer, named, state } from "./page.mjs";

const machine = explorer.replay(explorer.unpack(state), state.batches, state.depth);
const shown = explorer.captions(state);
const words = Array.from({ length: machine.cycles }, (_, cycle) => explorer.reading(machine, shown, explorer.stateAt(machine, cycle), null));
const outputs = el.tagged("canvas").filter((n) => n.attributes["aria-label"].startsWith("The output"));
const drawn = outputs.flatMap((n) => n.drawn.filter(([name]) => name === "fillText").map(([, text]) => text));
console.log(JSON.stringify({ words, drawn, named: named() }));
